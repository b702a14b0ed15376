/* reporter/heartbeat.c: see heartbeat.h. Keys are sorted, as the Python agent's are. */
#include "reporter/heartbeat.h"

#include "base/mem.h"
#include "daglet/limits.h"
#include "dagster/error.h"
#include "json/json.h"
#include "json/write.h"

/* The value of KEY as it stands; null when it is missing. */
static void
copy(struct dg_jw *w, const char *as, struct dg_str row, const char *key)
{
	struct dg_str v;

	if (!dg_json_member(row, key, &v))
		v = DG_STR("null");
	dg_jw_kraw(w, as, v);
}

static void
add_enum(struct dg_jw *w, const char *key, const char *class, struct dg_str row)
{
	auto_free char *value = dg_json_member_dup(row, "status");
	auto_free char *text = dg_xasprintf("%s.%s", class, value ? value : "");

	dg_jw_key(w, key);
	dg_jw_open_object(w);
	dg_jw_kstr(w, "__enum__", text);
	dg_jw_close_object(w);
}

static void
add_server(const struct dg_heartbeat *h, struct dg_jw *w, struct dg_str row)
{
	struct dg_str error, metrics;
	auto_free char *status = dg_json_member_dup(row, "status");
	bool failed = status && dg_str_is(DG_STR("FAILED"), status);

	dg_jw_open_object(w);
	dg_jw_kstr(w, "__class__", "CloudCodeServerHeartbeat");
	dg_jw_key(w, "error");
	if (failed && !h->small && dg_json_member(row, "error", &error) &&
		dg_error_is(error)) {
		dg_jw_place(w);
		dg_error_truncate(error, h->server_error_limit, 2, w->b);
	} else {
		dg_jw_null(w);
	}
	copy(w, "location_name", row, "location");
	dg_jw_key(w, "metadata");
	dg_jw_open_object(w);
	if (!h->small && dg_json_member(row, "metrics", &metrics) &&
		dg_json_type(metrics) == DG_JSON_OBJECT)
		dg_jw_kraw(w, "utilization_metrics", metrics);
	dg_jw_close_object(w);
	add_enum(w, "server_status", "CloudCodeServerStatus", row);
	dg_jw_close_object(w);
}

/* The first LIMIT characters. */
static void
add_message(const struct dg_heartbeat *h, struct dg_jw *w, struct dg_str row)
{
	auto_buf text = DG_BUF_INIT;
	struct dg_str v, s;
	uint32_t cp;
	size_t n, chars = 0, at = 0;

	dg_jw_key(w, "message");
	if (h->small) {
		dg_jw_str(w, "");
		return;
	}
	if (!dg_json_member(row, "message", &v) || !dg_json_decode(v, &text)) {
		dg_jw_null(w);
		return;
	}
	s = dg_buf_str(&text);
	while (at < s.n && chars < h->message_limit) {
		n = dg_utf8_decode(dg_strn(s.p + at, s.n - at), &cp);
		at += n ? n : 1;
		chars++;
	}
	dg_jw_strn(w, dg_strn(s.p, at));
}

static void
add_run(const struct dg_heartbeat *h, struct dg_jw *w, const char *run_id,
	struct dg_str row)
{
	bool transient = false;

	(void)dg_json_member_bool(row, "transient", &transient);
	dg_jw_open_object(w);
	dg_jw_kstr(w, "__class__", "CloudRunWorkerStatus");
	add_message(h, w, row);
	dg_jw_kstr(w, "run_id", run_id);
	dg_jw_knull(w, "run_worker_id");
	add_enum(w, "status_type", "WorkerStatus", row);
	dg_jw_kbool(w, "transient", transient);
	dg_jw_close_object(w);
}

static bool
is_of(struct dg_str row, struct dg_str deployment)
{
	auto_free char *name = dg_json_member_dup(row, "deployment");

	return name && dg_str_is(deployment, name);
}

static void
add_statuses(const struct dg_heartbeat *h, struct dg_jw *w, struct dg_str deployment)
{
	bool supported = false;

	(void)dg_json_member_bool(dg_view_launcher(h->view), "supported", &supported);
	dg_jw_key(w, "run_worker_statuses");
	dg_jw_open_object(w);
	dg_jw_kstr(w, "__class__", "CloudRunWorkerStatuses");
	dg_jw_kbool(w, "run_worker_monitoring_supported", supported);
	dg_jw_key(w, "run_worker_monitoring_thread_alive");
	if (supported)
		dg_jw_bool(w, true);
	else
		dg_jw_null(w);
	dg_jw_key(w, "statuses");
	dg_jw_open_array(w);
	if (supported)
		DG_MAP_EACH(&h->view->rows[DG_STATE_RUN], s)
		{
			const struct dg_view_row *row = s->value;

			if (is_of(dg_buf_str(&row->body), deployment))
				add_run(h, w, s->key, dg_buf_str(&row->body));
		}
	dg_jw_close_array(w);
	dg_jw_close_object(w);
}

