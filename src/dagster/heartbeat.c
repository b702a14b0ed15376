/* dagster/heartbeat.c: see heartbeat.h. */
#include "dagster/heartbeat.h"

#include <math.h>

#include "base/time.h"
#include "dagster/error.h"
#include "json/json.h"
#include "json/splice.h"
#include "json/write.h"

#define WORKER_MESSAGE_MAX 1000

#define CONTAINER_NONE                                                                   \
	"\"container_utilization\": {\"cgroup_version\": null, "                         \
	"\"cpu_cfs_period_us\": null, \"cpu_cfs_quota_us\": null, "                      \
	"\"cpu_usage\": null, \"measurement_timestamp\": null, "                         \
	"\"memory_limit\": null, \"memory_usage\": null, "                               \
	"\"num_allocated_cores\": null, \"previous_cpu_usage\": null, "                  \
	"\"previous_measurement_timestamp\": null}"
#define REQUESTS_NONE                                                                    \
	"\"request_utilization\": {\"max_concurrent_requests\": null, "                  \
	"\"num_queued_requests\": null, \"num_running_requests\": null}, "               \
	"\"resource_limits\": {}}"

const char dg_server_metrics_none[] =
	"{" CONTAINER_NONE ", \"per_api_metrics\": {}, " REQUESTS_NONE;
const char dg_agent_metrics_none[] = "{" CONTAINER_NONE ", " REQUESTS_NONE;

/* *OUT becomes a copy with one member more. */
static void
set(struct dg_buf *cur, const char *key, struct dg_str value)
{
	struct dg_buf next = DG_BUF_INIT;

	if (dg_json_splice(dg_buf_str(cur), key, value, &next)) {
		dg_buf_clear(cur);
		*cur = next;
	}
}

bool
dg_server_metrics(struct dg_buf *out, struct dg_str metrics, struct dg_str fresh,
	struct dg_str limits)
{
	auto_buf cur = DG_BUF_INIT;
	struct dg_str key, value;
	bool good = !fresh.n || dg_json_check(fresh, DG_JSON_DEPTH_MAX, NULL) == 0;

	dg_buf_addstr(&cur, metrics);
	if (good && fresh.n) {
		struct dg_json_iter it = dg_json_iter(dg_json_trim(fresh));

		while (dg_json_next_member(&it, &key, &value)) {
			auto_buf name = DG_BUF_INIT;

			(void)dg_json_decode(key, &name);
			if (name.n && !memchr(name.p, 0, name.n))
				set(&cur, name.p, value);
		}
	}
	if (limits.n)
		set(&cur, "resource_limits", limits);
	dg_buf_addstr(out, dg_buf_str(&cur));
	return good;
}

static int64_t
request_number(struct dg_str metrics, const char *key)
{
	struct dg_str r;
	int64_t v = -1;

	if (dg_json_check(metrics, DG_JSON_DEPTH_MAX, NULL) == 0 &&
		dg_json_member(metrics, "request_utilization", &r))
		(void)dg_json_member_int(r, key, &v);
	return v;
}

int64_t
dg_server_metrics_running(struct dg_str metrics)
{
	return request_number(metrics, "num_running_requests");
}

int64_t
dg_server_metrics_pool(struct dg_str metrics)
{
	return request_number(metrics, "max_concurrent_requests");
}

static void
add_double(struct dg_jw *w, const char *key, double v)
{
	dg_jw_key(w, key);
	if (isnan(v) || v < 0)
		dg_jw_null(w);
	else
		dg_jw_double(w, v);
}

static void
add_int(struct dg_jw *w, const char *key, int64_t v)
{
	dg_jw_key(w, key);
	if (v < 0)
		dg_jw_null(w);
	else
		dg_jw_int(w, v);
}

static void
add_time(struct dg_jw *w, const char *key, int64_t wall_usec)
{
	char t[32];

	dg_jw_key(w, key);
	if (!wall_usec)
		dg_jw_null(w);
	else
		dg_jw_raw(w, dg_str(dg_wall_json(wall_usec, t)));
}

