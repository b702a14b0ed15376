/* dagster/event.c: see event.h. */
#include "dagster/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/time.h"
#include "dagster/error.h"
#include "json/json.h"
#include "json/write.h"

#define LEVEL_INFO 20
#define LEVEL_ERROR 40

void
dg_agent_name(struct dg_buf *out, const char *agent_id, const char *label)
{
	dg_buf_addf(out, "Agent %.8s", agent_id);
	if (label && *label)
		dg_buf_addf(out, " (%s)", label);
}

/* EngineEventData with keys sorted, as text in a string. */
static void
engine_data(struct dg_jw *w, struct dg_str error)
{
	auto_buf b = DG_BUF_INIT;
	auto_buf cut = DG_BUF_INIT;
	struct dg_jw d = dg_jw(&b);

	if (error.n)
		dg_error_truncate(error, DG_ERROR_UPLOAD, &cut);
	dg_jw_open_object(&d);
	dg_jw_kstr(&d, "__class__", "EngineEventData");
	dg_jw_kraw(&d, "error", cut.n ? dg_buf_str(&cut) : DG_STR("null"));
	dg_jw_knull(&d, "marker_end");
	dg_jw_knull(&d, "marker_start");
	dg_jw_key(&d, "metadata_entries");
	dg_jw_open_array(&d);
	dg_jw_close_array(&d);
	dg_jw_close_object(&d);
	dg_jw_strn(w, dg_buf_str(&b));
}

/* The keys stand in the order in which the Python agent fills its dictionary. */
static void
record(struct dg_buf *out, const struct dg_dagster_run *r, const char *type,
	struct dg_str message, struct dg_str error, int64_t wall_usec)
{
	struct dg_jw w = dg_jw(out);
	char t[32];

	dg_jw_open_object(&w);
	dg_jw_key(&w, "eventRecord");
	dg_jw_open_object(&w);
	dg_jw_knull(&w, "errorInfo");
	dg_jw_kint(&w, "level", error.n ? LEVEL_ERROR : LEVEL_INFO);
	dg_jw_kstr(&w, "userMessage", "");
	dg_jw_kstr(&w, "runId", r->id);
	dg_jw_kraw(&w, "timestamp", dg_str(dg_wall_json(wall_usec, t)));
	dg_jw_knull(&w, "stepKey");
	dg_jw_kstr(&w, "pipelineName", r->job);
	dg_jw_key(&w, "dagsterEvent");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "eventTypeValue", type);
	dg_jw_kstr(&w, "pipelineName", r->job);
	dg_jw_knull(&w, "stepHandleKey");
	dg_jw_knull(&w, "solidHandleId");
	dg_jw_knull(&w, "stepKindValue");
	dg_jw_knull(&w, "loggingTags");
	dg_jw_key(&w, "eventSpecificData");
	if (strcmp(type, "ENGINE_EVENT") == 0)
		engine_data(&w, error);
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
dg_event_variables(struct dg_buf *out, enum dg_event what, const struct dg_dagster_run *r,
	struct dg_str agent, struct dg_str error, int64_t wall_usec)
{
	auto_buf text = DG_BUF_INIT;

	if (what != DG_EVENT_CALL_FAILED)
		dg_buf_adds(&text, "[DagsterCloudAgent] ");
	switch (what) {
	case DG_EVENT_CANCELING:
		record(out, r, "PIPELINE_CANCELING",
			DG_STR("Sending run termination request."), DG_STR_NULL,
			wall_usec);
		return;
	case DG_EVENT_LAUNCHING:
		dg_buf_addf(&text, "%.*s is launching run %s", DG_FMT(agent), r->id);
		break;
	case DG_EVENT_NOT_ISOLATED:
		dg_buf_addf(&text, "Launching %s without an isolated run environment.",
			r->id);
		break;
	case DG_EVENT_TERMINATE_ASKED:
		dg_buf_addf(
			&text, "%.*s received request to terminate run", DG_FMT(agent));
		break;
	case DG_EVENT_CANCEL_ASKED:
		dg_buf_addf(&text, "%.*s received request to mark run as canceling",
			DG_FMT(agent));
		break;
	case DG_EVENT_CALL_FAILED:
		dg_buf_adds(&text, "Unexpected error in IPC client");
		break;
	}
	record(out, r, "ENGINE_EVENT", dg_buf_str(&text), error, wall_usec);
}

