/* yaml/resolve.c: what a plain scalar means: YAML 1.1's rules as PyYAML has them.
 *
 * Sources: the implicit resolvers of PyYAML 6.0. A float needs a point ("1e5" is a
 * string) and a sign in its exponent ("1.5e3" is a string); "010" is eight; "1:30" is
 * ninety.
 */
#include "yaml/tag.h"

struct scan {
	const char *p, *end;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
one_of(struct scan *s, const char *set)
{
	if (s->p == s->end || *s->p == '\0' || !strchr(set, *s->p))
		return false;
	s->p++;
	return true;
}

static void
many_of(struct scan *s, const char *set)
{
	while (one_of(s, set))
		;
}

static bool
digit(struct scan *s)
{
	return one_of(s, "0123456789");
}

/* At least one of SET up to the end. */
static bool
rest_of(struct scan s, const char *set)
{
	if (!one_of(&s, set))
		return false;
	many_of(&s, set);
	return s.p == s.end;
}

/* (:[0-5]?[0-9])+ */
static bool
sixties(struct scan *s)
{
	bool some = false;

	while (s->p < s->end && *s->p == ':') {
		const char *d = s->p + 1;

		if (d == s->end || !is_digit(*d))
			return false;
		if (d + 1 < s->end && is_digit(d[1])) {
			if (*d > '5')
				return false;
			d++;
		}
		s->p = d + 1;
		some = true;
	}
	return some;
}

/* ([eE][-+][0-9]+)? up to the end */
static bool
exponent_end(struct scan s)
{
	if (s.p == s.end)
		return true;
	return one_of(&s, "eE") && one_of(&s, "+-") && rest_of(s, "0123456789");
}

static bool
is_word(struct scan s, const char *const *words)
{
	for (; *words; words++)
		if (dg_str_is(dg_strn(s.p, (size_t)(s.end - s.p)), *words))
			return true;
	return false;
}

static bool
is_float(struct scan s)
{
	static const char *const inf[] = {".inf", ".Inf", ".INF", NULL};
	static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
	bool sign = one_of(&s, "+-");

	if (is_word(s, inf) || (!sign && is_word(s, nan)))
		return true;
	if (!digit(&s)) {
		if (sign || !one_of(&s, ".") || !digit(&s))
			return false;
		many_of(&s, "0123456789_");
		return exponent_end(s);
	}
	many_of(&s, "0123456789_");
	if (one_of(&s, ".")) {
		many_of(&s, "0123456789_");
		return exponent_end(s);
	}
	if (!sixties(&s) || !one_of(&s, "."))
		return false;
	many_of(&s, "0123456789_");
	return s.p == s.end;
}

static bool
is_int(struct scan s)
{
	one_of(&s, "+-");
	if (one_of(&s, "0")) {
		struct scan prefixed = s;

		if (s.p == s.end || rest_of(s, "01234567_"))
			return true;
		if (one_of(&prefixed, "b"))
			return rest_of(prefixed, "01_");
		return one_of(&prefixed, "x") &&
		       rest_of(prefixed, "0123456789abcdefABCDEF_");
	}
	if (!digit(&s))
		return false;
	many_of(&s, "0123456789_");
	return s.p == s.end || (sixties(&s) && s.p == s.end);
}

/* MIN to MAX digits. */
static bool
digits(struct scan *s, int min, int max)
{
	int n = 0;

	while (n < max && digit(s))
		n++;
	return n >= min;
}

static bool
is_timestamp(struct scan s)
{
	struct scan date = s, zone;

	if (digits(&date, 4, 4) && one_of(&date, "-") && digits(&date, 2, 2) &&
		one_of(&date, "-") && digits(&date, 2, 2) && date.p == date.end)
		return true;
	if (!digits(&s, 4, 4) || !one_of(&s, "-") || !digits(&s, 1, 2) ||
		!one_of(&s, "-") || !digits(&s, 1, 2))
		return false;
	if (!one_of(&s, "Tt")) {
		if (!one_of(&s, " \t"))
			return false;
		many_of(&s, " \t");
	}
	if (!digits(&s, 1, 2) || !one_of(&s, ":") || !digits(&s, 2, 2) ||
		!one_of(&s, ":") || !digits(&s, 2, 2))
		return false;
	if (one_of(&s, "."))
		many_of(&s, "0123456789");
	if (s.p == s.end)
		return true;
	many_of(&s, " \t");
	zone = s;
	if (one_of(&zone, "Z"))
		return zone.p == zone.end;
	if (!one_of(&s, "+-") || !digits(&s, 1, 2))
		return false;
	if (s.p == s.end)
		return true;
	return one_of(&s, ":") && digits(&s, 2, 2) && s.p == s.end;
}

enum dg_yaml_tag
dg_yaml_resolve(struct dg_str v, enum dg_yaml_dates dates)
{
	static const char *const bools[] = {"yes", "Yes", "YES", "no", "No", "NO", "true",
		"True", "TRUE", "false", "False", "FALSE", "on", "On", "ON", "off", "Off",
		"OFF", NULL};
	static const char *const nulls[] = {"~", "null", "Null", "NULL", "", NULL};
	struct scan s = {v.p, v.p + v.n};

	if (v.n && v.p[v.n - 1] == '\n' &&
		v.n > 1) /* Python's $ looks past one newline */
		s.end--;
	if (is_word(s, bools))
		return DG_TAG_BOOL;
	if (is_float(s))
		return DG_TAG_FLOAT;
	if (is_int(s))
		return DG_TAG_INT;
	if (dg_str_is(v, "<<"))
		return DG_TAG_MERGE;
	if (is_word(s, nulls))
		return DG_TAG_NULL;
	if (dates == DG_YAML_DATES && is_timestamp(s))
		return DG_TAG_TIMESTAMP;
	if (dg_str_is(v, "="))
		return DG_TAG_VALUE;
	if (v.n == 1 && strchr("!&*", v.p[0])) /* only as "! '*'" */
		return DG_TAG_OTHER;
	return DG_TAG_STR;
}
