/* The texts around a run. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "launcher/runtext.h"
#include "json/json.h"

#define RUN(rest)                                                                        \
	"{\"request_args\": {\"pipeline_run\": {\"run_id\": \"r-1\", "                   \
	"\"pipeline_name\": "                                                            \
	"\"j\"" rest "}}}"
#define ORIGIN                                                                           \
	"{\"external_repository_origin\": {\"repository_location_origin\": "             \
	"{\"location_name\": \"etl\"}}}"

Test(runtext, facts)
{
	static const struct {
		const char *body;
		bool isolated;
		const char *location, *context; /* context NULL: refused */
	} rows[] = {
		{RUN(""), true, NULL, ""},
		{RUN(", \"tags\": {\"dagster/isolation\": \"disabled\"}"), false, NULL,
			""},
		{RUN(", \"tags\": {\"dagster/isolation\": \"other\"}"), true, NULL, ""},
		{RUN(", \"external_pipeline_origin\": " ORIGIN), true, "etl", ""},
		{RUN(", \"pipeline_code_origin\": {\"repository_origin\": "
		     "{\"container_context\": {\"env_vars\": []}}}"),
			true, NULL, "{\"env_vars\": []}"},
		{RUN(", \"pipeline_code_origin\": {\"repository_origin\": null}"), true,
			NULL, ""},
		{"{}", true, NULL, NULL},
		{"{\"request_args\": {\"pipeline_run\": {\"run_id\": \"../x\"}}}", true,
			NULL, NULL},
		{"{\"request_args\": {\"pipeline_run\": {\"run_id\": \"\"}}}", true, NULL,
			NULL},
		{"{\"request_args\": {\"pipeline_run\": {\"run_id\": 7}}}", true, NULL,
			NULL},
		{"{\"request_args\": {\"pipeline_run\": {}}}", true, NULL, NULL},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_run_facts f;
		struct dg_err e = {0};
		int r = dg_run_facts(dg_str(rows[i].body), &f, &e);

		cr_assert_eq(r, rows[i].context ? 0 : -DG_USER, "row %zu", i);
		if (r == 0) {
			cr_assert_str_eq(f.run_id, "r-1");
			cr_assert(dg_str_is(f.job, "\"j\""));
			cr_assert_eq(f.isolated, rows[i].isolated, "row %zu", i);
			cr_assert(dg_str_is(f.context, rows[i].context), "row %zu", i);
			cr_assert_eq(f.location == NULL, rows[i].location == NULL);
			if (f.location)
				cr_assert_str_eq(f.location, rows[i].location);
		}
		dg_run_facts_clear(&f);
	}
}

static struct dg_run_facts
facts(const char *body)
{
	struct dg_run_facts f;

	cr_assert_eq(dg_run_facts(dg_str(body), &f, NULL), 0);
	return f;
}

Test(runtext, events)
{
	struct dg_run_facts f = facts(RUN(""));
	auto_buf b = DG_BUF_INIT;

	dg_event_engine(&b, &f, "hello \"you\"", DG_STR_NULL, 1700000000123456);
	cr_assert_str_eq(b.p,
		"{\"eventRecord\": {\"errorInfo\": null, \"level\": 20, \"userMessage\": "
		"\"\", "
		"\"runId\": \"r-1\", \"timestamp\": 1700000000.123456, \"stepKey\": "
		"null, "
		"\"pipelineName\": \"j\", \"dagsterEvent\": {\"eventTypeValue\": "
		"\"ENGINE_EVENT\", \"pipelineName\": \"j\", \"stepHandleKey\": null, "
		"\"solidHandleId\": null, \"stepKindValue\": null, \"loggingTags\": "
		"null, "
		"\"eventSpecificData\": \"{\\\"__class__\\\": \\\"EngineEventData\\\", "
		"\\\"error\\\": null, \\\"marker_end\\\": null, \\\"marker_start\\\": "
		"null, "
		"\\\"metadata_entries\\\": []}\", \"message\": \"[DagsterCloudAgent] "
		"hello "
		"\\\"you\\\"\", \"pid\": null, \"stepKey\": null}}}");
	dg_buf_reset(&b);
	dg_event_plain(&b, &f, "x", DG_STR("{\"e\": 1}"), 1700000000000000);
	cr_assert(strstr(b.p, "\"level\": 40") && strstr(b.p, "\"message\": \"x\"") &&
		  strstr(b.p, "{\\\"e\\\": 1}"));
	dg_buf_reset(&b);
	dg_event_canceling(&b, &f, 1700000000000000);
	cr_assert(strstr(b.p, "\"eventSpecificData\": null, \"message\": \"Sending run "
			      "termination request.\""));
	cr_assert_eq(dg_json_check(dg_buf_str(&b), 100, NULL), 0);
}

Test(runtext, tags_and_keys)
{
	auto_buf tags = DG_BUF_INIT, b = DG_BUF_INIT;
	char one[37], two[37];

	dg_tags_add(&tags, "a", "1");
	dg_tags_add(&tags, "b", "\"");
	dg_tags(&b, "r-1", dg_buf_str(&tags));
	cr_assert_str_eq(b.p, "{\"runId\": \"r-1\", \"jsonNewTags\": \"{\\\"a\\\": "
			      "\\\"1\\\", \\\"b\\\": "
			      "\\\"\\\\\\\"\\\"}\"}");
	dg_event_key(one, "r", "q", "x");
	dg_event_key(two, "r", "q", "x");
	cr_assert_str_eq(one, two);
	cr_assert_eq(strlen(one), 36);
	cr_assert_eq(one[14], '4');
	dg_event_key(two, "r", "q", "y");
	cr_assert_str_neq(one, two);
}

