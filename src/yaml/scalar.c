/* yaml/scalar.c: the value of a scalar whose tag is known, as SafeLoader constructs it.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "yaml/tag.h"

/* Python refuses integers of more digits than this. */
#define DIGITS_MAX 4300

static int
not_a(struct dg_yaml_node *node, const char *what, struct dg_err *e)
{
	return dg_fail(e, DG_CONFIG, 0, "'%.*s' is not %s",
		node->source.n > 60 ? 60 : (int)node->source.n,
		node->source.p ? node->source.p : "", what);
}

/* ---- integers: decimal digits in limbs of nine, as large as the file says ---- */

struct big {
	uint32_t limb[DIGITS_MAX / 9 + 2];
	size_t n;
};

/* B = B * MUL + ADD; false when it grows too large. */
static bool
big_step(struct big *b, uint32_t mul, uint32_t add)
{
	uint64_t carry = add;

	for (size_t i = 0; i < b->n; i++) {
		carry += (uint64_t)b->limb[i] * mul;
		b->limb[i] = (uint32_t)(carry % 1000000000);
		carry /= 1000000000;
	}
	if (carry) {
		if (b->n == DG_N(b->limb))
			return false;
		b->limb[b->n++] = (uint32_t)carry;
	}
	return true;
}

static bool
big_digits(struct big *b, struct dg_str digits, uint32_t base)
{
	if (digits.n == 0 || digits.n > 4 * DIGITS_MAX)
		return false;
	for (size_t i = 0; i < digits.n; i++) {
		unsigned char c = (unsigned char)digits.p[i];
		uint32_t d = UINT32_MAX;

		if (isdigit(c))
			d = (uint32_t)(c - '0');
		else if (isxdigit(c))
			d = (uint32_t)(tolower(c) - 'a' + 10);

		if (d >= base || !big_step(b, base, d))
			return false;
	}
	return true;
}

/* Sexagesimal "1:30:00". */
static bool
big_sixties(struct big *b, struct dg_str text)
{
	while (text.n) {
		const char *colon = memchr(text.p, ':', text.n);
		size_t n = colon ? (size_t)(colon - text.p) : text.n;
		struct big part = {{0}, 0};

		if (!big_digits(&part, dg_strn(text.p, n), 10))
			return false;
		if (b->n == 0) {
			*b = part;
		} else if (part.n > 1 || !big_step(b, 60, part.n ? part.limb[0] : 0)) {
			return false;
		}
		if (!colon)
			return true;
		text = dg_strn(colon + 1, text.n - n - 1);
	}
	return false;
}

static int
set_int(struct dg_yaml *y, struct dg_yaml_node *node, const struct big *b, bool minus,
	struct dg_err *e)
{
	auto_buf text = DG_BUF_INIT;
	char *end;

	if (minus && b->n)
		dg_buf_addc(&text, '-');
	if (b->n == 0)
		dg_buf_addc(&text, '0');
	for (size_t i = b->n; i-- > 0;)
		dg_buf_addf(&text, i + 1 == b->n ? "%u" : "%09u", b->limb[i]);
	if (text.n > DIGITS_MAX)
		return not_a(node, "an integer of a reasonable size", e);
	errno = 0;
	node->i = strtoll(text.p, &end, 10);
	node->big = errno != 0;
	node->kind = DG_YAML_INT;
	node->text = dg_yaml_keep(y, dg_buf_str(&text));
	return 0;
}

