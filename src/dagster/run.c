/* dagster/run.c: see run.h. */
#include "dagster/run.h"

#include <stdlib.h>

#include "base/mem.h"
#include "dagster/error.h"
#include "dagster/metadata.h"
#include "dagster/squeeze.h"
#include "json/json.h"
#include "json/write.h"

#define ARGS_ENV "DAGSTER_EXECUTE_RUN_ARGS"
#define ARGS_ENV_COMPRESSED "DAGSTER_COMPRESSED_EXECUTE_RUN_ARGS"
/* The kernel takes no single string of 128 KiB; the variable's name belongs to it. */
#define ENV_STRING_MAX (128 * 1024 - 64)

bool
dg_run_id_valid(struct dg_str id)
{
	if (!id.n || id.n > DG_RUN_ID_MAX || id.p[0] == '-')
		return false;
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return true;
}

void
dg_run_clear(struct dg_dagster_run *r)
{
	free(r->text);
	free(r->id);
	free(r->job);
	free(r->location);
	*r = (struct dg_dagster_run){0};
}

static struct dg_str
object(struct dg_str from, const char *key)
{
	struct dg_str v;

	if (!dg_json_member(from, key, &v) || dg_json_type(v) != DG_JSON_OBJECT)
		return DG_STR_NULL;
	return v;
}

static enum dg_run_status
read_status(struct dg_str run)
{
	static const struct {
		const char *name;
		enum dg_run_status status;
	} table[] = {
		{"QUEUED", DG_RUN_WAITING},
		{"NOT_STARTED", DG_RUN_WAITING},
		{"MANAGED", DG_RUN_WAITING},
		{"STARTING", DG_RUN_WAITING},
		{"STARTED", DG_RUN_BEGUN},
		{"CANCELING", DG_RUN_BEGUN},
		{"SUCCESS", DG_RUN_FINISHED},
		{"FAILURE", DG_RUN_FINISHED},
		{"CANCELED", DG_RUN_FINISHED},
	};
	auto_free char *name = NULL;
	const char *dot;

	if (!dg_json_path(run, &run, "status", "__enum__", NULL) ||
		!(name = dg_json_dup(run)))
		return DG_RUN_UNKNOWN;
	dot = strrchr(name, '.');
	for (size_t i = 0; i < DG_N(table); i++)
		if (strcmp(dot ? dot + 1 : name, table[i].name) == 0)
			return table[i].status;
	return DG_RUN_UNKNOWN;
}

static int
read_run(struct dg_dagster_run *r, struct dg_err *e)
{
	struct dg_str run = dg_json_trim(dg_str(r->text)), v;

	if (dg_json_type(run) != DG_JSON_OBJECT ||
		!dg_json_member(run, "__class__", &v) ||
		!(dg_json_is(v, "PipelineRun") || dg_json_is(v, "DagsterRun")))
		return dg_fail(e, DG_USER, 0, "it is no PipelineRun");
	r->id = dg_json_member_dup(run, "run_id");
	if (!r->id || !dg_run_id_valid(dg_str(r->id)))
		return dg_fail(e, DG_USER, 0, "its run_id '%.120s' is not usable",
			r->id ? r->id : "");
	r->job = dg_json_member_dup(run, "pipeline_name");
	if (!r->job)
		return dg_fail(e, DG_USER, 0, "it has no pipeline_name");
	r->status = read_status(run);
	r->isolated = !dg_json_path(run, &v, "tags", "dagster/isolation", NULL) ||
		      !dg_json_is(v, "disabled");
	r->code_origin = object(run, "pipeline_code_origin");
	r->repository = object(r->code_origin, "repository_origin");
	r->remote_origin = object(run, "external_pipeline_origin");
	if (dg_json_path(r->remote_origin, &v, "external_repository_origin",
		    "repository_location_origin", "location_name", NULL))
		r->location = dg_json_dup(v);
	return 0;
}

int
dg_run_parse(struct dg_str text, struct dg_dagster_run *r, struct dg_err *e)
{
	int rc = dg_json_check(text, DG_JSON_DEPTH_MAX, e);

	*r = (struct dg_dagster_run){0};
	if (rc < 0)
		return rc;
	r->text = dg_str_dup(text);
	rc = read_run(r, e);
	if (rc < 0)
		dg_run_clear(r);
	return rc;
}

int
dg_run_of_args(struct dg_str args, struct dg_dagster_run *r, struct dg_err *e)
{
	struct dg_str run;

	*r = (struct dg_dagster_run){0};
	if (!dg_json_member(args, "pipeline_run", &run))
		return dg_fail(e, DG_USER, 0, "the arguments hold no pipeline_run");
	return dg_run_parse(run, r, e) < 0 ? dg_err_wrap(e, "pipeline_run") : 0;
}

bool
dg_run_args_in_env(struct dg_str versions)
{
	auto_free char *v = dg_json_member_dup(versions, "dagster");
	unsigned long n[3] = {0, 0, 0};
	char *p = v;

	if (!v)
		return false;
	for (size_t i = 0; i < DG_N(n) && *p >= '0' && *p <= '9'; i++) {
		n[i] = strtoul(p, &p, 10);
		p += *p == '.';
	}
	if (n[0] != 1)
		return n[0] > 1;
	return n[1] > 12 || (n[1] == 12 && n[2] >= 7);
}

