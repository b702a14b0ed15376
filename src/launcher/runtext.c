/* launcher/runtext.c: see runtext.h. */
#include "launcher/runtext.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/time.h"
#include "json/json.h"
#include "json/write.h"

static bool
valid_id(struct dg_str s)
{
	if (s.n == 0 || s.n > 128)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			!(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

static bool
has(struct dg_str object, const char *key, struct dg_str *ret)
{
	if (dg_json_member(object, key, ret) && !dg_json_is_null(*ret))
		return true;
	*ret = DG_STR_NULL;
	return false;
}

int
dg_run_facts(struct dg_str body, struct dg_run_facts *ret, struct dg_err *e)
{
	struct dg_str run, id, tags, iso, loc;
	auto_free char *text = NULL;

	*ret = (struct dg_run_facts){.isolated = true};
	if (!dg_json_path(body, &run, "request_args", "pipeline_run", NULL) &&
		!dg_json_path(body, &run, "request_args", "dagster_run", NULL))
		return dg_fail(e, DG_USER, 0, "the request names no run");
	if (!dg_json_member(run, "run_id", &id) || !(text = dg_json_dup(id)) ||
		!valid_id(dg_str(text)))
		return dg_fail(e, DG_USER, 0, "the request's run id is none: %.*s",
			(int)(id.n < 80 ? id.n : 80), id.p ? id.p : "");
	snprintf(ret->run_id, sizeof(ret->run_id), "%s", text);
	if (!has(run, "pipeline_name", &ret->job) && !has(run, "job_name", &ret->job))
		ret->job = DG_STR("null");
	has(run, "external_pipeline_origin", &ret->origin);
	has(run, "pipeline_code_origin", &ret->code);
	if (dg_json_member(run, "tags", &tags) &&
		dg_json_member(tags, "dagster/isolation", &iso))
		ret->isolated = !dg_json_is(iso, "disabled");
	if (ret->origin.p && dg_json_path(ret->origin, &loc, "external_repository_origin",
				     "repository_location_origin", "location_name", NULL))
		ret->location = dg_json_dup(loc);
	if (!ret->code.p || !has(ret->code, "repository_origin", &ret->repository))
		ret->repository = DG_STR("{}");
	has(ret->repository, "container_context", &ret->context);
	return 0;
}

void
dg_run_facts_clear(struct dg_run_facts *f)
{
	free(f->location);
	f->location = NULL;
}

static void
event(struct dg_buf *out, const struct dg_run_facts *f, const char *type,
	struct dg_str message, struct dg_str specific, int level, int64_t wall)
{
	struct dg_jw w = dg_jw(out);
	char t[32];

	dg_jw_open_object(&w);
	dg_jw_key(&w, "eventRecord");
	dg_jw_open_object(&w);
	dg_jw_knull(&w, "errorInfo");
	dg_jw_kint(&w, "level", level);
	dg_jw_kstr(&w, "userMessage", "");
	dg_jw_kstr(&w, "runId", f->run_id);
	dg_jw_kraw(&w, "timestamp", dg_str(dg_wall_json(wall, t)));
	dg_jw_knull(&w, "stepKey");
	dg_jw_kraw(&w, "pipelineName", f->job);
	dg_jw_key(&w, "dagsterEvent");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "eventTypeValue", type);
	dg_jw_kraw(&w, "pipelineName", f->job);
	dg_jw_knull(&w, "stepHandleKey");
	dg_jw_knull(&w, "solidHandleId");
	dg_jw_knull(&w, "stepKindValue");
	dg_jw_knull(&w, "loggingTags");
	dg_jw_key(&w, "eventSpecificData");
	if (specific.p)
		dg_jw_strn(&w, specific);
	else
		dg_jw_null(&w);
	dg_jw_key(&w, "message");
	dg_jw_strn(&w, message);
	dg_jw_knull(&w, "pid");
	dg_jw_knull(&w, "stepKey");
	dg_jw_close_object(&w);
	dg_jw_close_object(&w);
	dg_jw_close_object(&w);
}

void
dg_event_plain(struct dg_buf *out, const struct dg_run_facts *f, const char *message,
	struct dg_str error, int64_t wall)
{
	auto_buf specific = DG_BUF_INIT;

	dg_buf_addf(&specific,
		"{\"__class__\": \"EngineEventData\", \"error\": %.*s, \"marker_end\": "
		"null, "
		"\"marker_start\": null, \"metadata_entries\": []}",
		DG_FMT(error.n ? error : DG_STR("null")));
	event(out, f, "ENGINE_EVENT", dg_str(message), dg_buf_str(&specific),
		error.n ? 40 : 20, wall);
}

void
dg_event_engine(struct dg_buf *out, const struct dg_run_facts *f, const char *message,
	struct dg_str error, int64_t wall)
{
	auto_free char *text = dg_xasprintf("[DagsterCloudAgent] %s", message);

	dg_event_plain(out, f, text, error, wall);
}

void
dg_event_canceling(struct dg_buf *out, const struct dg_run_facts *f, int64_t wall)
{
	event(out, f, "PIPELINE_CANCELING", DG_STR("Sending run termination request."),
		DG_STR_NULL, 20, wall);
}

void
dg_tags_add(struct dg_buf *out, const char *key, const char *value)
{
	if (out->n)
		dg_buf_adds(out, ", ");
	dg_json_add_str(out, dg_str(key));
	dg_buf_adds(out, ": ");
	dg_json_add_str(out, dg_str(value));
}

void
dg_tags(struct dg_buf *out, const char *run_id, struct dg_str members)
{
	auto_buf text = DG_BUF_INIT;
	struct dg_jw w = dg_jw(out);

	dg_buf_addc(&text, '{');
	dg_buf_addstr(&text, members);
	dg_buf_addc(&text, '}');
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "runId", run_id);
	dg_jw_key(&w, "jsonNewTags");
	dg_jw_strn(&w, dg_buf_str(&text));
	dg_jw_close_object(&w);
}

