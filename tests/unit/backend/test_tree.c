#include <criterion/criterion.h>

#include "backend/process/tree.h"

/*	pid parent session start dead */
static const struct dg_proc table[] = {
	{1, 0, 1, 1, false, 0, 'S'}, {50, 1, 50, 10, false, 0, 'S'}, /* the agent */
	{100, 50, 100, 20, false, 0, 'S'},                           /* a server */
	{101, 100, 100, 21, false, 0, 'S'},                          /* its child */
	{102, 101, 102, 22, false, 0, 'S'}, /* a grandchild, own session */
	{103, 1, 100, 23, false, 0, 'S'},   /* an orphan of its session */
	{104, 103, 104, 24, false, 0, 'S'}, /* what that started */
	{105, 1, 105, 25, false, 0, 'S'},   /* a daemon: only its variable tells */
	{200, 50, 200, 30, false, 0, 'S'},
	{201, 200, 200, 31, true, 0, 'S'}, /* another server */
	{300, 1, 299, 40, false, 0, 'S'},  /* a session whose leader is gone */
};

#define N (sizeof table / sizeof *table)

static void
expect(const struct dg_tree *t, const char *want)
{
	bool member[N] = {false};
	char got[N + 1] = "";

	dg_tree_mark(t, table, member, N);
	for (size_t i = 0; i < N; i++)
		got[i] = member[i] ? 'x' : '.';
	cr_assert_str_eq(got, want);
}

Test(tree, descendants_and_session)
{
	struct dg_tree t = {
		.root = 100, .root_start = 20, .session = 100, .session_start = 20};

	expect(&t, "..xxxxx....");
	t.root = 0;
	expect(&t, "..xxxxx....");
	t.session = 0;
	expect(&t, "...........");
	t.root = 101;
	t.root_start = 21;
	expect(&t, "...xx......");
}

Test(tree, a_number_used_again_is_nobody_of_ours)
{
	struct dg_tree t = {
		.root = 200, .root_start = 7, .session = 200, .session_start = 7};

	expect(&t, "...........");
}

Test(tree, a_session_whose_leader_is_gone_may_be_anybodys)
{
	struct dg_tree t = {
		.root = 299, .root_start = 39, .session = 299, .session_start = 39};

	expect(&t, "...........");
}

Test(tree, never_from_init_down)
{
	struct dg_tree t = {.root = 1, .root_start = 1, .session = 1, .session_start = 1};

	expect(&t, "...........");
}
