/* dagster/server_metrics.c: see server_metrics.h. */
#include "dagster/server_metrics.h"

#include <string.h>

#include "json/json.h"
#include "json/splice.h"

const char dg_server_metrics_none[] =
	"{\"container_utilization\": {\"cgroup_version\": null, "
	"\"cpu_cfs_period_us\": null, \"cpu_cfs_quota_us\": null, "
	"\"cpu_usage\": null, \"measurement_timestamp\": null, "
	"\"memory_limit\": null, \"memory_usage\": null, "
	"\"num_allocated_cores\": null, \"previous_cpu_usage\": null, "
	"\"previous_measurement_timestamp\": null}, \"per_api_metrics\": {}, "
	"\"request_utilization\": {\"max_concurrent_requests\": null, "
	"\"num_queued_requests\": null, \"num_running_requests\": null}, "
	"\"resource_limits\": {}}";

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

int64_t
dg_server_metrics_running(struct dg_str metrics)
{
	struct dg_str r;
	int64_t v = -1;

	if (dg_json_check(metrics, DG_JSON_DEPTH_MAX, NULL) == 0 &&
		dg_json_member(metrics, "request_utilization", &r))
		(void)dg_json_member_int(r, "num_running_requests", &v);
	return v;
}
