/* What is one JSON document, and where the first error of another text is. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "json/json.h"

Test(check, what_dagster_emits_is_accepted)
{
	static const char *const rows[] = {
		"{}",
		"[]",
		" [ ] ",
		"{ }",
		"null",
		"true",
		"false",
		"0",
		"-0",
		"-1.5e+10",
		"1E5",
		"0.5",
		"123456789012345678901234567890",
		"NaN",
		"Infinity",
		"-Infinity",
		"[NaN, Infinity, -Infinity]",
		"\"\"",
		"\"a\tb\nc\"",
		"\"\x01\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uD83D\\ude00\\ud800\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"{\"a\": {\"b\": [1, 2, {\"c\": null}]}, \"a\": 2}",
		"\r\n\t {\"a\" : [ 1 , 2 ] } \n",
		"[[[[]]], {}, [{}]]",
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_err e = {0};

		cr_assert_eq(dg_json_check(dg_str(rows[i]), DG_JSON_DEPTH_MAX, &e), 0,
			"row %zu: %s", i, e.what);
	}
}

Test(check, the_first_error_is_named_with_its_place)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{"", "JSON: the text is empty"},
		{"  ", "JSON: expected a value at byte 2"},
		{"{", "JSON: expected a string as key at byte 1"},
		{"[", "JSON: expected a value at byte 1"},
		{"[1", "JSON: expected ',' or ']' at byte 2"},
		{"[1,", "JSON: expected a value at byte 3"},
		{"[1,]", "JSON: expected a value at byte 3"},
		{"[,1]", "JSON: expected a value at byte 1"},
		{"[1 2]", "JSON: expected ',' or ']' at byte 3"},
		{"{\"a\" 1}", "JSON: expected ':' at byte 5"},
		{"{\"a\":1,}", "JSON: expected a string as key at byte 7"},
		{"{\"a\":1]", "JSON: expected ',' or '}' at byte 6"},
		{"[1}", "JSON: expected ',' or ']' at byte 2"},
		{"{a:1}", "JSON: expected a string as key at byte 1"},
		{"{1:1}", "JSON: expected a string as key at byte 1"},
		{"{} {}", "JSON: something follows the value at byte 3"},
		{"1 2", "JSON: something follows the value at byte 2"},
		{"01", "JSON: something follows the value at byte 1"},
		{"1.", "JSON: expected digits at byte 2"},
		{".5", "JSON: expected a value at byte 0"},
		{"1e", "JSON: expected digits at byte 2"},
		{"1e+", "JSON: expected digits at byte 3"},
		{"+1", "JSON: expected a value at byte 0"},
		{"-", "JSON: expected a value at byte 1"},
		{"--1", "JSON: expected a value at byte 1"},
		{"tru", "JSON: expected a value at byte 0"},
		{"True", "JSON: expected a value at byte 0"},
		{"nul", "JSON: expected a value at byte 0"},
		{"falsey", "JSON: something follows the value at byte 5"},
		{"Nan", "JSON: expected a value at byte 0"},
		{"'a'", "JSON: expected a value at byte 0"},
		{"\"a", "JSON: the text ends inside a string at byte 2"},
		{"\"a\\", "JSON: the text ends inside a string at byte 3"},
		{"\"\\x\"", "JSON: an unknown escape at byte 2"},
		{"\"\\u12\"", "JSON: a \\u escape is cut short at byte 2"},
		{"\"\\u12g4\"", "JSON: a \\u escape without four hex digits at byte 2"},
		{"\"\xff\"", "JSON: ill-formed UTF-8 at byte 1"},
		{"\"\xc3\"", "JSON: ill-formed UTF-8 at byte 1"},
		{"\"\xed\xa0\x80\"", "JSON: ill-formed UTF-8 at byte 1"},
		{"\xef\xbb\xbf{}", "JSON: expected a value at byte 0"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_err e = {0};
		int rc = dg_json_check(dg_str(rows[i].text), DG_JSON_DEPTH_MAX, &e);

		cr_assert_eq(rc, -DG_USER, "row %zu: %d", i, rc);
		cr_assert_str_eq(e.what, rows[i].what, "row %zu", i);
	}
}

Test(check, a_nul_byte_is_no_end)
{
	cr_assert_eq(dg_json_check(DG_STR("\"a\0b\""), 10, NULL), 0);
	cr_assert_eq(dg_json_check(DG_STR("1\0"), 10, NULL), -DG_USER);
	cr_assert_eq(dg_json_check(DG_STR("\"\\\0\""), 10, NULL), -DG_USER);
}

Test(check, nesting_is_bounded)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_err e = {0};

	for (int i = 0; i < 100000; i++)
		dg_buf_addc(&b, '[');
	cr_assert_eq(dg_json_check(dg_buf_str(&b), SIZE_MAX, &e), -DG_LIMIT);
	cr_assert_str_eq(e.what, "JSON: nested more than 1000 deep at byte 1000");
	cr_assert_eq(dg_json_check(DG_STR("[[1]]"), 2, NULL), 0);
	cr_assert_eq(dg_json_check(DG_STR("[[[1]]]"), 2, NULL), -DG_LIMIT);
	cr_assert_eq(dg_json_check(DG_STR("1"), 0, NULL), 0);

	dg_buf_reset(&b);
	for (int i = 0; i < DG_JSON_DEPTH_MAX; i++)
		dg_buf_adds(&b, i % 2 ? "{\"k\":" : "[");
	dg_buf_adds(&b, "0");
	for (int i = DG_JSON_DEPTH_MAX; i-- > 0;)
		dg_buf_addc(&b, i % 2 ? '}' : ']');
	cr_assert_eq(
		dg_json_check(dg_buf_str(&b), DG_JSON_DEPTH_MAX, &e), 0, "%s", e.what);
}
