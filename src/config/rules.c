/* config/rules.c: see rules.h. Sources: the checks of the Python agent and of Dagster's
 * instance in release 1.13.27. */
#include "config/rules.h"

#include <inttypes.h>

#include "base/mem.h"
#include "config/env.h"
#include "config/validate.h"

struct rules {
	const struct dg_yaml_node *root;
	const struct dg_report_file *file;
	struct dg_report *report;
	int64_t limit_max; /* of concurrency */
};

/* Python's truth. */
static bool
truthy(const struct dg_yaml_node *n)
{
	if (!n || n->kind == DG_YAML_NULL)
		return false;
	if (n->kind == DG_YAML_BOOL || n->kind == DG_YAML_INT)
		return n->i != 0 || n->big;
	if (n->kind == DG_YAML_STR)
		return n->text.n > 0;
	return n->kind < DG_YAML_SEQ || n->n > 0;
}

static const struct dg_yaml_node *
at(const struct rules *r, const char *path)
{
	return dg_config_at(r->root, path);
}

/* B stands where A stands too. */
static void
not_both(struct rules *r, const char *a, const char *b)
{
	dg_report_error(r->report, r->file, dg_config_mark(r->root, b),
		"%s cannot be set together with %s", b, a);
}

static void
agent_rules(struct rules *r)
{
	const struct dg_yaml_node *module = at(r, "instance_class.module");
	const struct dg_yaml_node *cls = at(r, "instance_class.class");

	if (module && !dg_yaml_is(module, "dagster_cloud.instance") &&
		!dg_yaml_is(module, "dagster_cloud"))
		dg_report_error(r->report, r->file, module->at,
			"instance_class.module must be dagster_cloud.instance (or "
			"dagster_cloud)");
	if (cls && !dg_yaml_is(cls, "DagsterCloudAgentInstance"))
		dg_report_error(r->report, r->file, cls->at,
			"instance_class.class must be DagsterCloudAgentInstance");
	if (truthy(at(r, "dagster_cloud_api.deployment")) &&
		truthy(at(r, "dagster_cloud_api.deployments")))
		not_both(r, "dagster_cloud_api.deployment",
			"dagster_cloud_api.deployments");
	if (truthy(at(r, "isolated_agents")) && truthy(at(r, "agent_replicas")))
		not_both(r, "isolated_agents", "agent_replicas");
}

/* Scalars that HTTP can carry. */
static void
header_rules(struct rules *r, const char *path, bool numbers)
{
	const struct dg_yaml_node *map = at(r, path);

	if (!map || map->kind != DG_YAML_MAP)
		return;
	for (size_t i = 0; i < map->n; i++) {
		const struct dg_yaml_node *k = map->pairs[i].key,
					  *v = map->pairs[i].value;

		if (k->kind != DG_YAML_STR)
			dg_report_error(r->report, r->file, k->at,
				"a name in %s must be a string, not %s", path,
				dg_yaml_kind_name(k->kind));
		else if (v->kind != DG_YAML_STR && v->kind != DG_YAML_NULL &&
			 !(numbers && v->kind == DG_YAML_INT))
			dg_report_error(r->report, r->file, v->at,
				"a value in %s must be a string, not %s", path,
				dg_yaml_kind_name(v->kind));
	}
}

static void
storage_rules(struct rules *r)
{
	static const char *const single[] = {
		"run_storage", "event_log_storage", "schedule_storage"};

	if (at(r, "run_queue") && at(r, "run_coordinator"))
		not_both(r, "run_coordinator", "run_queue");
	for (size_t i = 0; i < DG_N(single); i++)
		if (at(r, "storage") && at(r, single[i]))
			not_both(r, "storage", single[i]);
}

static void
limit_rule(struct rules *r, const char *path)
{
	const struct dg_yaml_node *n = at(r, path);

	if (n && n->kind == DG_YAML_INT && (n->i < 0 || n->i > r->limit_max))
		dg_report_error(r->report, r->file, n->at,
			"%s must be between 0 and %" PRId64, path, r->limit_max);
}

static void
concurrency_rules(struct rules *r)
{
	static const char *const fields[] = {"max_concurrent_runs",
		"tag_concurrency_limits",
		"block_op_concurrency_limited_runs.op_concurrency_slot_buffer"};
	const struct dg_yaml_node *granularity = at(r, "concurrency.pools.granularity");
	bool queued = dg_yaml_is(at(r, "run_coordinator.class"), "QueuedRunCoordinator");

	if (at(r, "concurrency.pools") &&
		at(r, "concurrency.default_op_concurrency_limit"))
		not_both(r, "concurrency.pools",
			"concurrency.default_op_concurrency_limit");
	limit_rule(r, "concurrency.pools.default_limit");
	limit_rule(r, "concurrency.default_op_concurrency_limit");
	if (truthy(granularity) && !dg_yaml_is(granularity, "run") &&
		!dg_yaml_is(granularity, "op"))
		dg_report_error(r->report, r->file, granularity->at,
			"concurrency.pools.granularity must be run or op");
	if (!at(r, "concurrency.pools") && !at(r, "concurrency.runs"))
		return;
	for (size_t i = 0; i < DG_N(fields); i++) {
		auto_free char *queue = dg_xasprintf("run_queue.%s", fields[i]);
		auto_free char *config =
			dg_xasprintf("run_coordinator.config.%s", fields[i]);

		if (at(r, queue) && at(r, queue)->kind != DG_YAML_NULL)
			not_both(r, "concurrency.runs or concurrency.pools", queue);
		if (queued && at(r, config) && at(r, config)->kind != DG_YAML_NULL)
			not_both(r, "concurrency.runs or concurrency.pools", config);
	}
}

void
dg_rules(const struct dg_yaml_node *root, const struct dg_report_file *file,
	const char *const *env, struct dg_report *report)
{
	const char *limit = dg_env_get(env, "DAGSTER_MAX_GLOBAL_OP_CONCURRENCY_LIMIT");
	struct rules r = {root, file, report, 1000};

	if (limit)
		dg_env_int(limit, &r.limit_max);

	agent_rules(&r);
	header_rules(&r, "dagster_cloud_api.headers", false);
	header_rules(&r, "dagster_cloud_api.cookies", true);
	storage_rules(&r);
	concurrency_rules(&r);
}
