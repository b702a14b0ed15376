/* json/scan.c: see scan.h. */
#include "json/scan.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
start(struct dg_json_scan *s, char c)
{
	if (c == '"')
		s->state = DG_SCAN_STRING;
	else if (c == '{' || c == '[')
		s->state = DG_SCAN_INSIDE, s->depth = 1;
	else if (!is_space(c))
		s->state = DG_SCAN_SCALAR;
}

static void
inside(struct dg_json_scan *s, char c)
{
	if (c == '"')
		s->state = DG_SCAN_STRING;
	else if (c == '{' || c == '[')
		s->depth++;
	else if ((c == '}' || c == ']') && --s->depth == 0)
		s->state = DG_SCAN_DONE;
}

size_t
dg_json_scan(struct dg_json_scan *s, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		switch (s->state) {
		case DG_SCAN_START:
			start(s, c);
			break;
		case DG_SCAN_SCALAR:
			if (is_space(c) || c == ',' || c == ']' || c == '}') {
				s->state = DG_SCAN_DONE;
				return i;
			}
			break;
		case DG_SCAN_INSIDE:
			inside(s, c);
			break;
		case DG_SCAN_STRING:
			if (c == '\\')
				s->state = DG_SCAN_ESCAPE;
			else if (c == '"')
				s->state = s->depth ? DG_SCAN_INSIDE : DG_SCAN_DONE;
			break;
		case DG_SCAN_ESCAPE:
			s->state = DG_SCAN_STRING;
			break;
		case DG_SCAN_DONE:
			return i;
		}
		if (s->state == DG_SCAN_DONE)
			return i + 1;
	}
	return n;
}
