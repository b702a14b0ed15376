/* Metadata of locations, lists of words, the pool of a code server. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "dagster/code_server.h"
#include "dagster/workspace.h"

#define CLS "{\"__class__\": \"CodeDeploymentMetadata\", "

Test(strv, words_and_variables)
{
	auto_strv v = {NULL, 0};

	cr_assert_null(dg_strv_value(&v, "A"));
	dg_strv_add(&v, "word");
	dg_strv_put(&v, DG_STR("A"), DG_STR("1"));
	dg_strv_put(&v, DG_STR("AB"), DG_STR("x=y"));
	dg_strv_put(&v, DG_STR("A"), DG_STR("2"));
	cr_assert_eq(v.n, 3);
	cr_assert_str_eq(v.v[1], "A=2");
	cr_assert_null(v.v[3]);
	cr_assert_str_eq(dg_strv_value(&v, "AB"), "x=y");
	cr_assert_null(dg_strv_value(&v, "B"));
}

Test(metadata, what_can_be_loaded_and_what_cannot)
{
	static const struct {
		const char *text, *why; /* NULL: good */
	} rows[] = {
		{CLS "\"python_file\": \"a\"}", NULL},
		{CLS "\"python_file\": \"a\", \"module_name\": \"\", \"image\": null}",
			NULL},
		{CLS "\"autoload_defs_module_name\": \"a\", \"new\": {\"x\": []}}", NULL},
		{CLS "\"python_file\": \"a\", \"package_name\": \"b\"}", "exactly one"},
		{CLS "\"image\": \"a\"}", "exactly one"},
		{CLS "\"python_file\": 5}", "python_file is no string"},
		{CLS "\"python_file\": \"a\\u0000b\"}", "NUL"},
		{CLS "\"python_file\": \"a\", \"container_context\": []}",
			"container_context is no object"},
		{CLS "\"python_file\": \"a\", \"defs_state_info\": 1}",
			"defs_state_info is no object"},
		{"{\"python_file\": \"a\"}", "no CodeDeploymentMetadata"},
		{"[]", "no CodeDeploymentMetadata"},
		{"{", "JSON"},
		{"", "JSON"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_metadata m;
		struct dg_err e = {0};
		int r = dg_metadata_parse(dg_str(rows[i].text), &m, &e);

		cr_assert_eq(r, rows[i].why ? -DG_USER : 0, "row %zu: %s", i, e.what);
		if (rows[i].why)
			cr_assert(strstr(e.what, rows[i].why), "row %zu: %s", i, e.what);
		else
			cr_assert(dg_str_is(m.container_context, "{}"));
		dg_metadata_clear(&m);
	}
}

static const char *
nothing(void *arg, const char *name)
{
	(void)arg, (void)name;
	return NULL;
}

Test(metadata, env_vars_that_are_none)
{
	static const char *const rows[] = {"{\"env_vars\": [5]}",
		"{\"env_vars\": [\"\"]}", "{\"env_vars\": [\"=x\"]}",
		"{\"env_vars\": [\"A\"]}", "{\"env_vars\": [\"A=\\u0000\"]}"};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_strv env = {NULL, 0};
		struct dg_err e;

		cr_assert_eq(
			dg_context_env_vars(dg_str(rows[i]), nothing, NULL, &env, &e),
			-DG_USER, "row %zu", i);
	}
}

Test(server, the_pool_is_said_where_the_user_did_not)
{
	static const struct {
		const char *own, *user;
		unsigned cpus, want;
		const char *said;
	} rows[] = {
		{NULL, NULL, 2, 6, "6"},
		{NULL, NULL, 64, 32, "32"},
		{NULL, "9", 2, 9, NULL},
		{"3", "9", 2, 3, "3"},
		{NULL, "", 2, 6, "6"},
		{NULL, "none", 2, 6, "6"},
		{"", "7", 2, 7, ""},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_strv env = {NULL, 0};
		const char *said;

		if (rows[i].own)
			dg_strv_put(&env, DG_STR(DG_POOL_ENV), dg_str(rows[i].own));
		cr_assert_eq(dg_code_server_pool(&env, rows[i].user, rows[i].cpus),
			rows[i].want, "row %zu", i);
		said = dg_strv_value(&env, DG_POOL_ENV);
		cr_assert_eq(!said, !rows[i].said, "row %zu", i);
		if (said)
			cr_assert_str_eq(said, rows[i].said);
	}
}

Test(workspace, names_that_become_ours)
{
	struct dg_workspace *w;
	struct dg_err e;

	cr_assert_eq(
		dg_workspace_parse(
			DG_STR("{\"deployments\": [{\"deploymentName\": \"d\\u0000\"}, "
			       "{\"deploymentName\": \"d\", \"workspaceEntries\": "
			       "[{\"locationName\": \"a\\u0000b\"}, null]}, 7]}"),
			&w, &e),
		0);
	cr_assert_eq(w->deployment_n, 1);
	cr_assert_eq(w->entry_n, 0);
	cr_assert_eq(w->skipped, 4);
	cr_assert_neq(w->skipped_why.cls, 0);
	dg_workspace_free(w);
}
