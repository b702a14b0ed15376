/* What is written is what yaml.dump writes. The expected texts come from PyYAML 6.0. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "yaml/yaml.h"

Test(dump, the_text_is_pyyamls)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"{}", "{}\n"},
		{"[]", "[]\n"},
		{"x", "x\n...\n"},
		{"''", "''\n"},
		{"1", "1\n...\n"},
		{"{b: 1, a: [x, {y: z, w: []}], c: {}}",
			"a:\n- x\n- w: []\n  y: z\nb: 1\nc: {}\n"},
		{"[[a, b], [c]]", "- - a\n  - b\n- - c\n"},
		{"{config_yaml: \"{}\\n\"}", "config_yaml: '{}\n\n  '\n"},
		{"{a: {b: \"{}\\n\"}}", "a:\n  b: '{}\n\n    '\n"},
		{"[\"yes\", \"1\", \"1.5\", \"null\", \"2020-01-01\", \"1:30\", \"\"]",
			"- 'yes'\n- '1'\n- '1.5'\n- 'null'\n- '2020-01-01'\n- '1:30'\n- "
			"''\n"},
		{"[yes, null, 1.0, 0.00001, 1.0e+16, .inf, -.inf, .nan, 0x10]",
			"- true\n- null\n- 1.0\n- 1.0e-05\n- 1.0e+16\n- .inf\n- -.inf\n- "
			".nan\n- 16\n"},
		{"[\"a: b\", \"a #b\", \"- a\", \"it's\", \"a\\tb\", \"caf\xc3\xa9\"]",
			"- 'a: b'\n- 'a #b'\n- '- a'\n- it's\n- \"a\\tb\"\n- "
			"\"caf\\xE9\"\n"},
		{"{? [] : x}", NULL},
		{"{2: a, 1: b}", "1: b\n2: a\n"},
		{"{2: a, x: b}", "2: a\nx: b\n"},
		{"{\"\": a}", "? ''\n: a\n"},
		{"{a: &x {k: v}, b: *x}", "a: &id001\n  k: v\nb: *id001\n"},
		{"{a: &x [], b: *x}", "a: &id001 []\nb: *id001\n"},
		{"[&a [1], &b [2], *b, *a]",
			"- &id002\n  - 1\n- &id001\n  - 2\n- *id001\n- *id002\n"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		DG_CLEANUP(dg_yaml_freep) struct dg_yaml *y = NULL;
		auto_buf out = DG_BUF_INIT;
		struct dg_err e = {0};
		int rc = dg_yaml_load(dg_str(rows[i].in), DG_YAML_NO_DATES, &y, NULL, &e);

		cr_assert_eq(rc, rows[i].out ? 0 : -DG_CONFIG, "row %zu: %s", i, e.what);
		if (!rows[i].out)
			continue;
		for (int again = 0; again < 2; again++) {
			dg_buf_reset(&out);
			cr_assert_eq(dg_yaml_dump(dg_yaml_root(y), &out, &e), 0);
			cr_assert_str_eq(out.p, rows[i].out, "row %zu: %s", i, out.p);
		}
	}
}

Test(dump, what_has_no_place_in_a_configuration_is_refused)
{
	static const char *const rows[] = {"a: !!set {x}",
		"a: !!binary aGk=", "a: !!pairs [x: y]", "? !!binary aGk=\n: x"};

	for (size_t i = 0; i < DG_N(rows); i++) {
		DG_CLEANUP(dg_yaml_freep) struct dg_yaml *y = NULL;
		auto_buf out = DG_BUF_INIT;

		cr_assert_eq(
			dg_yaml_load(dg_str(rows[i]), DG_YAML_DATES, &y, NULL, NULL), 0);
		cr_assert_eq(dg_yaml_dump(dg_yaml_root(y), &out, NULL), -DG_CONFIG);
		cr_assert_eq(out.n, 0);
	}
}
