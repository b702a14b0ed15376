/* Runs: ids, releases, results, records. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "dagster/event.h"
#include "dagster/run.h"

#define RUN                                                                              \
	"{\"__class__\": \"PipelineRun\", \"run_id\": \"r-1\", \"pipeline_name\": \"j\""

Test(run, ids_that_become_names)
{
	static const char *const good[] = {
		"a", "0a1b2c3d-0000-4000-8000-000000000000", "A_b"};
	static const char *const bad[] = {
		"", "-a", ".", "..", "a/b", "a.b", "a b", "a\nb", "é"};
	char longest[DG_RUN_ID_MAX + 2];

	for (size_t i = 0; i < DG_N(good); i++)
		cr_assert(dg_run_id_valid(dg_str(good[i])), "%s", good[i]);
	for (size_t i = 0; i < DG_N(bad); i++)
		cr_assert_not(dg_run_id_valid(dg_str(bad[i])), "%s", bad[i]);
	memset(longest, 'a', sizeof longest);
	cr_assert(dg_run_id_valid(dg_strn(longest, DG_RUN_ID_MAX)));
	cr_assert_not(dg_run_id_valid(dg_strn(longest, DG_RUN_ID_MAX + 1)));
}

Test(run, releases_that_read_arguments_from_the_environment)
{
	static const struct {
		const char *versions;
		bool want;
	} rows[] = {{"{\"dagster\": \"1.13.27\"}", true},
		{"{\"dagster\": \"1.12.7\"}", true}, {"{\"dagster\": \"1.12.6\"}", false},
		{"{\"dagster\": \"1.12.10rc1\"}", true},
		{"{\"dagster\": \"1.9.13\"}", false}, {"{\"dagster\": \"2.0\"}", true},
		{"{\"dagster\": \"0.15.1\"}", false},
		{"{\"dagster\": \"1!0+dev\"}", false}, {"{\"dagster\": \"\"}", false},
		{"{\"dagster\": null}", false}, {"{}", false}, {"", false}};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_run_args_in_env(dg_str(rows[i].versions)), rows[i].want,
			"%s", rows[i].versions);
}

Test(run, what_is_no_run)
{
	static const char *const rows[] = {"", "{", "[]", "{}", "{\"__class__\": \"X\"}",
		"{\"__class__\": \"PipelineRun\"}",
		"{\"__class__\": \"PipelineRun\", \"run_id\": \"../x\", "
		"\"pipeline_name\": "
		"\"j\"}",
		"{\"__class__\": \"PipelineRun\", \"run_id\": \"x\"}"};
	struct dg_dagster_run r;
	struct dg_err e;

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_lt(dg_run_parse(dg_str(rows[i]), &r, &e), 0, "row %zu", i);
	cr_assert_eq(dg_run_of_args(DG_STR("{}"), &r, &e), -DG_USER);
	cr_assert_eq(dg_run_of_args(DG_STR("{\"pipeline_run\": 5}"), &r, &e), -DG_USER);
	cr_assert(strstr(e.what, "pipeline_run"));
	cr_assert_eq(dg_run_of_args(DG_STR("{\"pipeline_run\": " RUN "}}"), &r, &e), 0);
	cr_assert_str_eq(r.status, "");
	cr_assert_str_eq(r.tags.p, "{}");
	cr_assert_null(dg_run_tag(&r, "x"));
	cr_assert(dg_run_isolated(&r));
	dg_run_clear(&r);
}

static const char *
nothing(void *arg, const char *name)
{
	(void)arg, (void)name;
	return NULL;
}

Test(run, origins_that_start_nothing)
{
	static const char *const rows[] = {RUN "}", RUN ", \"pipeline_code_origin\": {}}",
		RUN ", \"pipeline_code_origin\": {\"repository_origin\": {}}}",
		RUN
		", \"pipeline_code_origin\": {\"repository_origin\": {\"entry_point\": "
		"[5]}}}",
		RUN ", \"pipeline_code_origin\": {\"repository_origin\": "
		    "{\"executable_path\": \"\"}}}",
		RUN
		", \"pipeline_code_origin\": {\"repository_origin\": {\"entry_point\": "
		"[\"d\"], \"container_context\": {\"env_vars\": [\"ABSENT\"]}}}}"};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_strv argv = {NULL, 0};
		auto_strv env = {NULL, 0};
		struct dg_dagster_run r;
		struct dg_err e;

		cr_assert_eq(dg_run_parse(dg_str(rows[i]), &r, &e), 0);
		cr_assert_eq(dg_run_worker(&r, DG_STR("{}"), true, nothing, NULL, &argv,
				     &env, &e),
			-DG_USER, "row %zu", i);
		dg_run_clear(&r);
	}
}

Test(run, lists_of_what_runs)
{
	bool listed;
	struct dg_err e;

	cr_assert_eq(dg_run_listed(DG_STR("{\"current_runs\": [\"a\", \"b\"]}"), "b",
			     &listed, &e),
		0);
	cr_assert(listed);
	cr_assert_eq(
		dg_run_listed(DG_STR("{\"current_runs\": []}"), "b", &listed, &e), 0);
	cr_assert_not(listed);
	cr_assert_lt(dg_run_listed(DG_STR("{}"), "b", &listed, &e), 0);
	cr_assert_lt(dg_run_listed(DG_STR("{"), "b", &listed, &e), 0);
}

Test(run, records_that_are_none)
{
	static const char *const rows[] = {"", "{}", "{\"data\": {\"runs\": {}}}",
		"{\"runs\": {\"getRunRecords\": [5]}}",
		"{\"runs\": {\"getRunRecords\": [{\"serializedPipelineRun\": null}]}}",
		"{\"runs\": {\"getRunRecords\": [{\"serializedPipelineRun\": \"{}\"}]}}"};
	struct dg_dagster_run r;
	bool found;
	struct dg_err e;

	for (size_t i = 0; i < DG_N(rows); i++) {
		cr_assert_lt(dg_run_records_parse(dg_str(rows[i]), &r, &found, &e), 0,
			"row %zu", i);
		cr_assert_not(found);
	}
	cr_assert_eq(dg_run_records_parse(DG_STR("{\"runs\": {\"getRunRecords\": []}}"),
			     &r, &found, &e),
		0);
	cr_assert_not(found);
}

Test(event, names_and_tags)
{
	auto_buf name = DG_BUF_INIT;
	auto_buf tags = DG_BUF_INIT;

	dg_agent_name(&name, "1a2b3c4d-rest", NULL);
	cr_assert_str_eq(name.p, "Agent 1a2b3c4d");
	dg_tags_agent(&tags, "id", "l");
	dg_tags_grpc_info(&tags, "h:1");
	cr_assert_str_eq(tags.p,
		"\"dagster/agent_label\": \"l\", \"dagster/agent_id\": \"id\", "
		"\".dagster/grpc_info\": \"{\\\"host\\\": \\\"h\\\", \\\"port\\\": 1}\"");
}
