/* Heartbeats, which the reporter composes: see dagster-format.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dagster-format.h"
#include "dagster/server_metrics.h"
#include "reporter/heartbeat.h"
#include "json/json.h"

static void
add_row(struct dg_view *v, enum dg_state_kind kind, struct dg_str key, struct dg_str body)
{
	const struct dg_msg_state m = {
		.kind = kind, .key = key, .body = {body.p, body.n, -1}};

	(void)dg_view_set(v, &m);
}

/* {"key": body, ...} */
static void
add_rows(struct dg_view *v, enum dg_state_kind kind, const char *rows)
{
	struct dg_json_iter it = dg_json_iter(dg_str(rows));
	struct dg_str key, body;

	while (dg_json_next_member(&it, &key, &body)) {
		auto_free char *name = dg_json_dup(key);

		add_row(v, kind, dg_str(name), body);
	}
}

/* heartbeat LABEL IMAGE_TAG METRICS BRANCH FULL QUEUES small ERROR MONITORED LOCATIONS
 * RUNS: the variables for one deployment; ERROR is a second older than they */
int
do_heartbeat(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	struct dg_view v;
	struct dg_troubles t;
	struct dg_heartbeat h = {.agent_id = "an-id",
		.agent_label = none_if_empty(a[0]),
		.agent_type = "ProcessUserCodeLauncher",
		.image_tag = none_if_empty(a[1]),
		.utilization = dg_str(a[2]),
		.allowed_branch = dg_str(a[3]),
		.allowed_full = dg_str(a[4]),
		.queues = dg_str(a[5]),
		.small = *a[6] != 0,
		.view = &v,
		.troubles = &t,
		.server_error_limit = 5000,
		.message_limit = 1000,
		.wall = WALL};

	(void)e;
	dg_view_init(&v);
	dg_troubles_init(&t, 10000);
	if (*a[7])
		dg_troubles_add(&t, WALL - 1000000, dg_str(a[7]));
	add_row(&v, DG_STATE_DEPLOYMENT, DG_STR("prod"), DG_STR("{}"));
	add_row(&v, DG_STATE_ROLE, DG_STR("launcher:x"),
		*a[8] ? DG_STR("{\"supported\": true}") : DG_STR("{}"));
	add_rows(&v, DG_STATE_LOCATION, a[9]);
	add_rows(&v, DG_STATE_RUN, a[10]);
	dg_heartbeat_variables(&h, out);
	dg_view_clear(&v);
	dg_troubles_clear(&t);
	return 0;
}

/* server-metrics METRICS FRESH LIMITS; without METRICS those before the first */
int
do_server_metrics(char *const *a, struct dg_buf *out, struct dg_err *e)
{
	if (!*a[0])
		dg_buf_adds(out, dg_server_metrics_none);
	else if (!dg_server_metrics(out, dg_str(a[0]), dg_str(a[1]), dg_str(a[2])))
		return dg_fail(e, DG_USER, 0, "no metrics");
	return 0;
}
