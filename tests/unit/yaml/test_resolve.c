/* What plain scalars mean. The integration test compares far more of them with PyYAML. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "yaml/tag.h"

Test(resolve, plain_scalars_mean_what_yaml_1_1_says)
{
	static const struct {
		const char *text;
		enum dg_yaml_tag tag;
	} rows[] = {
		{"", DG_TAG_NULL},
		{"~", DG_TAG_NULL},
		{"Null", DG_TAG_NULL},
		{"nULL", DG_TAG_STR},
		{"yes", DG_TAG_BOOL},
		{"Off", DG_TAG_BOOL},
		{"y", DG_TAG_STR},
		{"yES", DG_TAG_STR},
		{"0", DG_TAG_INT},
		{"010", DG_TAG_INT},
		{"018", DG_TAG_STR},
		{"0o10", DG_TAG_STR},
		{"-0x1F", DG_TAG_INT},
		{"0x", DG_TAG_STR},
		{"0b10", DG_TAG_INT},
		{"0b12", DG_TAG_STR},
		{"1_000", DG_TAG_INT},
		{"_1", DG_TAG_STR},
		{"1:30", DG_TAG_INT},
		{"1:60", DG_TAG_STR},
		{"0:30", DG_TAG_STR},
		{"+", DG_TAG_STR},
		{"1.5", DG_TAG_FLOAT},
		{"1.", DG_TAG_FLOAT},
		{".5", DG_TAG_FLOAT},
		{"-.5", DG_TAG_STR},
		{".", DG_TAG_STR},
		{"1e5", DG_TAG_STR},
		{"1.0e5", DG_TAG_STR},
		{"1.0e+5", DG_TAG_FLOAT},
		{"1.0e+", DG_TAG_STR},
		{"1:30.5", DG_TAG_FLOAT},
		{"1:30.5x", DG_TAG_STR},
		{"-.inf", DG_TAG_FLOAT},
		{".iNF", DG_TAG_STR},
		{".nan", DG_TAG_FLOAT},
		{"-.nan", DG_TAG_STR},
		{"<<", DG_TAG_MERGE},
		{"=", DG_TAG_VALUE},
		{"*", DG_TAG_OTHER},
		{"2001-12-14", DG_TAG_TIMESTAMP},
		{"2001-1-14", DG_TAG_STR},
		{"2001-1-14T1:00:00Z", DG_TAG_TIMESTAMP},
		{"2001-12-14 21:59:43.1 -5:30", DG_TAG_TIMESTAMP},
		{"2001-12-14 21:59:43 -5:3", DG_TAG_STR},
		{"2001-12-14 21:59", DG_TAG_STR},
		{"yes\n", DG_TAG_BOOL},
		{"prod", DG_TAG_STR},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_yaml_resolve(dg_str(rows[i].text), DG_YAML_DATES),
			rows[i].tag, "row %zu: %s", i, rows[i].text);
	cr_assert_eq(dg_yaml_resolve(DG_STR("2001-12-14"), DG_YAML_NO_DATES), DG_TAG_STR);
}
