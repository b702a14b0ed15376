/* What is written is what Python's json.dumps writes. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

Test(write, strings_are_escaped_as_python_does)
{
	static const struct {
		struct dg_str text;
		const char *ascii, *utf8;
	} rows[] = {
		{{"", 0}, "\"\"", "\"\""},
		{{"a/b", 3}, "\"a/b\"", "\"a/b\""},
		{{"\"\\\n\r\t\b\f", 7}, "\"\\\"\\\\\\n\\r\\t\\b\\f\"",
			"\"\\\"\\\\\\n\\r\\t\\b\\f\""},
		{{"\0\x1f\x7f", 3}, "\"\\u0000\\u001f\\u007f\"",
			"\"\\u0000\\u001f\x7f\""},
		{{"\xc3\xa9", 2}, "\"\\u00e9\"", "\"\xc3\xa9\""},
		{{"\xf0\x9f\x98\x80!", 5}, "\"\\ud83d\\ude00!\"",
			"\"\xf0\x9f\x98\x80!\""},
		{{"\xed\xa0\xbd", 3}, "\"\\ud83d\"", "\"\\ud83d\""},
		{{"a\xffz", 3}, "\"a\\ufffdz\"", "\"a\xef\xbf\xbdz\""},
		{{"\xc3", 1}, "\"\\ufffd\"", "\"\xef\xbf\xbd\""},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf a = DG_BUF_INIT, u = DG_BUF_INIT;

		dg_json_add_str(&a, rows[i].text);
		dg_json_add_str_utf8(&u, rows[i].text);
		cr_assert_str_eq(a.p, rows[i].ascii, "row %zu: %s", i, a.p);
		cr_assert_str_eq(u.p, rows[i].utf8, "row %zu: %s", i, u.p);
	}
}

Test(write, floats_are_pythons_repr)
{
	static const struct {
		double v;
		const char *want;
	} rows[] = {
		{0.0, "0.0"},
		{-0.0, "-0.0"},
		{1, "1.0"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{1.0 / 3, "0.3333333333333333"},
		{100000, "100000.0"},
		{1e15, "1000000000000000.0"},
		{9007199254740993.0, "9007199254740992.0"},
		{1e16, "1e+16"},
		{1.5e16, "1.5e+16"},
		{1e22, "1e+22"},
		{1e100, "1e+100"},
		{0.0001, "0.0001"},
		{0.00012345, "0.00012345"},
		{0.00001, "1e-05"},
		{1.25e-7, "1.25e-07"},
		{5e-324, "5e-324"},
		{DBL_MIN, "2.2250738585072014e-308"},
		{DBL_MAX, "1.7976931348623157e+308"},
		{0x1p-44, "5.684341886080802e-14"},
		{1700000000.123456, "1700000000.123456"},
		{123456789.12345678, "123456789.12345678"},
		{NAN, "NaN"},
		{INFINITY, "Infinity"},
		{-INFINITY, "-Infinity"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;

		dg_json_add_double(&b, rows[i].v);
		cr_assert_str_eq(b.p, rows[i].want, "row %zu: %s", i, b.p);
	}
}

static void
write_all(struct dg_jw *w)
{
	dg_jw_open_object(w);
	dg_jw_kstr(w, "s", "x");
	dg_jw_kstr(w, "none", NULL);
	dg_jw_kint(w, "i", INT64_MIN);
	dg_jw_kdouble(w, "d", 2);
	dg_jw_kbool(w, "t", true);
	dg_jw_kbool(w, "f", false);
	dg_jw_knull(w, "n");
	dg_jw_kraw(w, "raw", DG_STR("[ 1 ]"));
	dg_jw_key(w, "a");
	dg_jw_open_array(w);
	dg_jw_int(w, 1);
	dg_jw_open_array(w);
	dg_jw_close_array(w);
	dg_jw_strn(w, DG_STR("y"));
	dg_jw_open_object(w);
	dg_jw_close_object(w);
	dg_jw_null(w);
	dg_jw_bool(w, true);
	dg_jw_double(w, 0.5);
	dg_jw_str(w, NULL);
	dg_jw_place(w);
	dg_buf_adds(w->b, "{}");
	dg_jw_close_array(w);
	dg_jw_close_object(w);
}

Test(write, commas_stand_where_they_belong)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&b);

	write_all(&w);
	cr_assert_str_eq(b.p,
		"{\"s\": \"x\", \"none\": null, \"i\": -9223372036854775808, \"d\": 2.0, "
		"\"t\": true, \"f\": false, \"n\": null, \"raw\": [ 1 ], \"a\": [1, [], "
		"\"y\", "
		"{}, null, true, 0.5, null, {}]}");
	cr_assert_eq(dg_json_check(dg_buf_str(&b), 10, NULL), 0);

	dg_buf_reset(&b);
	w = dg_jw_compact(&b);
	write_all(&w);
	cr_assert_str_eq(b.p,
		"{\"s\":\"x\",\"none\":null,\"i\":-9223372036854775808,\"d\":2.0,"
		"\"t\":true,\"f\":false,\"n\":null,\"raw\":[ 1 ],\"a\":[1,[],\"y\","
		"{},null,true,0.5,null,{}]}");
}

Test(write, what_is_written_reads_back)
{
	auto_buf b = DG_BUF_INIT, back = DG_BUF_INIT;

	for (unsigned c = 0; c < 256; c++)
		dg_buf_add_utf8(&back, c);
	dg_json_add_str(&b, dg_buf_str(&back));
	{
		auto_buf again = DG_BUF_INIT;

		cr_assert(dg_json_decode(dg_buf_str(&b), &again));
		cr_assert(dg_str_eq(dg_buf_str(&again), dg_buf_str(&back)));
	}
}