static void
add_metadata(const struct dg_heartbeat *h, struct dg_jw *w)
{
	dg_jw_key(w, "metadata");
	dg_jw_open_object(w);
	dg_jw_kraw(w, "allowed_branch_deployment_locations", h->allowed_branch);
	dg_jw_kraw(w, "allowed_full_deployment_locations", h->allowed_full);
	if (h->image_tag && *h->image_tag)
		dg_jw_kstr(w, "image_tag", h->image_tag);
	if (!h->small)
		dg_jw_kraw(w, "utilization_metrics", h->utilization);
	dg_jw_kstr(w, "version", DG_PROTOCOL_RELEASE);
	dg_jw_close_object(w);
}

static void
add_heartbeat(const struct dg_heartbeat *h, struct dg_str deployment, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);
	char stamp[32];

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "AgentHeartbeat");
	dg_jw_kstr(&w, "agent_id", h->agent_id);
	dg_jw_kstr(&w, "agent_label", h->agent_label);
	dg_jw_kraw(&w, "agent_queues_config", h->queues);
	dg_jw_kstr(&w, "agent_type", h->agent_type);
	dg_jw_key(&w, "code_server_heartbeats");
	dg_jw_open_array(&w);
	DG_MAP_EACH(&h->view->rows[DG_STATE_LOCATION], s)
	{
		const struct dg_view_row *row = s->value;

		if (is_of(dg_buf_str(&row->body), deployment))
			add_server(h, &w, dg_buf_str(&row->body));
	}
	dg_jw_close_array(&w);
	dg_jw_kraw(&w, "errors", h->small ? DG_STR("[]") : DG_STR("null"));
	add_metadata(h, &w);
	add_statuses(h, &w, deployment);
	dg_jw_kraw(&w, "timestamp", dg_str(dg_wall_json(h->wall, stamp)));
	dg_jw_close_object(&w);
}

/* After a refusal the only error is that there were too many; its numbers are those that
 * the Python agent gives (two dictionary keys per heartbeat). */
static void
add_too_large(const struct dg_heartbeat *h, struct dg_jw *w, size_t chars)
{
	auto_buf error = DG_BUF_INIT, stamped = DG_BUF_INIT;
	auto_free char *text = dg_xasprintf(
		"Request with %zu heartbeat bytes and %zu error bytes was too large, "
		"submitting a smaller heartbeat without messages and stack traces.",
		2 * dg_map_count(&h->view->rows[DG_STATE_DEPLOYMENT]), chars);

	dg_error_add_plain(&error, dg_str(text));
	dg_error_add_timestamped(&stamped, dg_buf_str(&error), h->wall);
	dg_jw_open_array(w);
	dg_jw_strn(w, dg_buf_str(&stamped));
	dg_jw_close_array(w);
}

void
dg_heartbeat_variables(const struct dg_heartbeat *h, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);
	auto_buf errors = DG_BUF_INIT;
	size_t chars;

	dg_jw_open_object(&w);
	dg_jw_key(&w, "serializedAgentHeartbeats");
	dg_jw_open_array(&w);
	DG_MAP_EACH(&h->view->rows[DG_STATE_DEPLOYMENT], s)
	{
		auto_buf one = DG_BUF_INIT;

		add_heartbeat(h, dg_strn(s->key, s->n), &one);
		dg_jw_open_object(&w);
		dg_jw_key(&w, "deploymentName");
		dg_jw_strn(&w, dg_strn(s->key, s->n));
		dg_jw_key(&w, "serializedAgentHeartbeat");
		dg_jw_strn(&w, dg_buf_str(&one));
		dg_jw_close_object(&w);
	}
	dg_jw_close_array(&w);
	dg_jw_key(&w, "serializedErrors");
	dg_troubles_json(h->troubles, h->wall, &errors, &chars);
	if (h->small)
		add_too_large(h, &w, chars);
	else
		dg_jw_raw(&w, dg_buf_str(&errors));
	dg_jw_close_object(&w);
}
