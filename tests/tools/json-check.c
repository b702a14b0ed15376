/* tests/tools/json-check.c: what the JSON room makes of texts, for comparison with
 * Python's json.
 *
 * Reads from stdin, again and again until its end, a line "WHAT N" and N bytes. Answers
 * each with one line: check    "good", or "bad" and why walk     the document written
 * again from what the cursors found (json.dumps's form) string   the bytes as a JSON
 * string, ASCII only utf8     the same with other characters as they are double   the
 * number that strtod() reads, as JSON
 */
#include <stdio.h>

#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

static void
again(struct dg_buf *out, struct dg_str v)
{
	struct dg_json_iter it = dg_json_iter(v);
	auto_buf text = DG_BUF_INIT;
	struct dg_str k, item;
	bool first = true;
	double d;

	switch (dg_json_type(v)) {
	case DG_JSON_OBJECT:
		dg_buf_addc(out, '{');
		for (; dg_json_next_member(&it, &k, &item); first = false) {
			dg_buf_adds(out, first ? "" : ", ");
			again(out, k);
			dg_buf_adds(out, ": ");
			again(out, item);
		}
		dg_buf_addc(out, '}');
		break;
	case DG_JSON_ARRAY:
		dg_buf_addc(out, '[');
		for (; dg_json_next_item(&it, &item); first = false) {
			dg_buf_adds(out, first ? "" : ", ");
			again(out, item);
		}
		dg_buf_addc(out, ']');
		break;
	case DG_JSON_STRING:
		dg_json_decode(v, &text);
		dg_json_add_str(out, dg_buf_str(&text));
		break;
	case DG_JSON_NUMBER:
		if (!memchr(v.p, 'I', v.n) && !memchr(v.p, 'N', v.n) &&
			!memchr(v.p, '.', v.n) && !memchr(v.p, 'e', v.n) &&
			!memchr(v.p, 'E', v.n))
			dg_buf_addstr(out, dg_str_is(v, "-0") ? DG_STR("0") : v);
		else if (dg_json_double(v, &d))
			dg_json_add_double(out, d);
		break;
	default:
		dg_buf_addstr(out, v);
	}
}

static void
answer(const char *what, struct dg_str text)
{
	auto_buf out = DG_BUF_INIT;
	struct dg_err e = {0};

	if (strcmp(what, "check") == 0)
		dg_buf_addf(&out, "%s%s",
			dg_json_check(text, DG_JSON_DEPTH_MAX, &e) == 0 ? "good" : "bad ",
			e.what);
	else if (strcmp(what, "walk") == 0)
		again(&out, dg_json_trim(text));
	else if (strcmp(what, "string") == 0)
		dg_json_add_str(&out, text);
	else if (strcmp(what, "utf8") == 0)
		dg_json_add_str_utf8(&out, text);
	else
		dg_json_add_double(&out, strtod(text.p, NULL));
	puts(out.p);
	fflush(stdout);
}

int
main(void)
{
	char what[16];
	size_t n;

	while (scanf("%15s %zu", what, &n) == 2 && getchar() == '\n') {
		auto_free char *text = dg_xcalloc(n + 1, 1);

		if (fread(text, 1, n, stdin) != n)
			return 1;
		answer(what, dg_strn(text, n));
	}
	return 0;
}
