/* json/json.c: cursors over checked text; see json.h. */
#include "json/json.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/* P at an opening quote; returns behind the closing one. */
static const char *
skip_string(const char *p, const char *end)
{
	for (p++; p < end;) {
		const char *q = memchr(p, '"', (size_t)(end - p));
		const char *b = q;

		if (!q)
			return end;
		while (b > p && b[-1] == '\\')
			b--;
		if ((q - b) % 2 == 0)
			return q + 1;
		p = q + 1;
	}
	return end;
}

/* Behind the value that starts at P. */
static const char *
skip_value(const char *p, const char *end)
{
	size_t depth = 0;

	if (p < end && *p == '"')
		return skip_string(p, end);
	if (p == end || (*p != '{' && *p != '[')) {
		while (p < end && !is_space(*p) && *p != ',' && *p != ']' && *p != '}')
			p++;
		return p;
	}
	while (p < end) {
		switch (*p) {
		case '"':
			p = skip_string(p, end);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return p + 1;
			break;
		}
		p++;
	}
	return end;
}

struct dg_str
dg_json_trim(struct dg_str text)
{
	while (text.n && is_space(text.p[0]))
		text.p++, text.n--;
	while (text.n && is_space(text.p[text.n - 1]))
		text.n--;
	return text;
}

enum dg_json_type
dg_json_type(struct dg_str value)
{
	value = dg_json_trim(value);
	if (value.n == 0)
		return DG_JSON_NONE;
	switch (value.p[0]) {
	case '{':
		return DG_JSON_OBJECT;
	case '[':
		return DG_JSON_ARRAY;
	case '"':
		return DG_JSON_STRING;
	case 't':
	case 'f':
		return DG_JSON_BOOL;
	case 'n':
		return DG_JSON_NULL;
	case '-':
	case '0' ... '9':
	case 'N':
	case 'I':
		return DG_JSON_NUMBER;
	default:
		return DG_JSON_NONE;
	}
}

struct dg_json_iter
dg_json_iter(struct dg_str container)
{
	struct dg_json_iter it = {NULL, NULL};

	container = dg_json_trim(container);
	if (container.n >= 2 && (container.p[0] == '{' || container.p[0] == '['))
		it = (struct dg_json_iter){
			container.p + 1, container.p + container.n - 1};
	return it;
}

bool
dg_json_next_item(struct dg_json_iter *it, struct dg_str *value)
{
	const char *p = skip_space(it->p, it->end), *q;

	if (p == it->end)
		return false;
	q = skip_value(p, it->end);
	*value = dg_strn(p, (size_t)(q - p));
	p = skip_space(q, it->end);
	if (p < it->end) /* the comma, or in unchecked text anything */
		p++;
	it->p = p;
	return true;
}

bool
dg_json_next_member(struct dg_json_iter *it, struct dg_str *key, struct dg_str *value)
{
	const char *p = skip_space(it->p, it->end), *q;

	if (p == it->end || *p != '"') {
		it->p = it->end;
		return false;
	}
	q = skip_string(p, it->end);
	*key = dg_strn(p, (size_t)(q - p));
	p = skip_space(q, it->end);
	if (p == it->end) {
		it->p = p;
		return false;
	}
	it->p = p + 1; /* the colon */
	return dg_json_next_item(it, value);
}

size_t
dg_json_count(struct dg_str container)
{
	struct dg_json_iter it = dg_json_iter(container);
	bool object = dg_json_type(container) == DG_JSON_OBJECT;
	struct dg_str k, v;
	size_t n = 0;

	while (object ? dg_json_next_member(&it, &k, &v) : dg_json_next_item(&it, &v))
		n++;
	return n;
}

bool
dg_json_member(struct dg_str object, const char *key, struct dg_str *ret)
{
	struct dg_json_iter it = dg_json_iter(object);
	struct dg_str k, v;
	bool found = false;

	*ret = DG_STR_NULL;
	if (dg_json_type(object) != DG_JSON_OBJECT)
		return false;
	while (dg_json_next_member(&it, &k, &v))
		if (dg_json_is(k, key)) {
			*ret = v;
			found = true;
		}
	return found;
}

bool
dg_json_path(struct dg_str v, struct dg_str *ret, ...)
{
	va_list ap;
	const char *key;
	bool found = true;

	*ret = v;
	va_start(ap, ret);
	while (found && (key = va_arg(ap, const char *)))
		found = dg_json_member(*ret, key, ret);
	va_end(ap);
	return found;
}

/* The inside of a string's quotes; false when VALUE is no string. */
static bool
inside_quotes(struct dg_str value, const char **p, const char **end)
{
	value = dg_json_trim(value);
	if (value.n < 2 || value.p[0] != '"' || value.p[value.n - 1] != '"')
		return false;
	*p = value.p + 1;
	*end = value.p + value.n - 1;
	return true;
}

static int
hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v = v * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return v;
}