void
dg_event_key(char out[37], enum dg_event what, const char *run_id, const char *request_id)
{
	static const char *const names[] = {
		[DG_EVENT_LAUNCHING] = "launching",
		[DG_EVENT_NOT_ISOLATED] = "not isolated",
		[DG_EVENT_TERMINATE_ASKED] = "terminating",
		[DG_EVENT_CANCEL_ASKED] = "marking",
		[DG_EVENT_CANCELING] = "canceling",
		[DG_EVENT_CALL_FAILED] = "ipc",
	};
	auto_free char *text =
		dg_xasprintf("%s\n%s\n%s", run_id, request_id, names[what]);
	unsigned char h[DG_SHA256_SIZE];
	char hex[33];

	dg_sha256(dg_str(text), h);
	h[6] = (unsigned char)((h[6] & 0x0f) | 0x40);
	h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
	dg_hex(h, 16, hex);
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
		hex + 20);
}

void
dg_tags_variables(struct dg_buf *out, const char *run_id, struct dg_str members)
{
	auto_buf tags = DG_BUF_INIT;
	struct dg_jw w = dg_jw(out);

	dg_buf_addc(&tags, '{');
	dg_buf_addstr(&tags, members);
	dg_buf_addc(&tags, '}');
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "runId", run_id);
	dg_jw_key(&w, "jsonNewTags");
	dg_jw_strn(&w, dg_buf_str(&tags));
	dg_jw_close_object(&w);
}

/* With a comma before it where there is one already. */
static void
add_tag(struct dg_buf *members, const char *key, struct dg_str value)
{
	if (members->n)
		dg_buf_adds(members, ", ");
	dg_json_add_str(members, dg_str(key));
	dg_buf_adds(members, ": ");
	dg_json_add_str(members, value);
}

void
dg_tags_agent(struct dg_buf *members, const char *agent_id, const char *label)
{
	if (label && *label)
		add_tag(members, "dagster/agent_label", dg_str(label));
	add_tag(members, "dagster/agent_id", dg_str(agent_id));
}

void
dg_tags_server_handle(struct dg_buf *members, const char *handle)
{
	add_tag(members, ".dagster/server_handle", dg_str(handle));
}

void
dg_tags_grpc_info(struct dg_buf *members, const char *endpoint)
{
	const char *colon = strrchr(endpoint, ':');
	auto_buf host = DG_BUF_INIT;
	auto_buf info = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&info);

	dg_jw_open_object(&w);
	if (strncmp(endpoint, "unix:", 5) == 0) {
		dg_jw_kstr(&w, "host", "localhost");
		dg_jw_kstr(&w, "socket", endpoint + 5);
	} else {
		dg_buf_add(&host, endpoint,
			colon ? (size_t)(colon - endpoint) : strlen(endpoint));
		dg_jw_key(&w, "host");
		dg_jw_strn(&w, dg_buf_str(&host));
		dg_jw_kint(&w, "port", colon ? atoi(colon + 1) : 0);
	}
	dg_jw_close_object(&w);
	add_tag(members, ".dagster/grpc_info", dg_buf_str(&info));
}

void
dg_run_records_variables(struct dg_buf *out, const char *run_id)
{
	static const char *const nulls[] = {"snapshotId", "updatedAfter", "updatedBefore",
		"createdAfter", "createdBefore"};
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_key(&w, "filters");
	dg_jw_open_object(&w);
	dg_jw_key(&w, "runIds");
	dg_jw_open_array(&w);
	dg_jw_str(&w, run_id);
	dg_jw_close_array(&w);
	dg_jw_knull(&w, "pipelineName");
	dg_jw_kraw(&w, "statuses", DG_STR("[]"));
	dg_jw_kraw(&w, "tags", DG_STR("[]"));
	for (size_t i = 0; i < DG_N(nulls); i++)
		dg_jw_knull(&w, nulls[i]);
	dg_jw_close_object(&w);
	dg_jw_kint(&w, "limit", 1);
	dg_jw_knull(&w, "orderBy");
	dg_jw_kbool(&w, "ascending", false);
	dg_jw_knull(&w, "cursor");
	dg_jw_knull(&w, "bucketBy");
	dg_jw_close_object(&w);
}

enum dg_run_status
dg_run_records_status(struct dg_str body)
{
	struct dg_dagster_run r = {0};
	enum dg_run_status status = DG_RUN_UNKNOWN;
	auto_buf text = DG_BUF_INIT;
	struct dg_str list, item;
	struct dg_json_iter it;

	if (dg_json_check(body, DG_JSON_DEPTH_MAX, NULL) < 0 ||
		!dg_json_path(body, &list, "data", "runs", "getRunRecords", NULL) ||
		dg_json_type(list) != DG_JSON_ARRAY)
		return DG_RUN_UNKNOWN;
	it = dg_json_iter(list);
	if (!dg_json_next_item(&it, &item))
		return DG_RUN_NONE;
	if (dg_json_member(item, "serializedPipelineRun", &item) &&
		dg_json_decode(item, &text) &&
		dg_run_parse(dg_buf_str(&text), &r, NULL) == 0)
		status = r.status;
	dg_run_clear(&r);
	return status;
}
