/* The cursors: members, items, strings, scalars. */
#include <criterion/criterion.h>
#include <math.h>

#include "base/mem.h"
#include "json/json.h"

static const char doc[] =
	" {\"a\": 1, \"s\" : \"x\\\"y,}\" ,\"o\":{\"in\": [1, [2, 3], {\"z\": true}]},"
	"\"a\": 2, \"n\":null, \"e\\u00e9\": \"caf\xc3\xa9\", \"\": false, \"\\\\\": "
	"\"\\\\\"} ";

Test(json, a_member_is_found_and_the_last_duplicate_wins)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{"a", "2"},
		{"s", "\"x\\\"y,}\""},
		{"o", "{\"in\": [1, [2, 3], {\"z\": true}]}"},
		{"n", "null"},
		{"e\xc3\xa9", "\"caf\xc3\xa9\""},
		{"", "false"},
		{"\\", "\"\\\\\""},
		{"in", NULL},
		{"z", NULL},
		{"aa", NULL},
	};
	struct dg_str v;

	cr_assert_eq(dg_json_check(dg_str(doc), 10, NULL), 0);
	for (size_t i = 0; i < DG_N(rows); i++) {
		bool found = dg_json_member(dg_str(doc), rows[i].key, &v);

		cr_assert_eq(found, rows[i].value != NULL, "row %zu", i);
		if (found)
			cr_assert(dg_str_is(v, rows[i].value), "row %zu: %.*s", i,
				DG_FMT(v));
		else
			cr_assert_null(v.p);
	}
	cr_assert_not(dg_json_member(DG_STR("[1]"), "a", &v));
	cr_assert_not(dg_json_member(DG_STR(""), "a", &v));
	cr_assert_not(dg_json_member(DG_STR_NULL, "a", &v));
}

Test(json, a_path_goes_down)
{
	struct dg_str v;

	cr_assert(dg_json_path(
		DG_STR("{\"a\":{\"b\":{\"c\":7}}}"), &v, "a", "b", "c", NULL));
	cr_assert(dg_str_is(v, "7"));
	cr_assert_not(dg_json_path(DG_STR("{\"a\":{\"b\":7}}"), &v, "a", "b", "c", NULL));
	cr_assert_not(dg_json_path(DG_STR("{\"a\":{\"b\":7}}"), &v, "x", "b", NULL));
	cr_assert(dg_json_path(DG_STR("3"), &v, NULL));
}

Test(json, items_and_members_come_in_order)
{
	struct dg_str k, v, in;
	struct dg_json_iter it;
	auto_buf seen = DG_BUF_INIT;

	it = dg_json_iter(dg_str(doc));
	while (dg_json_next_member(&it, &k, &v))
		dg_buf_addf(&seen, "%.*s=%d ", DG_FMT(k), dg_json_type(v));
	cr_assert_str_eq(seen.p, "\"a\"=3 \"s\"=4 \"o\"=6 \"a\"=3 \"n\"=1 \"e\\u00e9\"=4 "
				 "\"\"=2 \"\\\\\"=4 ");

	cr_assert(dg_json_path(dg_str(doc), &in, "o", "in", NULL));
	dg_buf_reset(&seen);
	it = dg_json_iter(in);
	while (dg_json_next_item(&it, &v))
		dg_buf_addf(&seen, "<%.*s>", DG_FMT(v));
	cr_assert_str_eq(seen.p, "<1><[2, 3]><{\"z\": true}>");
	cr_assert_eq(dg_json_count(in), 3);
	cr_assert_eq(dg_json_count(dg_str(doc)), 8);
	cr_assert_eq(dg_json_count(DG_STR(" [ ] ")), 0);
	cr_assert_eq(dg_json_count(DG_STR("{}")), 0);
	cr_assert_eq(dg_json_count(DG_STR("null")), 0);
	cr_assert_eq(dg_json_count(DG_STR("\"[1]\"")), 0);
}

