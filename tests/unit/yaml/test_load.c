/* Places of keys and values, errors with their places, limits. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "yaml/yaml.h"

static struct dg_yaml *
load(const char *text)
{
	struct dg_yaml *y = NULL;
	struct dg_err e = {0};

	cr_assert_eq(dg_yaml_load(dg_str(text), DG_YAML_NO_DATES, &y, NULL, &e), 0, "%s",
		e.what);
	return y;
}

Test(load, every_key_and_value_has_its_place)
{
	DG_CLEANUP(dg_yaml_freep)
	struct dg_yaml *y = load("# c\na: 1\nlist:\n  - x\n  - {k: \xc3\xa9, l: v}\n");
	struct dg_yaml_node *root = dg_yaml_root(y), *list, *flow;

	cr_assert_eq(root->kind, DG_YAML_MAP);
	cr_assert_eq(root->pairs[0].key->at.line, 2);
	cr_assert_eq(root->pairs[0].key->at.column, 1);
	cr_assert_eq(root->pairs[0].value->at.column, 4);
	cr_assert_eq(root->pairs[0].value->i, 1);
	list = dg_yaml_get(root, "list");
	cr_assert_eq(list->n, 2);
	cr_assert_eq(list->items[0]->at.line, 4);
	cr_assert_eq(list->items[0]->at.column, 5);
	flow = list->items[1];
	cr_assert_eq(dg_yaml_get(flow, "l")->at.line, 5);
	cr_assert_eq(dg_yaml_get(flow, "l")->at.column, 15, "characters, not bytes");
	cr_assert(dg_yaml_is(dg_yaml_get(flow, "l"), "v"));
	cr_assert_null(dg_yaml_get(flow, "m"));
	cr_assert_null(dg_yaml_get(list, "m"));
}

Test(load, errors_say_where_and_why)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *what;
	} rows[] = {
		{"a: [1\nb: 2\n", 2, 2,
			"did not find expected ',' or ']' while parsing a flow sequence "
			"(which "
			"starts in line 1)"},
		{"a: 1\n b: 2\n", 2, 3, "mapping values are not allowed in this context"},
		{"a: 1\n---\nb: 2\n", 2, 1, "a second document: expected a single one"},
		{"a: *x\n", 1, 4, "this alias has no anchor"},
		{"a: &x 1\nb: &x 2\n", 2, 4, "this anchor was set before"},
		{"a: !foo 1\n", 1, 4, "this tag is unknown"},
		{"a:\n  ? [b]\n  : c\n", 2, 5, "a list or a map cannot be a key"},
		{"a: !!int x\n", 1, 4, "'x' is not an integer"},
		{"a: !!bool x\n", 1, 4, "'x' is not a boolean"},
		{"a: !!float x\n", 1, 4, "'x' is not a float"},
		{"a: !!timestamp x\n", 1, 4, "'x' is not a timestamp"},
		{"a: !!binary x\n", 1, 4, "'x' is not base64"},
		{"a: !!map x\n", 1, 4, "expected a map"},
		{"a: !!seq x\n", 1, 4, "expected a list"},
		{"a: !!str [x]\n", 1, 4, "expected a scalar"},
		{"a: !!omap [x]\n", 1, 12, "expected a map of one pair"},
		{"a: !!omap x\n", 1, 4, "expected a list"},
		{"a: <<\n", 1, 4, "'<<' has a meaning only as a key"},
		{"a: =\n", 1, 4, "'=' has a meaning only as a key"},
		{"<<: x\n", 1, 5, "expected a map or a list of maps to merge"},
		{"<<: [x]\n", 1, 6, "expected a map to merge"},
		{"a: &a [*a]\n", 1, 4, "this value contains itself"},
		{"a: 1\n\tb: 2\n", 2, 1, NULL},
		{"a:\t1\n", 1, 3, "a tab cannot separate or indent"},
		{"a: b\tc\n", 1, 5, "a tab cannot separate or indent"},
		{"a: [b?c]\n", 1, 5, "inside [] and {} a text with '?' must be quoted"},
		{"a: b\xff", 1, 1, NULL},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_yaml *y = NULL;
		struct dg_yaml_mark at;
		struct dg_err e = {0};

		cr_assert_eq(
			dg_yaml_load(dg_str(rows[i].text), DG_YAML_NO_DATES, &y, &at, &e),
			-DG_CONFIG, "row %zu", i);
		cr_assert_null(y);
		cr_assert_eq(at.line, rows[i].line, "row %zu: %u", i, at.line);
		if (!rows[i].what)
			continue;
		cr_assert_eq(at.column, rows[i].column, "row %zu: %u", i, at.column);
		cr_assert_str_eq(e.what, rows[i].what, "row %zu", i);
	}
}

Test(load, aliases_share_and_merges_order)
{
	DG_CLEANUP(dg_yaml_freep)
	struct dg_yaml *y = load("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3, r: 4}\n");
	struct dg_yaml_node *root = dg_yaml_root(y), *c = dg_yaml_get(root, "c");

	cr_assert_eq(dg_yaml_get(root, "a"), dg_yaml_get(root, "b"));
	cr_assert_eq(c->n, 3);
	cr_assert(dg_yaml_is(c->pairs[0].key, "p"));
	cr_assert_eq(dg_yaml_get(c, "q")->i, 3);
	cr_assert_eq(dg_yaml_get(c, "q")->at.line, 3);
}

Test(load, what_is_too_large_is_refused)
{
	auto_buf deep = DG_BUF_INIT, bomb = DG_BUF_INIT, merge = DG_BUF_INIT,
		 big = DG_BUF_INIT;
	struct dg_yaml *y = NULL;

	for (int i = 0; i <= DG_YAML_DEPTH_MAX; i++)
		dg_buf_adds(&deep, "[");
	cr_assert_eq(dg_yaml_load(dg_buf_str(&deep), DG_YAML_DATES, &y, NULL, NULL),
		-DG_LIMIT);

	dg_buf_adds(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x]\n");
	dg_buf_adds(&merge, "a0: &a0 {x: 1, y: 2}\n");
	for (int i = 1; i < 30; i++) {
		dg_buf_addf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1,
			i - 1);
		dg_buf_addf(&merge, "a%d: &a%d {<<: [*a%d, *a%d, *a%d]}\n", i, i, i - 1,
			i - 1, i - 1);
	}
	cr_assert_eq(dg_yaml_load(dg_buf_str(&bomb), DG_YAML_DATES, &y, NULL, NULL),
		-DG_LIMIT);
	cr_assert_eq(dg_yaml_load(dg_buf_str(&merge), DG_YAML_DATES, &y, NULL, NULL), 0,
		"merged maps are as large as their keys");
	dg_yaml_free(y);

	for (unsigned i = 0; i <= DG_YAML_TEXT_MAX; i++)
		dg_buf_addc(&big, 'x');
	cr_assert_eq(
		dg_yaml_load(dg_buf_str(&big), DG_YAML_DATES, &y, NULL, NULL), -DG_LIMIT);
}

Test(load, an_empty_text_is_null)
{
	static const char *const rows[] = {"", " \n", "# c\n", "---\n", "--- ~\n...\n"};

	for (size_t i = 0; i < DG_N(rows); i++) {
		DG_CLEANUP(dg_yaml_freep) struct dg_yaml *y = load(rows[i]);

		cr_assert_eq(dg_yaml_root(y)->kind, DG_YAML_NULL, "row %zu", i);
	}
}