static void
execute_run_args(const struct dg_dagster_run *r, struct dg_str ref, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "ExecuteRunArgs");
	dg_jw_kraw(&w, "instance_ref", ref);
	dg_jw_kraw(&w, "pipeline_origin", r->code_origin);
	dg_jw_kstr(&w, "pipeline_run_id", r->id);
	dg_jw_knull(&w, "set_exit_code_on_failure");
	dg_jw_close_object(&w);
}

/* entry_point, or [executable_path, "-m", "dagster"]. */
static int
entry_point(struct dg_str repository, struct dg_strv *argv, struct dg_err *e)
{
	struct dg_str list, item;
	struct dg_json_iter it;
	auto_free char *python = NULL;

	if (dg_json_member(repository, "entry_point", &list) && dg_json_count(list)) {
		for (it = dg_json_iter(list); dg_json_next_item(&it, &item);) {
			auto_free char *word = dg_json_dup(item);

			if (!word)
				return dg_fail(e, DG_USER, 0,
					"entry_point holds something that is no string");
			dg_strv_add(argv, word);
		}
		return 0;
	}
	python = dg_json_member_dup(repository, "executable_path");
	if (!python || !*python)
		return dg_fail(e, DG_USER, 0,
			"the run's origin has neither entry_point nor executable_path");
	dg_strv_add(argv, python);
	dg_strv_add(argv, "-m");
	dg_strv_add(argv, "dagster");
	return 0;
}

int
dg_run_worker(const struct dg_dagster_run *r, struct dg_str ref, bool in_env,
	const char *(*get)(void *arg, const char *name), void *arg, struct dg_strv *argv,
	struct dg_strv *env, struct dg_err *e)
{
	auto_buf args = DG_BUF_INIT;
	auto_buf packed = DG_BUF_INIT;
	int rc;

	if (!r->repository.n)
		return dg_fail(e, DG_USER, 0,
			"the run has no pipeline_code_origin: its code cannot be found");
	rc = entry_point(r->repository, argv, e);
	if (rc < 0)
		return rc;
	rc = dg_context_env_vars(
		object(r->repository, "container_context"), get, arg, env, e);
	if (rc < 0)
		return rc;
	execute_run_args(r, ref, &args);
	dg_strv_add(argv, "api");
	dg_strv_add(argv, "execute_run");
	if (!in_env)
		dg_strv_add(argv, args.p);
	else if (args.n < ENV_STRING_MAX)
		dg_strv_put(env, DG_STR(ARGS_ENV), dg_buf_str(&args));
	else {
		dg_squeeze_base64(dg_buf_str(&args), &packed);
		dg_strv_put(env, DG_STR(ARGS_ENV_COMPRESSED), dg_buf_str(&packed));
	}
	return 0;
}

int
dg_run_start_args(const struct dg_dagster_run *r, struct dg_str ref, struct dg_buf *out,
	struct dg_err *e)
{
	struct dg_jw w = dg_jw(out);

	if (!r->remote_origin.n)
		return dg_fail(e, DG_USER, 0,
			"the run has no external_pipeline_origin: its location is "
			"unknown");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "ExecuteExternalPipelineArgs");
	dg_jw_kraw(&w, "instance_ref", ref);
	dg_jw_kraw(&w, "pipeline_origin", r->remote_origin);
	dg_jw_kstr(&w, "pipeline_run_id", r->id);
	dg_jw_close_object(&w);
	return 0;
}

void
dg_run_cancel_args(const char *run_id, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "CancelExecutionRequest");
	dg_jw_kstr(&w, "run_id", run_id);
	dg_jw_close_object(&w);
}

int
dg_run_result_parse(struct dg_str text, struct dg_run_result *res, struct dg_err *e)
{
	int rc = dg_json_check(text, DG_JSON_DEPTH_MAX, e);
	struct dg_str v;

	*res = (struct dg_run_result){0};
	if (rc < 0)
		return dg_err_wrap(e, "the code server's answer");
	if (dg_error_is(text)) {
		res->error = dg_json_trim(text);
		return 0;
	}
	if (!dg_json_member_bool(text, "success", &res->success))
		return dg_fail(e, DG_USER, 0,
			"the code server's answer does not say whether it succeeded");
	if (dg_json_member(text, "message", &v) && dg_json_type(v) == DG_JSON_STRING)
		res->message = v;
	if (dg_json_member(text, "serializable_error_info", &v) && dg_error_is(v))
		res->error = v;
	return 0;
}

void
dg_run_result_error(const struct dg_run_result *res, struct dg_buf *out)
{
	auto_buf text = DG_BUF_INIT;

	if (res->message.n)
		(void)dg_json_decode(res->message, &text);
	else if (res->error.n)
		dg_error_line(res->error, 4096, &text);
	else
		dg_buf_adds(&text, "None");
	dg_error_add(out, DG_CLS_LAUNCH_FAILED, dg_buf_str(&text), res->error);
}

int
dg_run_listed(struct dg_str text, const char *run_id, bool *listed, struct dg_err *e)
{
	int rc = dg_json_check(text, DG_JSON_DEPTH_MAX, e);
	struct dg_str list, item;
	struct dg_json_iter it;

	if (rc < 0)
		return dg_err_wrap(e, "the code server's list of runs");
	if (!dg_json_member(text, "current_runs", &list) ||
		dg_json_type(list) != DG_JSON_ARRAY)
		return dg_fail(e, DG_USER, 0, "the code server's list of runs is none");
	*listed = false;
	for (it = dg_json_iter(list); dg_json_next_item(&it, &item);)
		*listed = *listed || dg_json_is(item, run_id);
	return 0;
}