void
dg_agent_metrics(struct dg_buf *out, const struct dg_container_metrics *c,
	const struct dg_request_metrics *r, struct dg_str limits)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_key(&w, "container_utilization");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "cgroup_version",
		c->cgroup == 2   ? "V2"
		: c->cgroup == 1 ? "V1"
				 : NULL);
	add_double(&w, "cpu_cfs_period_us", c->cpu_period_us);
	add_double(&w, "cpu_cfs_quota_us", c->cpu_quota_us);
	add_double(&w, "cpu_usage", c->cpu_usage);
	add_time(&w, "measurement_timestamp", c->measured);
	add_int(&w, "memory_limit", c->memory_limit);
	add_int(&w, "memory_usage", c->memory_usage);
	add_int(&w, "num_allocated_cores", c->cores);
	add_double(&w, "previous_cpu_usage", c->previous_cpu_usage);
	add_time(&w, "previous_measurement_timestamp", c->previous_measured);
	dg_jw_close_object(&w);
	dg_jw_key(&w, "request_utilization");
	dg_jw_open_object(&w);
	add_int(&w, "max_concurrent_requests", r->max);
	add_int(&w, "num_queued_requests", r->queued);
	add_int(&w, "num_running_requests", r->running);
	dg_jw_close_object(&w);
	dg_jw_kraw(&w, "resource_limits", limits.n ? limits : DG_STR("{}"));
	dg_jw_close_object(&w);
}

static void
add_enum(struct dg_jw *w, const char *key, const char *type, const char *member)
{
	auto_buf b = DG_BUF_INIT;

	dg_buf_addf(&b, "%s.%s", type, member);
	dg_jw_key(w, key);
	dg_jw_open_object(w);
	dg_jw_kstr(w, "__enum__", b.p);
	dg_jw_close_object(w);
}

void
dg_server_heartbeat(struct dg_buf *out, const char *location,
	enum dg_server_status status, struct dg_str error, struct dg_str metrics,
	bool small)
{
	static const char *const names[] = {"STARTING", "RUNNING", "FAILED"};
	auto_buf cut = DG_BUF_INIT;
	struct dg_jw w = dg_jw(out);

	if (error.n && !small)
		dg_error_truncate(error, DG_ERROR_SERVER, &cut);
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "CloudCodeServerHeartbeat");
	dg_jw_kraw(&w, "error", cut.n ? dg_buf_str(&cut) : DG_STR("null"));
	dg_jw_kstr(&w, "location_name", location);
	dg_jw_key(&w, "metadata");
	dg_jw_open_object(&w);
	if (metrics.n && !small)
		dg_jw_kraw(&w, "utilization_metrics", metrics);
	dg_jw_close_object(&w);
	add_enum(&w, "server_status", "CloudCodeServerStatus", names[status]);
	dg_jw_close_object(&w);
}

/* The first WORKER_MESSAGE_MAX characters. */
static struct dg_str
cut_message(struct dg_str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] & 0xc0) != 0x80 && n++ == WORKER_MESSAGE_MAX)
			return dg_strn(s.p, i);
	return s;
}

void
dg_worker_statuses(struct dg_buf *out, bool supported, bool alive,
	const struct dg_worker_row *list, size_t n, bool small)
{
	static const char *const names[] = {
		"RUNNING", "NOT_FOUND", "FAILED", "SUCCESS", "UNKNOWN"};
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "CloudRunWorkerStatuses");
	dg_jw_kbool(&w, "run_worker_monitoring_supported", supported);
	dg_jw_key(&w, "run_worker_monitoring_thread_alive");
	if (supported)
		dg_jw_bool(&w, alive);
	else
		dg_jw_null(&w);
	dg_jw_key(&w, "statuses");
	dg_jw_open_array(&w);
	for (size_t i = 0; i < n && supported; i++) {
		dg_jw_open_object(&w);
		dg_jw_kstr(&w, "__class__", "CloudRunWorkerStatus");
		dg_jw_key(&w, "message");
		if (small)
			dg_jw_str(&w, "");
		else if (list[i].message)
			dg_jw_strn(&w, cut_message(dg_str(list[i].message)));
		else
			dg_jw_null(&w);
		dg_jw_kstr(&w, "run_id", list[i].run_id);
		dg_jw_kstr(&w, "run_worker_id", list[i].worker_id);
		add_enum(&w, "status_type", "WorkerStatus", names[list[i].status]);
		dg_jw_kbool(&w, "transient", list[i].transient);
		dg_jw_close_object(&w);
	}
	dg_jw_close_array(&w);
	dg_jw_close_object(&w);
}

