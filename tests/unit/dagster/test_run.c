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
	cr_assert_eq(r.status, DG_RUN_UNKNOWN);
	cr_assert(r.isolated);
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

#define RECORD(rest)                                                                     \
	"{\"data\": {\"runs\": {\"getRunRecords\": [{\"serializedPipelineRun\": "        \
	"\"{\\\"__class__\\\": \\\"PipelineRun\\\", \\\"run_id\\\": \\\"r\\\", "         \
	"\\\"pipeline_name\\\": \\\"j\\\"" rest "}\"}]}}}"
#define STATUS(status) RECORD(", \\\"status\\\": {\\\"__enum__\\\": \\\"" status "\\\"}")

Test(run, how_a_run_is_by_its_record)
{
	static const struct {
		const char *body;
		enum dg_run_status want;
	} rows[] = {
		{STATUS("PipelineRunStatus.QUEUED"), DG_RUN_WAITING},
		{STATUS("DagsterRunStatus.STARTING"), DG_RUN_WAITING},
		{STATUS("STARTED"), DG_RUN_BEGUN},
		{STATUS("PipelineRunStatus.CANCELING"), DG_RUN_BEGUN},
		{STATUS("PipelineRunStatus.SUCCESS"), DG_RUN_FINISHED},
		{STATUS("PipelineRunStatus.CANCELED"), DG_RUN_FINISHED},
		{STATUS("PipelineRunStatus.FAILURE"), DG_RUN_FINISHED},
		{STATUS("PipelineRunStatus.NEW"), DG_RUN_UNKNOWN},
		{STATUS(""), DG_RUN_UNKNOWN},
		{RECORD(""), DG_RUN_UNKNOWN},
		{"{\"data\": {\"runs\": {\"getRunRecords\": []}}}", DG_RUN_NONE},
		{"{\"data\": {\"runs\": {\"getRunRecords\": [{}]}}}", DG_RUN_UNKNOWN},
		{"{\"data\": {\"runs\": {\"getRunRecords\": [5]}}}", DG_RUN_UNKNOWN},
		{"{\"data\": {\"runs\": {\"getRunRecords\": null}}}", DG_RUN_UNKNOWN},
		{"{\"data\": {\"runs\": {\"getRunRecords\": [{\"serializedPipelineRun\": "
		 "\"{\"}]}}}",
			DG_RUN_UNKNOWN},
		{"{\"data\": {\"runs\": {\"getRunRecords\": [{\"serializedPipelineRun\": "
		 "null}]}}}",
			DG_RUN_UNKNOWN},
		{"{\"data\": {\"runs\": {}}}", DG_RUN_UNKNOWN},
		{"{\"errors\": []}", DG_RUN_UNKNOWN},
		{"", DG_RUN_UNKNOWN},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_run_records_status(dg_str(rows[i].body)), rows[i].want,
			"row %zu", i);
}

Test(run, what_a_request_says_of_it)
{
#define ORIGIN                                                                           \
	"{\"external_repository_origin\": {\"repository_location_origin\": "             \
	"{\"location_name\": \"etl\"}}}"
	static const struct {
		const char *args;
		bool isolated;
		const char *location, *repository;
	} rows[] = {
		{"{\"pipeline_run\": " RUN "}}", true, NULL, ""},
		{"{\"pipeline_run\": " RUN
		 ", \"tags\": {\"dagster/isolation\": \"disabled\"}}}",
			false, NULL, ""},
		{"{\"pipeline_run\": " RUN
		 ", \"tags\": {\"dagster/isolation\": \"other\"}}}",
			true, NULL, ""},
		{"{\"pipeline_run\": " RUN ", \"external_pipeline_origin\": " ORIGIN "}}",
			true, "etl", ""},
		{"{\"pipeline_run\": " RUN
		 ", \"pipeline_code_origin\": {\"repository_origin\": {\"a\": 1}}}}",
			true, NULL, "{\"a\": 1}"},
		{"{\"pipeline_run\": " RUN
		 ", \"pipeline_code_origin\": {\"repository_origin\": null}}}",
			true, NULL, ""},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_dagster_run r;

		cr_assert_eq(dg_run_of_args(dg_str(rows[i].args), &r, NULL), 0);
		cr_assert_str_eq(r.id, "r-1");
		cr_assert_str_eq(r.job, "j");
		cr_assert_eq(r.isolated, rows[i].isolated, "row %zu", i);
		cr_assert(dg_str_is(r.repository, rows[i].repository), "row %zu", i);
		cr_assert_eq(r.location == NULL, rows[i].location == NULL);
		if (r.location)
			cr_assert_str_eq(r.location, rows[i].location);
		dg_run_clear(&r);
	}
#undef ORIGIN
}

Test(run, what_the_server_says_of_its_start)
{
	static const struct {
		const char *text, *want; /* NULL: success; "": no result */
	} rows[] = {
		{"{\"success\": true}", NULL},
		{"{\"success\": false, \"message\": \"no\"}", "no"},
		{"{\"success\": false, \"message\": null}", "None"},
		{"{\"success\": false, \"message\": null, \"serializable_error_info\": "
		 "{\"__class__\": \"SerializableErrorInfo\", \"message\": \"why\"}}",
			"why"},
		{"{\"__class__\": \"SerializableErrorInfo\", \"message\": \"why\"}",
			"why"},
		{"{}", ""},
		{"{", ""},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_run_result res;
		auto_buf error = DG_BUF_INIT;
		int r = dg_run_result_parse(dg_str(rows[i].text), &res, NULL);

		cr_assert_eq(r < 0, rows[i].want && !*rows[i].want, "row %zu", i);
		if (r < 0)
			continue;
		cr_assert_eq(res.success, !rows[i].want, "row %zu", i);
		if (res.success)
			continue;
		dg_run_result_error(&res, &error);
		cr_assert(strstr(error.p, rows[i].want), "row %zu: %s", i, error.p);
	}
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

Test(event, keys_are_made_again)
{
	char one[37], two[37];

	dg_event_key(one, DG_EVENT_LAUNCHING, "r", "q");
	dg_event_key(two, DG_EVENT_LAUNCHING, "r", "q");
	cr_assert_str_eq(one, two);
	cr_assert_eq(strlen(one), 36);
	cr_assert_eq(one[14], '4');
	dg_event_key(two, DG_EVENT_CANCELING, "r", "q");
	cr_assert_str_neq(one, two);
	dg_event_key(two, DG_EVENT_LAUNCHING, "r", "p");
	cr_assert_str_neq(one, two);
}
