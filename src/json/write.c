/* json/write.c: see write.h. */
#include "json/write.h"

#include <inttypes.h>
#include <math.h>

#include "base/err.h"
#include "base/num.h"

/* The escape of a character that has a short one, else 0. */
static char
short_escape(uint32_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	case '\f':
		return 'f';
	case '\b':
		return 'b';
	default:
		return 0;
	}
}

/* One character; returns its bytes. */
static size_t
next_char(struct dg_str s, uint32_t *cp)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = dg_utf8_decode(s, cp);

	if (n)
		return n;
	if (s.n >= 3 && p[0] == 0xed && p[1] >= 0xa0 && p[1] <= 0xbf &&
		(p[2] & 0xc0) == 0x80) { /* a surrogate */
		*cp = 0xd000u | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
		return 3;
	}
	*cp = 0xfffd;
	return 1;
}

static void
add_u(struct dg_buf *b, uint32_t unit)
{
	dg_buf_addf(b, "\\u%04x", unit);
}

static void
add_escaped(struct dg_buf *b, uint32_t cp)
{
	char e = short_escape(cp);

	if (e) {
		dg_buf_addc(b, '\\');
		dg_buf_addc(b, e);
	} else if (cp >= 0x10000) {
		add_u(b, 0xd800 + ((cp - 0x10000) >> 10));
		add_u(b, 0xdc00 + ((cp - 0x10000) & 0x3ff));
	} else {
		add_u(b, cp);
	}
}

static void
add_inner(struct dg_buf *b, struct dg_str s, bool ascii)
{
	unsigned char last =
		ascii ? 0x7e : 0x7f; /* json.dumps escapes DEL only in ASCII */

	dg_buf_reserve(b, s.n + 2);
	while (s.n) {
		size_t plain = 0, n;
		uint32_t cp;

		while (plain < s.n) {
			unsigned char c = (unsigned char)s.p[plain];

			if (c < 0x20 || c == '"' || c == '\\' || c > last)
				break;
			plain++;
		}
		dg_buf_add(b, s.p, plain);
		s.p += plain, s.n -= plain;
		if (!s.n)
			break;
		n = next_char(s, &cp);
		if (ascii || cp < 0x20 || cp == '"' || cp == '\\' ||
			(cp & 0xfffff800) == 0xd800)
			add_escaped(b, cp);
		else
			dg_buf_add_utf8(b, cp);
		s.p += n, s.n -= n;
	}
}

static void
add_quoted(struct dg_buf *b, struct dg_str s, bool ascii)
{
	dg_buf_addc(b, '"');
	add_inner(b, s, ascii);
	dg_buf_addc(b, '"');
}

void
dg_json_add_inner(struct dg_buf *b, struct dg_str text)
{
	add_inner(b, text, true);
}

void
dg_json_add_str(struct dg_buf *b, struct dg_str text)
{
	add_quoted(b, text, true);
}

void
dg_json_add_str_utf8(struct dg_buf *b, struct dg_str text)
{
	add_quoted(b, text, false);
}

void
dg_json_add_int(struct dg_buf *b, int64_t v)
{
	dg_buf_addf(b, "%" PRId64, v);
}

void
dg_json_add_double(struct dg_buf *b, double v)
{
	char repr[DG_REPR_MAX];

	if (isnan(v))
		dg_buf_adds(b, "NaN");
	else if (isinf(v))
		dg_buf_adds(b, v < 0 ? "-Infinity" : "Infinity");
	else
		dg_buf_adds(b, dg_double_repr(v, repr));
}

struct dg_jw
dg_jw(struct dg_buf *b)
{
	return (struct dg_jw){b, ", ", ": ", 0, false, 0};
}

struct dg_jw
dg_jw_compact(struct dg_buf *b)
{
	return (struct dg_jw){b, ",", ":", 0, false, 0};
}

void
dg_jw_place(struct dg_jw *w)
{
	uint64_t bit = (uint64_t)1 << w->depth;

	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->depth && (w->some & bit))
		dg_buf_adds(w->b, w->comma);
	w->some |= bit;
}

static void
open_bracket(struct dg_jw *w, char c)
{
	dg_jw_place(w);
	dg_buf_addc(w->b, c);
	DG_ASSERT(w->depth + 1 < DG_JW_DEPTH_MAX);
	w->depth++;
	w->some &= ~((uint64_t)1 << w->depth);
}

static void
close_bracket(struct dg_jw *w, char c)
{
	DG_ASSERT(w->depth > 0 && !w->after_key);
	w->depth--;
	dg_buf_addc(w->b, c);
}

void
dg_jw_open_object(struct dg_jw *w)
{
	open_bracket(w, '{');
}

void
dg_jw_close_object(struct dg_jw *w)
{
	close_bracket(w, '}');
}

void
dg_jw_open_array(struct dg_jw *w)
{
	open_bracket(w, '[');
}

void
dg_jw_close_array(struct dg_jw *w)
{
	close_bracket(w, ']');
}

void
dg_jw_key(struct dg_jw *w, const char *key)
{
	DG_ASSERT(w->depth > 0 && !w->after_key);
	dg_jw_place(w);
	dg_json_add_str(w->b, dg_str(key));
	dg_buf_adds(w->b, w->colon);
	w->after_key = true;
}

void
dg_jw_strn(struct dg_jw *w, struct dg_str v)
{
	dg_jw_place(w);
	dg_json_add_str(w->b, v);
}

void
dg_jw_str(struct dg_jw *w, const char *v)
{
	if (v)
		dg_jw_strn(w, dg_str(v));
	else
		dg_jw_null(w);
}

void
dg_jw_int(struct dg_jw *w, int64_t v)
{
	dg_jw_place(w);
	dg_json_add_int(w->b, v);
}

void
dg_jw_double(struct dg_jw *w, double v)
{
	dg_jw_place(w);
	dg_json_add_double(w->b, v);
}

void
dg_jw_bool(struct dg_jw *w, bool v)
{
	dg_jw_raw(w, v ? DG_STR("true") : DG_STR("false"));
}

void
dg_jw_null(struct dg_jw *w)
{
	dg_jw_raw(w, DG_STR("null"));
}

void
dg_jw_raw(struct dg_jw *w, struct dg_str json)
{
	dg_jw_place(w);
	dg_buf_addstr(w->b, json);
}

void
dg_jw_kstr(struct dg_jw *w, const char *key, const char *v)
{
	dg_jw_key(w, key);
	dg_jw_str(w, v);
}

void
dg_jw_kint(struct dg_jw *w, const char *key, int64_t v)
{
	dg_jw_key(w, key);
	dg_jw_int(w, v);
}

void
dg_jw_kdouble(struct dg_jw *w, const char *key, double v)
{
	dg_jw_key(w, key);
	dg_jw_double(w, v);
}

void
dg_jw_kbool(struct dg_jw *w, const char *key, bool v)
{
	dg_jw_key(w, key);
	dg_jw_bool(w, v);
}

void
dg_jw_knull(struct dg_jw *w, const char *key)
{
	dg_jw_key(w, key);
	dg_jw_null(w);
}

void
dg_jw_kraw(struct dg_jw *w, const char *key, struct dg_str json)
{
	dg_jw_key(w, key);
	dg_jw_raw(w, json);
}