#define RECORD(status)                                                                   \
	"{\"data\": {\"runs\": {\"getRunRecords\": [{\"serializedPipelineRun\": "        \
	"\"{\\\"status\\\": {\\\"__enum__\\\": \\\"PipelineRunStatus." status            \
	"\\\"}}\"}]}}}"

Test(runtext, status)
{
	static const struct {
		const char *answer;
		enum dg_run_status status;
	} rows[] = {
		{RECORD("QUEUED"), DG_RUN_WAITING},
		{RECORD("STARTING"), DG_RUN_WAITING},
		{RECORD("STARTED"), DG_RUN_BEGUN},
		{RECORD("CANCELING"), DG_RUN_BEGUN},
		{RECORD("SUCCESS"), DG_RUN_FINISHED},
		{RECORD("CANCELED"), DG_RUN_FINISHED},
		{RECORD("FAILURE"), DG_RUN_FINISHED},
		{RECORD("NEW"), DG_RUN_UNKNOWN},
		{"{\"data\": {\"runs\": {\"getRunRecords\": []}}}", DG_RUN_NONE},
		{"{\"data\": {\"runs\": {\"getRunRecords\": [{}]}}}", DG_RUN_UNKNOWN},
		{"{\"data\": {\"runs\": {\"getRunRecords\": [{\"serializedPipelineRun\": "
		 "\"{\"}]}}}",
			DG_RUN_UNKNOWN},
		{"{\"errors\": []}", DG_RUN_UNKNOWN},
		{"", DG_RUN_UNKNOWN},
	};
	auto_buf q = DG_BUF_INIT;

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_eq(dg_run_status(dg_str(rows[i].answer)), rows[i].status,
			"row %zu", i);
	dg_run_query(&q, "r-1");
	cr_assert_eq(dg_json_check(dg_buf_str(&q), 100, NULL), 0);
}

Test(runtext, arguments)
{
	struct dg_run_facts f = facts(RUN(", \"external_pipeline_origin\": " ORIGIN
					  ", \"pipeline_code_origin\": {\"c\": 1, "
					  "\"repository_origin\": {\"executable_path\": "
					  "\"/py\", \"entry_point\": [\"d\", \"e\"]}}"));
	auto_buf b = DG_BUF_INIT;
	auto_strv argv = {0};

	dg_run_args(&b, &f, DG_STR("{\"ref\": 1}"));
	cr_assert_str_eq(b.p,
		"{\"__class__\": \"ExecuteRunArgs\", \"instance_ref\": {\"ref\": 1}, "
		"\"pipeline_origin\": {\"c\": 1, \"repository_origin\": "
		"{\"executable_path\": "
		"\"/py\", \"entry_point\": [\"d\", \"e\"]}}, \"pipeline_run_id\": "
		"\"r-1\", "
		"\"set_exit_code_on_failure\": null}");
	dg_buf_reset(&b);
	dg_start_run_args(&b, &f, DG_STR("{}"));
	cr_assert_str_eq(b.p,
		"{\"__class__\": \"ExecuteExternalPipelineArgs\", \"instance_ref\": {}, "
		"\"pipeline_origin\": " ORIGIN ", \"pipeline_run_id\": \"r-1\"}");
	dg_run_entry_point(&f, &argv);
	cr_assert_eq(argv.n, 2);
	cr_assert_str_eq(argv.v[1], "e");
	dg_run_facts_clear(&f);

	dg_strv_clear(&argv);
	f = facts(RUN(", \"pipeline_code_origin\": {\"repository_origin\": "
		      "{\"executable_path\": \"/py\", \"entry_point\": []}}"));
	dg_run_entry_point(&f, &argv);
	cr_assert_eq(argv.n, 3);
	cr_assert_str_eq(argv.v[0], "/py");
	cr_assert_str_eq(argv.v[2], "dagster");
	dg_run_facts_clear(&f);
	dg_strv_clear(&argv);
	f = facts(RUN(""));
	dg_run_entry_point(&f, &argv);
	cr_assert_str_eq(argv.v[0], "python");
	dg_buf_reset(&b);
	dg_start_run_args(&b, &f, DG_STR("{}"));
	cr_assert(strstr(b.p, "\"pipeline_origin\": null"));
}

Test(runtext, what_the_server_says)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_str e;

	cr_assert_eq(
		dg_run_is_current(DG_STR("{\"current_runs\": [\"a\", \"r\"]}"), "r"), 1);
	cr_assert_eq(dg_run_is_current(DG_STR("{\"current_runs\": []}"), "r"), 0);
	cr_assert_eq(dg_run_is_current(DG_STR("{\"current_runs\": null}"), "r"), -1);
	cr_assert_eq(dg_run_is_current(DG_STR("x"), "r"), -1);
	cr_assert(dg_start_run_result(DG_STR("{\"success\": true}"), &b, &e));
	cr_assert_not(dg_start_run_result(
		DG_STR("{\"success\": false, \"message\": \"no\"}"), &b, &e));
	cr_assert_str_eq(b.p, "no");
	dg_buf_reset(&b);
	cr_assert_not(
		dg_start_run_result(DG_STR("{\"success\": false, \"message\": null, "
					   "\"serializable_error_info\": {\"m\": 1}}"),
			&b, &e));
	cr_assert_eq(b.n, 0);
	cr_assert(dg_str_is(e, "{\"m\": 1}"));
	cr_assert_not(dg_start_run_result(DG_STR("{"), &b, &e));
}