static void
add_queues(struct dg_jw *w, const struct dg_agent_heartbeat *h)
{
	dg_jw_key(w, "agent_queues_config");
	dg_jw_open_object(w);
	dg_jw_kstr(w, "__class__", "AgentQueuesConfig");
	dg_jw_key(w, "additional_queues");
	if (h->queues) {
		dg_jw_open_array(w);
		for (const char *const *q = h->queues; *q; q++)
			dg_jw_str(w, *q);
		dg_jw_close_array(w);
	} else
		dg_jw_null(w);
	dg_jw_kbool(w, "include_default_queue", h->default_queue);
	dg_jw_close_object(w);
}

static void
add_metadata(struct dg_jw *w, const struct dg_agent_heartbeat *h)
{
	dg_jw_key(w, "metadata");
	dg_jw_open_object(w);
	dg_jw_kraw(w, "allowed_branch_deployment_locations",
		h->allowed_branch.n ? h->allowed_branch : DG_STR("[]"));
	dg_jw_kraw(w, "allowed_full_deployment_locations",
		h->allowed_full.n ? h->allowed_full : DG_STR("{}"));
	if (h->image_tag)
		dg_jw_kstr(w, "image_tag", h->image_tag);
	if (!h->small)
		dg_jw_kraw(w, "utilization_metrics",
			h->metrics.n ? h->metrics : DG_STR("{}"));
	dg_jw_kstr(w, "version", h->version);
	dg_jw_close_object(w);
}

void
dg_heartbeat(struct dg_buf *out, const struct dg_agent_heartbeat *h)
{
	auto_buf servers = DG_BUF_INIT;
	struct dg_jw w = dg_jw(out);
	char t[32];

	dg_buf_addc(&servers, '[');
	dg_buf_addstr(&servers, h->servers);
	dg_buf_addc(&servers, ']');
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "AgentHeartbeat");
	dg_jw_kstr(&w, "agent_id", h->agent_id);
	dg_jw_kstr(&w, "agent_label", h->label);
	add_queues(&w, h);
	dg_jw_kstr(&w, "agent_type", h->agent_type);
	dg_jw_kraw(&w, "code_server_heartbeats", dg_buf_str(&servers));
	dg_jw_kraw(&w, "errors", h->small ? DG_STR("[]") : DG_STR("null"));
	add_metadata(&w, h);
	dg_jw_kraw(&w, "run_worker_statuses", h->workers);
	dg_jw_kraw(&w, "timestamp", dg_str(dg_wall_json(h->wall_usec, t)));
	dg_jw_close_object(&w);
}

void
dg_heartbeats_begin(struct dg_heartbeats *h, struct dg_buf *out)
{
	*h = (struct dg_heartbeats){.out = out};
	dg_buf_adds(out, "{\"serializedAgentHeartbeats\": [");
}

void
dg_heartbeats_deployment(
	struct dg_heartbeats *h, const char *deployment, struct dg_str heartbeat)
{
	dg_buf_adds(h->out,
		h->deployments++ ? ", {\"deploymentName\": " : "{\"deploymentName\": ");
	dg_json_add_str(h->out, dg_str(deployment));
	dg_buf_adds(h->out, ", \"serializedAgentHeartbeat\": ");
	dg_json_add_str(h->out, heartbeat);
	dg_buf_addc(h->out, '}');
	h->heartbeat_bytes += heartbeat.n;
}

void
dg_heartbeats_error(struct dg_heartbeats *h, struct dg_str error)
{
	dg_buf_adds(h->out, h->errors++ ? ", " : "], \"serializedErrors\": [");
	dg_json_add_str(h->out, error);
	h->error_bytes += error.n;
}

void
dg_heartbeats_end(struct dg_heartbeats *h)
{
	dg_buf_adds(h->out, h->errors ? "]}" : "], \"serializedErrors\": []}");
}

void
dg_heartbeats_too_big(
	struct dg_buf *out, const struct dg_heartbeats *too_big, int64_t wall_usec)
{
	auto_buf text = DG_BUF_INIT;
	auto_buf error = DG_BUF_INIT;

	dg_buf_addf(&text,
		"Request with %zu heartbeat bytes and %zu error bytes was too large, "
		"submitting a smaller heartbeat without messages and stack traces.",
		too_big->heartbeat_bytes, too_big->error_bytes);
	dg_error_add_plain(&error, dg_buf_str(&text));
	dg_error_add_timestamped(out, dg_buf_str(&error), wall_usec);
}