static struct dg_str
trim(struct dg_str s)
{
	while (s.n && isspace((unsigned char)s.p[0]))
		s.p++, s.n--;
	while (s.n && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The sign of a number; *REST is what follows, in lower case and without "_" and the
 * space that Python's int() and float() allow. NUL-terminated in BUF. */
static bool
sign_of(struct dg_str s, struct dg_buf *buf, struct dg_str *rest)
{
	bool minus;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '_')
			dg_buf_addc(buf, s.p[i]);
	*rest = trim(dg_buf_str(buf));
	minus = rest->n && *rest->p == '-';
	if (minus || (rest->n && *rest->p == '+'))
		*rest = trim(dg_strn(rest->p + 1, rest->n - 1));
	if (rest->n)
		buf->p[(size_t)(rest->p - buf->p) + rest->n] = '\0';
	return minus;
}

static int
scalar_int(struct dg_yaml *y, struct dg_yaml_node *node, struct dg_err *e)
{
	auto_buf text = DG_BUF_INIT;
	struct dg_str s;
	struct big b = {{0}, 0};
	bool minus = sign_of(node->source, &text, &s), good;

	if (dg_str_is(s, "0"))
		good = true;
	else if (dg_str_starts(s, "0b"))
		good = big_digits(&b, dg_strn(s.p + 2, s.n - 2), 2);
	else if (dg_str_starts(s, "0x"))
		good = big_digits(&b, dg_strn(s.p + 2, s.n - 2), 16);
	else if (s.n && *s.p == '0')
		good = big_digits(&b, s, 8);
	else if (s.n && memchr(s.p, ':', s.n))
		good = big_sixties(&b, s);
	else {
		if (s.n && (*s.p == '-' || *s.p == '+')) { /* int() takes one more */
			minus = minus != (*s.p == '-');
			s = dg_strn(s.p + 1, s.n - 1);
		}
		good = big_digits(&b, s, 10);
	}
	return good ? set_int(y, node, &b, minus, e) : not_a(node, "an integer", e);
}

/* ---- floats ---- */

/* Decimal notation only: no hexadecimal floats. */
static bool
one_float(const char *s, size_t n, double *ret)
{
	auto_free char *text = dg_xstrndup(s, n);
	char *end;

	if (n == 0 || strlen(text) != n)
		return false;
	if (strcmp(text, "inf") != 0 && strcmp(text, "infinity") != 0 &&
		strcmp(text, "nan") != 0)
		for (size_t i = 0; i < n; i++)
			if (!strchr("0123456789.+-e", text[i]))
				return false;
	*ret = strtod(text, &end);
	return *end == '\0' && end > text;
}

static bool
sixties_float(const char *s, double *ret)
{
	size_t end = strlen(s);
	double base = 1, part;

	*ret = 0;
	for (;;) {
		size_t start = end;

		while (start > 0 && s[start - 1] != ':')
			start--;
		if (!one_float(s + start, end - start, &part))
			return false;
		*ret += part * base;
		base *= 60;
		if (start == 0)
			return true;
		end = start - 1;
	}
}

static int
scalar_float(struct dg_yaml_node *node, struct dg_err *e)
{
	auto_buf text = DG_BUF_INIT;
	struct dg_str rest;
	const char *s;
	double v = 0;
	bool minus = sign_of(node->source, &text, &rest), good = true;

	for (size_t i = 0; i < text.n; i++)
		text.p[i] = (char)tolower((unsigned char)text.p[i]);
	s = rest.n ? rest.p : "";
	if (strcmp(s, ".inf") == 0)
		v = INFINITY;
	else if (strcmp(s, ".nan") == 0)
		v = NAN, minus = false;
	else if (strchr(s, ':'))
		good = sixties_float(s, &v);
	else
		good = one_float(s, strlen(s), &v);
	if (!good)
		return not_a(node, "a float", e);
	node->kind = DG_YAML_FLOAT;
	node->text = node->source;
	node->f = minus ? -v : v;
	return 0;
}

/* ---- the rest ---- */

static int
scalar_bool(struct dg_yaml_node *node, struct dg_err *e)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"yes", true}, {"no", false}, {"true", true}, {"false", false},
		{"on", true}, {"off", false}};
	auto_free char *text = dg_str_dup(node->source);

	for (size_t i = 0; i < DG_N(words); i++)
		if (node->source.n == strlen(words[i].word) &&
			strcasecmp(text, words[i].word) == 0) {
			node->kind = DG_YAML_BOOL;
			node->i = words[i].value;
			return 0;
		}
	return not_a(node, "a boolean", e);
}

/* Python's base64.decodebytes: foreign characters are skipped, what follows complete
 * padding too. */
static int
scalar_binary(struct dg_yaml *y, struct dg_yaml_node *node, struct dg_err *e)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	auto_buf out = DG_BUF_INIT;
	unsigned quad = 0, pads = 0, bits = 0;
	bool ended = false;

	for (size_t i = 0; i < node->source.n && !ended; i++) {
		char c = node->source.p[i];
		const char *at;

		if ((unsigned char)c >= 0x80)
			return not_a(node, "base64", e);
		if (c == '=') {
			ended = quad >= 2 && quad + ++pads >= 4;
			continue;
		}
		at = c ? strchr(alphabet, c) : NULL;
		if (!at)
			continue;
		pads = 0;
		bits = bits << 6 | (unsigned)(at - alphabet);
		if (quad)
			dg_buf_addc(&out, (char)(bits >> (6 - 2 * quad)));
		quad = (quad + 1) % 4;
	}
	if (quad && !ended)
		return not_a(node, "base64", e);
	node->kind = DG_YAML_BINARY;
	node->text = dg_yaml_keep(y, dg_buf_str(&out));
	return 0;
}

