/* cloud/repr.c: see repr.h. */
#include "cloud/repr.h"

#include "json/json.h"

#include <string.h>

#define DEPTH_MAX 100

static void
add_string(struct dg_buf *out, struct dg_str value)
{
	auto_buf s = DG_BUF_INIT;
	char quote;

	dg_json_decode(value, &s);
	quote = s.n && memchr(s.p, '\'', s.n) && !memchr(s.p, '"', s.n) ? '"' : '\'';
	dg_buf_addc(out, quote);
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == quote || c == '\\')
			dg_buf_addf(out, "\\%c", c);
		else if (c == '\n')
			dg_buf_adds(out, "\\n");
		else if (c == '\r')
			dg_buf_adds(out, "\\r");
		else if (c == '\t')
			dg_buf_adds(out, "\\t");
		else if ((unsigned char)c < 0x20 || c == 0x7f)
			dg_buf_addf(out, "\\x%02x", (unsigned)c);
		else
			dg_buf_addc(out, c);
	}
	dg_buf_addc(out, quote);
}

static void
add_value(struct dg_buf *out, struct dg_str value)
{
	struct dg_json_iter it = dg_json_iter(value);
	struct dg_str key, inner;
	bool truth = false, first = true;

	switch (dg_json_type(value)) {
	case DG_JSON_OBJECT:
		dg_buf_addc(out, '{');
		for (; dg_json_next_member(&it, &key, &inner); first = false) {
			dg_buf_adds(out, first ? "" : ", ");
			add_string(out, key);
			dg_buf_adds(out, ": ");
			add_value(out, inner);
		}
		dg_buf_addc(out, '}');
		break;
	case DG_JSON_ARRAY:
		dg_buf_addc(out, '[');
		for (; dg_json_next_item(&it, &inner); first = false) {
			dg_buf_adds(out, first ? "" : ", ");
			add_value(out, inner);
		}
		dg_buf_addc(out, ']');
		break;
	case DG_JSON_STRING:
		add_string(out, value);
		break;
	case DG_JSON_BOOL:
		dg_json_bool(value, &truth);
		dg_buf_adds(out, truth ? "True" : "False");
		break;
	case DG_JSON_NULL:
		dg_buf_adds(out, "None");
		break;
	default:
		dg_buf_addstr(out, value);
	}
}

void
dg_repr_add(struct dg_buf *out, struct dg_str text)
{
	struct dg_err e = {0};

	if (dg_json_check(text, DEPTH_MAX, &e) < 0)
		dg_buf_addstr(out, text);
	else
		add_value(out, dg_json_trim(text));
}