Test(json, types_are_told_by_the_first_byte)
{
	static const struct {
		const char *text;
		enum dg_json_type type;
	} rows[] = {
		{"", DG_JSON_NONE},
		{"x", DG_JSON_NONE},
		{" null", DG_JSON_NULL},
		{"true", DG_JSON_BOOL},
		{"false", DG_JSON_BOOL},
		{"-1", DG_JSON_NUMBER},
		{"9", DG_JSON_NUMBER},
		{"NaN", DG_JSON_NUMBER},
		{"Infinity", DG_JSON_NUMBER},
		{"\"\"", DG_JSON_STRING},
		{"[]", DG_JSON_ARRAY},
		{"{}", DG_JSON_OBJECT},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(
			dg_json_type(dg_str(rows[i].text)), rows[i].type, "row %zu", i);
}

Test(json, strings_are_decoded_and_compared)
{
	static const struct {
		const char *json, *text;
		size_t n;
	} rows[] = {
		{"\"\"", "", 0},
		{"\"abc\"", "abc", 3},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
		{"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac", 6},
		{"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4},
		{"\"\\ud83dx\"", "\xed\xa0\xbdx", 4},
		{"\"\\ude00\\ud83d\"", "\xed\xb8\x80\xed\xa0\xbd", 6},
		{"\"\\ud83d\\u0041\"",
			"\xed\xa0\xbd"
			"A",
			4},
		{"\"a\\u0000b\"", "a\0b", 3},
		{"\"\xc3\xa9\"", "\xc3\xa9", 2},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;

		cr_assert(dg_json_decode(dg_str(rows[i].json), &b), "row %zu", i);
		cr_assert(dg_str_eq(dg_buf_str(&b), dg_strn(rows[i].text, rows[i].n)),
			"row %zu: %s", i, b.p);
		if (strlen(rows[i].text) == rows[i].n)
			cr_assert(dg_json_is(dg_str(rows[i].json), rows[i].text),
				"row %zu", i);
		cr_assert_not(dg_json_is(dg_str(rows[i].json), "A\xc3\xa9\xe2\x82"));
		cr_assert_not(dg_json_is(dg_str(rows[i].json), "A\xc3\xa9\xe2\x82\xac."));
	}
	cr_assert_not(dg_json_is(DG_STR("1"), "1"));
	cr_assert_null(dg_json_dup(DG_STR("null")));
	cr_assert_null(dg_json_dup(DG_STR("\"")));
}

Test(json, scalars_are_read_only_when_they_are_what_is_asked_for)
{
	int64_t i = 0;
	double d = 0;
	bool b = false;

	cr_assert(dg_json_int(DG_STR(" -42 "), &i) && i == -42);
	cr_assert(dg_json_int(DG_STR("9223372036854775807"), &i) && i == INT64_MAX);
	cr_assert_not(dg_json_int(DG_STR("9223372036854775808"), &i));
	cr_assert_not(dg_json_int(DG_STR("1.0"), &i));
	cr_assert_not(dg_json_int(DG_STR("1e3"), &i));
	cr_assert_not(dg_json_int(DG_STR("\"1\""), &i));
	cr_assert_not(dg_json_int(DG_STR("NaN"), &i));
	cr_assert_not(dg_json_int(DG_STR("-"), &i));
	cr_assert_not(dg_json_int(DG_STR("null"), &i));
	cr_assert_not(dg_json_int(DG_STR("00000000000000000000000000000000001"), &i));
	cr_assert_eq(i, INT64_MAX);

	cr_assert(dg_json_double(DG_STR("1.5e3"), &d) && d == 1500);
	cr_assert(dg_json_double(DG_STR("7"), &d) && d == 7);
	cr_assert(dg_json_double(DG_STR("-Infinity"), &d) && isinf(d) && d < 0);
	cr_assert(dg_json_double(DG_STR("NaN"), &d) && isnan(d));
	cr_assert(
		dg_json_double(DG_STR("0.000000000000000000000000000000000000000000000000"
				      "0000000000000000000000000000000001"),
			&d) &&
		d == 1e-82);
	cr_assert_not(dg_json_double(DG_STR("\"1\""), &d));
	cr_assert_not(dg_json_double(DG_STR("-"), &d));

	cr_assert(dg_json_bool(DG_STR("true"), &b) && b);
	cr_assert(dg_json_bool(DG_STR("false"), &b) && !b);
	cr_assert_not(dg_json_bool(DG_STR("1"), &b));
	cr_assert(dg_json_is_null(DG_STR(" null ")));
	cr_assert_not(dg_json_is_null(DG_STR("\"null\"")));
}

Test(json, members_are_read_in_one_step)
{
	struct dg_str o = DG_STR("{\"s\": \"x\", \"i\": 3, \"d\": 0.5, \"b\": true}");
	auto_free char *s = dg_json_member_dup(o, "s");
	int64_t i = 0;
	double d = 0;
	bool b = false;

	cr_assert_str_eq(s, "x");
	cr_assert_null(dg_json_member_dup(o, "i"));
	cr_assert_null(dg_json_member_dup(o, "none"));
	cr_assert(dg_json_member_int(o, "i", &i) && i == 3);
	cr_assert(dg_json_member_double(o, "d", &d) && d == 0.5);
	cr_assert(dg_json_member_bool(o, "b", &b) && b);
	cr_assert_not(dg_json_member_int(o, "s", &i));
	cr_assert_not(dg_json_member_bool(o, "none", &b));
	cr_assert_not(dg_json_member_double(o, "s", &d));
}

Test(json, unchecked_text_is_never_read_past_its_end)
{
	static const char *const rows[] = {"{", "{\"", "{\"a", "{\"a\"",
		"{\"a\":", "{\"a\":[", "{\"a\":{\"b\":\"", "[", "[[", "[\"\\", "{\"a\\",
		"}{", "[}", "{\"\\u", "\"\\u1", "{\"\\u12\":1", "]]]]", "{,", "{\"a\"}",
		"[,,,]", "[1:2]"};

	for (size_t i = 0; i < DG_N(rows); i++) {
		size_t n = strlen(rows[i]);
		auto_free char *exact = dg_xcalloc(n, 1);
		struct dg_str t = {exact, n}, v, k;
		struct dg_json_iter it;
		auto_buf b = DG_BUF_INIT;

		memcpy(exact, rows[i], n);
		dg_json_member(t, "a", &v);
		dg_json_decode(t, &b);
		dg_json_is(t, "x");
		it = dg_json_iter(t);
		while (dg_json_next_item(&it, &v))
			;
		it = dg_json_iter(t);
		while (dg_json_next_member(&it, &k, &v))
			dg_json_decode(k, &b);
		cr_assert(it.p == it.end);
	}
}