/* P behind a backslash: the character it stands for; returns behind the escape. */
static const char *
unescape(const char *p, const char *end, uint32_t *cp)
{
	int hi, lo;

	*cp = 0xfffd;
	if (p == end)
		return p;
	switch (*p++) {
	case 'b':
		*cp = '\b';
		return p;
	case 'f':
		*cp = '\f';
		return p;
	case 'n':
		*cp = '\n';
		return p;
	case 'r':
		*cp = '\r';
		return p;
	case 't':
		*cp = '\t';
		return p;
	case 'u':
		break;
	default: /* quote, backslash, slash */
		*cp = (unsigned char)p[-1];
		return p;
	}
	hi = hex4(p, end);
	if (hi < 0)
		return p;
	p += 4;
	*cp = (uint32_t)hi;
	if ((hi & 0xfc00) == 0xd800 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		lo = hex4(p + 2, end);
		if (lo >= 0 && (lo & 0xfc00) == 0xdc00) {
			*cp = 0x10000 + (((uint32_t)hi & 0x3ff) << 10) +
			      ((uint32_t)lo & 0x3ff);
			p += 6;
		}
	}
	return p;
}

bool
dg_json_decode(struct dg_str value, struct dg_buf *out)
{
	const char *p, *end, *q;
	uint32_t cp;

	if (!inside_quotes(value, &p, &end))
		return false;
	dg_buf_reserve(out, (size_t)(end - p));
	while (p < end) {
		q = memchr(p, '\\', (size_t)(end - p));
		dg_buf_add(out, p, (size_t)((q ? q : end) - p));
		if (!q)
			break;
		p = unescape(q + 1, end, &cp);
		dg_buf_add_utf8(out, cp);
	}
	return true;
}

char *
dg_json_dup(struct dg_str value)
{
	struct dg_buf b = DG_BUF_INIT;

	return dg_json_decode(value, &b) ? dg_buf_take(&b) : NULL;
}

bool
dg_json_is(struct dg_str value, const char *text)
{
	const char *p, *end;
	size_t n = strlen(text);
	struct dg_buf one = DG_BUF_INIT;
	bool same = true;

	if (!inside_quotes(value, &p, &end))
		return false;
	if (!memchr(p, '\\', (size_t)(end - p)))
		return (size_t)(end - p) == n && memcmp(p, text, n) == 0;
	while (same && p < end) {
		uint32_t cp;

		if (*p != '\\') {
			same = n > 0 && *p == *text;
			p++, text++, n--;
			continue;
		}
		p = unescape(p + 1, end, &cp);
		dg_buf_reset(&one);
		dg_buf_add_utf8(&one, cp);
		same = n >= one.n && memcmp(one.p, text, one.n) == 0;
		if (same)
			text += one.n, n -= one.n;
	}
	dg_buf_clear(&one);
	return same && n == 0;
}

bool
dg_json_is_null(struct dg_str value)
{
	return dg_str_is(dg_json_trim(value), "null");
}

/* A NUL-terminated copy of a number, for strto*. */
static bool
number_text(struct dg_str value, char *buf, size_t size)
{
	value = dg_json_trim(value);
	if (dg_json_type(value) != DG_JSON_NUMBER || value.n >= size)
		return false;
	memcpy(buf, value.p, value.n);
	buf[value.n] = '\0';
	return true;
}

bool
dg_json_int(struct dg_str value, int64_t *ret)
{
	char buf[32], *end;
	long long v;

	if (!number_text(value, buf, sizeof buf))
		return false;
	errno = 0;
	v = strtoll(buf, &end, 10);
	if (errno || *end || end == buf)
		return false;
	*ret = v;
	return true;
}

bool
dg_json_double(struct dg_str value, double *ret)
{
	char small[64], *end;
	auto_free char *large = NULL;
	const char *text = small;
	double v;

	value = dg_json_trim(value);
	if (dg_json_type(value) != DG_JSON_NUMBER)
		return false;
	if (!number_text(value, small, sizeof small))
		text = large = dg_str_dup(value);
	v = strtod(text, &end);
	if (*end || end == text)
		return false;
	*ret = v;
	return true;
}

bool
dg_json_bool(struct dg_str value, bool *ret)
{
	value = dg_json_trim(value);
	if (!dg_str_is(value, "true") && !dg_str_is(value, "false"))
		return false;
	*ret = value.p[0] == 't';
	return true;
}

char *
dg_json_member_dup(struct dg_str object, const char *key)
{
	struct dg_str v;

	return dg_json_member(object, key, &v) ? dg_json_dup(v) : NULL;
}

bool
dg_json_member_int(struct dg_str object, const char *key, int64_t *ret)
{
	struct dg_str v;

	return dg_json_member(object, key, &v) && dg_json_int(v, ret);
}

bool
dg_json_member_double(struct dg_str object, const char *key, double *ret)
{
	struct dg_str v;

	return dg_json_member(object, key, &v) && dg_json_double(v, ret);
}

bool
dg_json_member_bool(struct dg_str object, const char *key, bool *ret)
{
	struct dg_str v;

	return dg_json_member(object, key, &v) && dg_json_bool(v, ret);
}
