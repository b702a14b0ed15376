/* dagster/escape.c: see escape.h. */
#include "dagster/escape.h"

#include <inttypes.h>

#include "json/write.h"

static int
bad(const struct dg_escape *s, struct dg_err *e, unsigned char c, const char *why)
{
	return dg_fail(e, DG_USER, 0,
		"'utf-8' codec can't decode byte 0x%02x in position %" PRIu64 ": %s", c,
		s->bytes, why);
}

/* Bytes that a character with this first byte has; 0 when none has. */
static size_t
length(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* Whole characters: the longest run of plain ones at once, the others one by one. */
static int
whole(struct dg_escape *s, struct dg_str t, struct dg_buf *out, struct dg_err *e)
{
	while (t.n) {
		size_t n = 0;
		uint32_t cp;

		while (n < t.n && t.p[n] >= ' ' && t.p[n] < 0x7f && t.p[n] != '"' &&
			t.p[n] != '\\')
			n++;
		if (n)
			dg_buf_add(out, t.p, n);
		else {
			n = dg_utf8_decode(t, &cp);
			if (!n)
				return bad(s, e, (unsigned char)t.p[0],
					length((unsigned char)t.p[0])
						? "invalid continuation byte"
						: "invalid start byte");
			dg_json_add_inner(out, dg_strn(t.p, n));
		}
		s->bytes += n;
		t.p += n;
		t.n -= n;
	}
	return 0;
}

int
dg_escape_feed(
	struct dg_escape *s, struct dg_str piece, struct dg_buf *out, struct dg_err *e)
{
	size_t tail = 0;
	int r;

	while (s->have && piece.n) {
		s->part[s->have++] = *piece.p++;
		piece.n--;
		if (s->have < length((unsigned char)s->part[0]) &&
			((unsigned char)s->part[s->have - 1] & 0xc0) == 0x80)
			continue;
		r = whole(s, dg_strn(s->part, s->have), out, e);
		if (r < 0)
			return r;
		s->have = 0;
	}
	/* A character may be cut at the piece's end: at most three bytes of it are here.
	 */
	for (size_t i = 1; i <= 3 && i <= piece.n; i++) {
		unsigned char c = (unsigned char)piece.p[piece.n - i];

		if ((c & 0xc0) == 0x80)
			continue;
		if (length(c) > i)
			tail = i;
		break;
	}
	r = whole(s, dg_strn(piece.p, piece.n - tail), out, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < tail; i++)
		s->part[s->have++] = piece.p[piece.n - tail + i];
	return 0;
}

int
dg_escape_end(struct dg_escape *s, struct dg_err *e)
{
	return s->have ? bad(s, e, (unsigned char)s->part[0], "unexpected end of data")
		       : 0;
}
