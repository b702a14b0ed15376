/* Errors as text for people and for logs; hostile ones. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "dagster/error.h"
#include "json/json.h"

Test(error, composed_and_recognised)
{
	auto_buf b = DG_BUF_INIT;

	dg_error_add(&b, "a.b.Cls", DG_STR("t \"x\""), DG_STR_NULL);
	cr_assert_str_eq(b.p,
		"{\"__class__\": \"SerializableErrorInfo\", \"cause\": null, "
		"\"cls_name\": "
		"\"Cls\", \"context\": null, \"message\": \"a.b.Cls: t \\\"x\\\"\\n\", "
		"\"stack\": []}");
	cr_assert(dg_error_is(dg_buf_str(&b)));
	cr_assert_not(dg_error_is(DG_STR("{\"__class__\": \"Other\"}")));
	cr_assert_not(dg_error_is(DG_STR("null")));
	cr_assert_not(dg_error_is(DG_STR("")));
}

Test(error, the_line_for_a_log)
{
	static const struct {
		const char *cls, *text;
		size_t max;
		const char *want;
	} rows[] = {
		{"a.b.Cls", "first\nsecond", 100, "first"},
		{"Exception", "x", 100, "x"},
		{"Exception", "éé", 3, "é"},
		{"Exception", "", 100, ""},
	};
	auto_buf plain = DG_BUF_INIT;
	auto_buf line = DG_BUF_INIT;

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;
		auto_buf out = DG_BUF_INIT;

		dg_error_add(&b, rows[i].cls, dg_str(rows[i].text), DG_STR_NULL);
		dg_error_line(dg_buf_str(&b), rows[i].max, &out);
		cr_assert_str_eq(out.p ? out.p : "", rows[i].want, "row %zu", i);
	}
	dg_error_add_plain(&plain, DG_STR("why: so"));
	dg_error_line(dg_buf_str(&plain), 100, &line);
	cr_assert_str_eq(line.p, "why: so");
}

Test(error, what_is_no_error_gives_no_text_and_no_harm)
{
	static const char *const rows[] = {"", "{}", "null", "[]", "\"x\"",
		"{\"message\": 5, \"stack\": {}, \"cause\": 7}",
		"{\"message\": null, \"stack\": [1, null]}"};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf text = DG_BUF_INIT;
		auto_buf line = DG_BUF_INIT;
		auto_buf cut = DG_BUF_INIT;

		dg_error_text(dg_str(rows[i]), &text);
		dg_error_line(dg_str(rows[i]), 10, &line);
		dg_error_truncate(dg_str(rows[i]), 10, 3, &cut);
		cr_assert_eq(line.n, 0);
	}
}

Test(error, a_chain_of_a_thousand_causes_ends)
{
	auto_buf chain = DG_BUF_INIT;
	auto_buf text = DG_BUF_INIT;
	auto_buf cut = DG_BUF_INIT;

	for (int i = 0; i < 900; i++)
		dg_buf_adds(&chain, "{\"__class__\": \"SerializableErrorInfo\", "
				    "\"message\": \"m\", \"stack\": [], \"cause\": ");
	dg_buf_adds(&chain, "null");
	for (int i = 0; i < 900; i++)
		dg_buf_addc(&chain, '}');
	cr_assert_eq(dg_json_check(dg_buf_str(&chain), DG_JSON_DEPTH_MAX, NULL), 0);
	dg_error_text(dg_buf_str(&chain), &text);
	cr_assert_lt(text.n, 20000);
	dg_error_truncate(dg_buf_str(&chain), 100, 5, &cut);
	cr_assert_lt(cut.n, 2000);
	cr_assert(strstr(cut.p, "(Cause truncated due to size limitations)"));
}
