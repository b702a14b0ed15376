/* yaml/strict.c: see strict.h. */
#include "yaml/strict.h"

struct dg_yaml_strict
dg_yaml_strict(struct dg_str text)
{
	struct dg_yaml_strict s = {.text = text, .mark = {1, 1}};

	if (dg_str_starts(text, "\xef\xbb\xbf"))
		s.at = 3;
	else if (dg_str_starts(text, "\xff\xfe") || dg_str_starts(text, "\xfe\xff"))
		s.at = text.n; /* UTF-16: not looked at */
	return s;
}

/* One character further; its first byte. */
static unsigned char
step(struct dg_yaml_strict *s)
{
	unsigned char c = (unsigned char)s->text.p[s->at++];

	while (s->at < s->text.n && ((unsigned char)s->text.p[s->at] & 0xc0) == 0x80)
		s->at++;
	s->index++;
	if (c == '\n') {
		s->mark.line++;
		s->mark.column = 1;
	} else {
		s->mark.column++;
	}
	return c;
}

static bool
goes_on(const struct dg_yaml_strict *s, size_t index)
{
	return s->at < s->text.n && s->index < index;
}

/* Is there a tab before INDEX? S stands on it then. In comments tabs are free. */
static bool
tab_before(struct dg_yaml_strict *s, size_t index, bool comments)
{
	while (goes_on(s, index)) {
		if (s->text.p[s->at] == '\t')
			return true;
		if (step(s) == '#' && comments)
			while (goes_on(s, index) && s->text.p[s->at] != '\n' &&
				s->text.p[s->at] != '\r')
				step(s);
	}
	return false;
}

const char *
dg_yaml_strict_next(struct dg_yaml_strict *s, const yaml_event_t *ev)
{
	static const char tab[] = "a tab cannot separate or indent";
	bool plain = ev->type == YAML_SCALAR_EVENT &&
		     ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (ev->type == YAML_SEQUENCE_START_EVENT)
		s->flow += ev->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
	if (ev->type == YAML_MAPPING_START_EVENT)
		s->flow += ev->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
	if ((ev->type == YAML_SEQUENCE_END_EVENT || ev->type == YAML_MAPPING_END_EVENT) &&
		s->flow > 0)
		s->flow--;
	if (tab_before(s, ev->start_mark.index, true))
		return tab;
	if (plain && s->flow &&
		memchr(ev->data.scalar.value, '?', ev->data.scalar.length))
		return "inside [] and {} a text with '?' must be quoted";
	if (plain && tab_before(s, ev->end_mark.index, false))
		return tab;
	while (goes_on(s, ev->end_mark.index))
		step(s);
	return NULL;
}
