/* One member changed, every other byte as it was. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "json/splice.h"

Test(splice, a_value_is_replaced_or_inserted_where_it_sorts)
{
	static const struct {
		const char *object, *key, *value, *want;
	} rows[] = {
		{"{\"a\" :  1 ,\"b\":2}", "a", "{}", "{\"a\" :  {} ,\"b\":2}"},
		{"{\"a\":1,\"b\":2}", "b", "\"x\"", "{\"a\":1,\"b\":\"x\"}"},
		{"{\"a\":1,\"a\":2}", "a", "3", "{\"a\":1,\"a\":3}"},
		{"{}", "k", "1", "{\"k\": 1}"},
		{" { } ", "k", "1", "{\"k\": 1 }"},
		{"{\"__class__\": \"X\", \"z\": 1}", "k", "2",
			"{\"__class__\": \"X\", \"k\": 2, \"z\": 1}"},
		{"{\"l\": 1, \"z\": 1}", "k", "2", "{\"k\": 2, \"l\": 1, \"z\": 1}"},
		{"{\"a\": 1\n}", "k", "2", "{\"a\": 1, \"k\": 2\n}"},
		{"{\"x\": {\"k\": 5}}", "k", "2", "{\"k\": 2, \"x\": {\"k\": 5}}"},
		{"{\"\\u006b\": NaN}", "k", "2", "{\"\\u006b\": 2}"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;

		cr_assert(dg_json_splice(
			dg_str(rows[i].object), rows[i].key, dg_str(rows[i].value), &b));
		cr_assert_str_eq(b.p, rows[i].want, "row %zu: %s", i, b.p);
	}
}

Test(splice, a_member_is_deleted_with_one_comma)
{
	static const struct {
		const char *object, *key, *want;
	} rows[] = {
		{"{\"a\": 1, \"b\": 2, \"c\": 3}", "a", "{\"b\": 2, \"c\": 3}"},
		{"{\"a\": 1, \"b\": 2, \"c\": 3}", "b", "{\"a\": 1, \"c\": 3}"},
		{"{\"a\": 1, \"b\": 2, \"c\": 3}", "c", "{\"a\": 1, \"b\": 2}"},
		{"{\"a\": 1, \"b\": 2}", "x", "{\"a\": 1, \"b\": 2}"},
		{"{\"a\": 1}", "a", "{}"},
		{"{ \"a\": 1 }", "a", "{  }"},
		{"{\"a\": 1, \"a\": 2}", "a", "{}"},
		{"{\"b\": 0, \"a\": 1, \"a\": 2}", "a", "{\"b\": 0}"},
		{"{\"b\": 0, \"a\": 1, \"a\": 2, \"c\": 3}", "a", "{\"b\": 0, \"c\": 3}"},
		{"{\"a\": 0, \"b\": 1, \"a\": 2, \"c\": 3}", "a", "{\"b\": 1, \"c\": 3}"},
		{"{\"a\":0,\"a\":1,\"c\":3}", "a", "{\"c\":3}"},
		{"{}", "a", "{}"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf b = DG_BUF_INIT;

		cr_assert(dg_json_delete(dg_str(rows[i].object), rows[i].key, &b));
		cr_assert_str_eq(b.p, rows[i].want, "row %zu: %s", i, b.p);
	}
}

Test(splice, only_objects_are_spliced)
{
	auto_buf b = DG_BUF_INIT;

	cr_assert_not(dg_json_splice(DG_STR("[1]"), "a", DG_STR("1"), &b));
	cr_assert_not(dg_json_delete(DG_STR("null"), "a", &b));
	cr_assert_eq(b.n, 0);
}