void
dg_run_query(struct dg_buf *out, const char *run_id)
{
	dg_buf_adds(out, "{\"filters\": {\"runIds\": [");
	dg_json_add_str(out, dg_str(run_id));
	dg_buf_adds(out,
		"], \"pipelineName\": null, \"statuses\": [], \"tags\": [], "
		"\"snapshotId\": null, \"updatedAfter\": null, \"updatedBefore\": null, "
		"\"createdAfter\": null, \"createdBefore\": null}, \"limit\": 1, "
		"\"orderBy\": null, \"ascending\": false, \"cursor\": null, "
		"\"bucketBy\": null}");
}

enum dg_run_status
dg_run_status(struct dg_str answer)
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
	struct dg_str list, rec, text, status;
	struct dg_json_iter it;
	auto_free char *run = NULL, *name = NULL;
	const char *dot;

	if (!dg_json_path(answer, &list, "data", "runs", "getRunRecords", NULL) ||
		dg_json_type(list) != DG_JSON_ARRAY)
		return DG_RUN_UNKNOWN;
	it = dg_json_iter(list);
	if (!dg_json_next_item(&it, &rec))
		return DG_RUN_NONE;
	if (!dg_json_member(rec, "serializedPipelineRun", &text) ||
		!(run = dg_json_dup(text)) ||
		dg_json_check(dg_str(run), DG_JSON_DEPTH_MAX, NULL) < 0 ||
		!dg_json_path(dg_str(run), &status, "status", "__enum__", NULL) ||
		!(name = dg_json_dup(status)))
		return DG_RUN_UNKNOWN;
	dot = strrchr(name, '.');
	for (size_t i = 0; i < DG_N(table); i++)
		if (strcmp(dot ? dot + 1 : name, table[i].name) == 0)
			return table[i].status;
	return DG_RUN_UNKNOWN;
}

void
dg_event_key(char out[37], const char *run_id, const char *request_id, const char *what)
{
	auto_free char *text = dg_xasprintf("%s\n%s\n%s", run_id, request_id, what);
	unsigned char h[EVP_MAX_MD_SIZE];
	unsigned n;
	char hex[33];

	EVP_Digest(text, strlen(text), h, &n, EVP_sha256(), NULL);
	h[6] = (unsigned char)((h[6] & 0x0f) | 0x40);
	h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
	dg_hex(h, 16, hex);
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
		hex + 20);
}

void
dg_run_args(struct dg_buf *out, const struct dg_run_facts *f, struct dg_str ref)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "ExecuteRunArgs");
	dg_jw_kraw(&w, "instance_ref", ref);
	dg_jw_kraw(&w, "pipeline_origin", f->code);
	dg_jw_kstr(&w, "pipeline_run_id", f->run_id);
	dg_jw_knull(&w, "set_exit_code_on_failure");
	dg_jw_close_object(&w);
}

void
dg_start_run_args(struct dg_buf *out, const struct dg_run_facts *f, struct dg_str ref)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "ExecuteExternalPipelineArgs");
	dg_jw_kraw(&w, "instance_ref", ref);
	dg_jw_kraw(&w, "pipeline_origin", f->origin.p ? f->origin : DG_STR("null"));
	dg_jw_kstr(&w, "pipeline_run_id", f->run_id);
	dg_jw_close_object(&w);
}

void
dg_run_entry_point(const struct dg_run_facts *f, struct dg_strv *argv)
{
	struct dg_str entry, item;
	struct dg_json_iter it;
	auto_free char *exe = NULL;

	if (has(f->repository, "entry_point", &entry)) {
		it = dg_json_iter(entry);
		while (dg_json_next_item(&it, &item)) {
			auto_free char *s = dg_json_dup(item);

			if (s)
				dg_strv_add(argv, s);
		}
	}
	if (argv->n)
		return;
	exe = dg_json_member_dup(f->repository, "executable_path");
	dg_strv_add(argv, exe ? exe : "python");
	dg_strv_add(argv, "-m");
	dg_strv_add(argv, "dagster");
}

int
dg_run_is_current(struct dg_str result, const char *run_id)
{
	struct dg_str list, item;
	struct dg_json_iter it;

	if (dg_json_check(result, DG_JSON_DEPTH_MAX, NULL) < 0 ||
		!dg_json_member(result, "current_runs", &list) ||
		dg_json_type(list) != DG_JSON_ARRAY)
		return -1;
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &item))
		if (dg_json_is(item, run_id))
			return 1;
	return 0;
}

bool
dg_start_run_result(struct dg_str result, struct dg_buf *message, struct dg_str *error)
{
	struct dg_str v;
	bool ok = false;

	*error = DG_STR_NULL;
	if (dg_json_check(result, DG_JSON_DEPTH_MAX, NULL) < 0) {
		dg_buf_adds(message, "the code server's answer to StartRun is not JSON");
		return false;
	}
	dg_json_member_bool(result, "success", &ok);
	if (ok)
		return true;
	if (has(result, "message", &v))
		dg_json_decode(v, message);
	has(result, "serializable_error_info", error);
	return false;
}