static bool
valid_date(int year, int month, int day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
	       day <= days[month - 1] + (leap && month == 2);
}

static bool
number(const char **p, int *ret)
{
	if (!isdigit((unsigned char)**p))
		return false;
	for (*ret = 0; isdigit((unsigned char)**p); ++*p)
		*ret = *ret * 10 + (**p - '0');
	return true;
}

/* A zone "+05:30" into OUT; false when it is none. */
static bool
zone(const char *p, struct dg_buf *out)
{
	int hours = 0, minutes = 0;
	char sign = *p++;

	if (!number(&p, &hours) || (*p == ':' && (p++, !number(&p, &minutes))) || *p)
		return false;
	hours += minutes / 60;
	minutes %= 60;
	if (hours > 23)
		return false;
	if (hours == 0 && minutes == 0)
		sign = '+';
	dg_buf_addf(out, "%c%02d:%02d", sign, hours, minutes);
	return true;
}

/* The text matches the timestamp's form: what remains are the ranges. */
static bool
iso_time(const char *p, struct dg_buf *out)
{
	int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
	char fraction[7] = "000000";

	number(&p, &year);
	p++;
	number(&p, &month);
	p++;
	number(&p, &day);
	if (!valid_date(year, month, day))
		return false;
	dg_buf_addf(out, "%04d-%02d-%02d", year, month, day);
	if (!*p)
		return true;
	while (*p && !isdigit((unsigned char)*p))
		p++;
	number(&p, &hour);
	p++;
	number(&p, &minute);
	p++;
	number(&p, &second);
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	dg_buf_addf(out, "T%02d:%02d:%02d", hour, minute, second);
	if (*p == '.') {
		p++;
		for (size_t i = 0; isdigit((unsigned char)*p); p++)
			if (i < 6)
				fraction[i++] = *p;
		if (strcmp(fraction, "000000") != 0)
			dg_buf_addf(out, ".%s", fraction);
	}
	while (*p == ' ' || *p == '\t')
		p++;
	if (!*p)
		return true;
	if (*p == 'Z') {
		dg_buf_adds(out, "+00:00");
		return true;
	}
	return zone(p, out);
}

/* What a tag !!timestamp allows: as a plain one, and months and days of one digit. */
static bool
looks_like_time(struct dg_str s)
{
	int digits[3] = {0}, part = 0;

	if (dg_yaml_resolve(s, DG_YAML_DATES) == DG_TAG_TIMESTAMP)
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '-' && part < 2)
			part++;
		else if (!isdigit((unsigned char)s.p[i]) || ++digits[part] > 4)
			return false;
	return digits[0] == 4 && digits[1] >= 1 && digits[1] <= 2 && digits[2] >= 1 &&
	       digits[2] <= 2;
}

static int
scalar_timestamp(struct dg_yaml *y, struct dg_yaml_node *node, struct dg_err *e)
{
	auto_free char *text = dg_str_dup(node->source);
	auto_buf out = DG_BUF_INIT;

	if (!looks_like_time(node->source) || !iso_time(text, &out))
		return not_a(node, "a timestamp", e);
	node->kind = DG_YAML_TIME;
	node->text = dg_yaml_keep(y, dg_buf_str(&out));
	return 0;
}

int
dg_yaml_scalar(struct dg_yaml *y, struct dg_yaml_node *node, enum dg_yaml_tag tag,
	struct dg_err *e)
{
	switch (tag) {
	case DG_TAG_NULL:
		node->kind = DG_YAML_NULL;
		return 0;
	case DG_TAG_BOOL:
		return scalar_bool(node, e);
	case DG_TAG_INT:
		return scalar_int(y, node, e);
	case DG_TAG_FLOAT:
		return scalar_float(node, e);
	case DG_TAG_STR:
		node->kind = DG_YAML_STR;
		node->text = node->source;
		return 0;
	case DG_TAG_BINARY:
		return scalar_binary(y, node, e);
	case DG_TAG_TIMESTAMP:
		return scalar_timestamp(y, node, e);
	default:
		return not_a(node, "something that its tag allows", e);
	}
}
