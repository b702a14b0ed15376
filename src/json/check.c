/* json/check.c: is a text one JSON document? One pass, no recursion. */
#include "json/json.h"

#include <stdint.h>

/* What a byte is inside a string: 0 plain, 1 quote or backslash, 2 not ASCII. */
static const uint8_t in_string[256] = {
	['"'] = 1,
	['\\'] = 1,
	[0x80 ... 0xff] = 2,
};

struct reader {
	const char *start, *p, *end;
	struct dg_err *e;
};

static int
bad(struct reader *r, const char *what)
{
	return dg_fail(r->e, DG_USER, 0, "JSON: %s at byte %zu", what,
		(size_t)(r->p - r->start));
}

static void
space(struct reader *r)
{
	while (r->p < r->end &&
		(*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* After a backslash. */
static int
escape(struct reader *r)
{
	if (r->p == r->end)
		return bad(r, "the text ends inside a string");
	if (*r->p == 'u') {
		if (r->end - r->p < 5)
			return bad(r, "a \\u escape is cut short");
		for (int i = 1; i <= 4; i++)
			if (!is_hex(r->p[i]))
				return bad(r, "a \\u escape without four hex digits");
		r->p += 5;
		return 0;
	}
	if (*r->p == '\0' || !strchr("\"\\/bfnrt", *r->p))
		return bad(r, "an unknown escape");
	r->p++;
	return 0;
}

/* At the opening quote. */
static int
string(struct reader *r)
{
	uint32_t cp;
	size_t n;

	r->p++;
	for (;;) {
		while (r->p < r->end && in_string[(uint8_t)*r->p] == 0)
			r->p++;
		if (r->p == r->end)
			return bad(r, "the text ends inside a string");
		if (*r->p == '"') {
			r->p++;
			return 0;
		}
		if (*r->p == '\\') {
			int rc;

			r->p++;
			rc = escape(r);
			if (rc < 0)
				return rc;
			continue;
		}
		n = dg_utf8_decode(dg_strn(r->p, (size_t)(r->end - r->p)), &cp);
		if (n == 0)
			return bad(r, "ill-formed UTF-8");
		r->p += n;
	}
}

static bool
digits(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > from;
}

static bool
word(struct reader *r, struct dg_str w)
{
	if ((size_t)(r->end - r->p) < w.n || memcmp(r->p, w.p, w.n) != 0)
		return false;
	r->p += w.n;
	return true;
}

static int
number(struct reader *r)
{
	if (*r->p == '-')
		r->p++;
	if (word(r, DG_STR("Infinity")))
		return 0;
	if (r->p < r->end && *r->p == '0')
		r->p++;
	else if (!digits(r))
		return bad(r, "expected a value");
	if (r->p < r->end && *r->p == '.') {
		r->p++;
		if (!digits(r))
			return bad(r, "expected digits");
	}
	if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		if (!digits(r))
			return bad(r, "expected digits");
	}
	return 0;
}

static int
scalar(struct reader *r)
{
	switch (*r->p) {
	case '"':
		return string(r);
	case 't':
		return word(r, DG_STR("true")) ? 0 : bad(r, "expected a value");
	case 'f':
		return word(r, DG_STR("false")) ? 0 : bad(r, "expected a value");
	case 'n':
		return word(r, DG_STR("null")) ? 0 : bad(r, "expected a value");
	case 'N':
		return word(r, DG_STR("NaN")) ? 0 : bad(r, "expected a value");
	default:
		return number(r);
	}
}

/* '"key":' */
static int
member_key(struct reader *r)
{
	int rc;

	space(r);
	if (r->p == r->end || *r->p != '"')
		return bad(r, "expected a string as key");
	rc = string(r);
	if (rc < 0)
		return rc;
	space(r);
	if (r->p == r->end || *r->p != ':')
		return bad(r, "expected ':'");
	r->p++;
	return 0;
}

/* One document; OBJECTS has a bit for each open bracket: set for an object. */
static int
document(struct reader *r, size_t max_depth)
{
	uint8_t objects[DG_JSON_DEPTH_MAX / 8 + 1];
	size_t depth = 0;
	int rc;

value:
	space(r);
	if (r->p == r->end)
		return bad(r, "expected a value");
	if (*r->p == '{' || *r->p == '[') {
		bool object = *r->p == '{';

		if (depth == max_depth)
			return dg_fail(r->e, DG_LIMIT, 0,
				"JSON: nested more than %zu deep at byte %zu", max_depth,
				(size_t)(r->p - r->start));
		if (object)
			objects[depth / 8] |= (uint8_t)(1u << depth % 8);
		else
			objects[depth / 8] &= (uint8_t) ~(1u << depth % 8);
		depth++;
		r->p++;
		space(r);
		if (r->p == r->end || *r->p != (object ? '}' : ']')) {
			rc = object ? member_key(r) : 0;
			if (rc < 0)
				return rc;
			goto value;
		}
		r->p++;
		depth--;
	} else {
		rc = scalar(r);
		if (rc < 0)
			return rc;
	}

	while (depth > 0) {
		bool object = objects[(depth - 1) / 8] >> (depth - 1) % 8 & 1;

		space(r);
		if (r->p < r->end && *r->p == ',') {
			r->p++;
			rc = object ? member_key(r) : 0;
			if (rc < 0)
				return rc;
			goto value;
		}
		if (r->p == r->end || *r->p != (object ? '}' : ']'))
			return bad(r,
				object ? "expected ',' or '}'" : "expected ',' or ']'");
		r->p++;
		depth--;
	}
	return 0;
}

int
dg_json_check(struct dg_str text, size_t max_depth, struct dg_err *e)
{
	struct reader r = {text.p, text.p, text.p + text.n, e};
	int rc;

	if (text.n == 0)
		return dg_fail(e, DG_USER, 0, "JSON: the text is empty");
	rc = document(&r, max_depth < DG_JSON_DEPTH_MAX ? max_depth : DG_JSON_DEPTH_MAX);
	if (rc < 0)
		return rc;
	space(&r);
	if (r.p < r.end)
		return bad(&r, "something follows the value");
	return 0;
}
