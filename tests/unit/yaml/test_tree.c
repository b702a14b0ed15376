/* Making, changing and copying trees. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "yaml/yaml.h"

static char *
dumped(struct dg_yaml_node *node)
{
	struct dg_buf out = DG_BUF_INIT;

	cr_assert_eq(dg_yaml_dump(node, &out, NULL), 0);
	return dg_buf_take(&out);
}

Test(tree, a_map_is_made_and_changed)
{
	DG_CLEANUP(dg_yaml_freep) struct dg_yaml *y = dg_yaml_new();
	struct dg_yaml_node *map = dg_yaml_map(y), *seq = dg_yaml_seq(y);
	auto_free char *first = NULL, *second = NULL;

	cr_assert_eq(dg_yaml_root(y)->kind, DG_YAML_NULL);
	for (int i = 0; i < 10; i++)
		dg_yaml_append(y, seq, dg_yaml_int(y, i - 5));
	dg_yaml_set(y, map, "seq", seq);
	dg_yaml_set(y, map, "deployment", dg_yaml_str(y, DG_STR("prod")));
	dg_yaml_set(y, map, "on", dg_yaml_bool(y, true));
	dg_yaml_set(y, map, "none", dg_yaml_null(y));
	dg_yaml_set(y, map, "deployment", dg_yaml_str(y, DG_STR("dev")));
	first = dumped(map);
	cr_assert_str_eq(first,
		"deployment: dev\nnone: null\n'on': true\nseq:\n- -5\n- -4\n- "
		"-3\n- -2\n- -1\n- 0\n- 1\n- 2\n- 3\n- 4\n");
	dg_yaml_del(map, "seq");
	dg_yaml_del(map, "on");
	dg_yaml_del(map, "absent");
	second = dumped(map);
	cr_assert_str_eq(second, "deployment: dev\nnone: null\n");
}

Test(tree, a_copy_shares_what_was_shared_and_nothing_else)
{
	DG_CLEANUP(dg_yaml_freep) struct dg_yaml *y = NULL;
	DG_CLEANUP(dg_yaml_freep) struct dg_yaml *other = dg_yaml_new();
	struct dg_yaml_node *copy;
	auto_free char *text = NULL;

	cr_assert_eq(dg_yaml_load(DG_STR("{a: &x {k: [1, 2.5]}, b: *x, c: 'q'}"),
			     DG_YAML_DATES, &y, NULL, NULL),
		0);
	copy = dg_yaml_copy(other, dg_yaml_root(y));
	dg_yaml_del(dg_yaml_get(dg_yaml_root(y), "a"), "k");
	dg_yaml_freep(&y);
	y = NULL;
	text = dumped(copy);
	cr_assert_str_eq(text, "a: &id001\n  k:\n  - 1\n  - 2.5\nb: *id001\nc: q\n");
}
