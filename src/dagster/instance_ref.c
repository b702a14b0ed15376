/* dagster/instance_ref.c: see instance_ref.h. */
#include "dagster/instance_ref.h"

#include <stdlib.h>

#include "base/mem.h"
#include "dagster/instance_class.h"
#include "json/write.h"

/* What of dagster.yaml the agent's instance class itself is configured with. */
static const char *const class_keys[] = {
	"agent_queues",
	"agent_replicas",
	"allowed_branch_deployment_locations",
	"allowed_full_deployment_locations",
	"dagster_cloud_api",
	"isolated_agents",
	"user_code_launcher",
};
/* Of these, what user code does not get. */
static const char *const agent_only[] = {
	"agent_queues",
	"allowed_full_deployment_locations",
	"allowed_branch_deployment_locations",
};
static const char *const settings_keys[] = {
	"auto_materialize",
	"backfills",
	"code_servers",
	"concurrency",
	"freshness",
	"nux",
	"python_logs",
	"retention",
	"run_monitoring",
	"run_retries",
	"schedules",
	"sensors",
	"telemetry",
};

struct dg_instance_ref {
	struct dg_yaml *yaml;
	struct dg_yaml_node *class_config; /* belongs to yaml */
	struct dg_buf head, tail; /* what stands around custom_instance_class_data */
};

void
dg_instance_ref_free(struct dg_instance_ref *r)
{
	if (!r)
		return;
	dg_yaml_free(r->yaml);
	dg_buf_clear(&r->head);
	dg_buf_clear(&r->tail);
	free(r);
}

static int
add_settings(struct dg_jw *w, const struct dg_yaml_node *root, struct dg_err *e)
{
	dg_jw_key(w, "settings");
	dg_jw_open_object(w);
	for (size_t i = 0; i < DG_N(settings_keys); i++) {
		const struct dg_yaml_node *v = dg_yaml_get(root, settings_keys[i]);
		int r;

		if (!dg_yaml_truth(v))
			continue;
		dg_jw_key(w, settings_keys[i]);
		r = dg_yaml_to_json(v, w, 0, e);
		if (r < 0)
			return dg_err_wrap(e, "%s", settings_keys[i]);
	}
	dg_jw_close_object(w);
	return 0;
}

/* The members in the order of their names; the instance class's own is put between head
 * and tail for each deployment. */
static int
compose(struct dg_instance_ref *r, const struct dg_yaml_node *root, const char *home,
	struct dg_err *e)
{
	struct dg_instance_classes all;
	struct dg_jw w = dg_jw(&r->head);
	auto_buf tail = DG_BUF_INIT;
	struct dg_jw t = dg_jw(&tail);
	int rc = dg_instance_classes_read(root, home, &all, e);

	if (rc < 0)
		return rc;
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "InstanceRef");
	dg_instance_class_add(&w, "compute_logs_data", &all.compute_logs);
	dg_jw_key(&w, "custom_instance_class_data");

	dg_jw_open_object(&t);
	dg_instance_class_add(&t, "defs_state_storage_data", &all.defs_state_storage);
	dg_instance_class_add(&t, "event_storage_data", &all.event_storage);
	dg_instance_class_add(
		&t, "local_artifact_storage_data", &all.local_artifact_storage);
	dg_instance_class_add(&t, "run_coordinator_data", &all.run_coordinator);
	dg_instance_class_add(&t, "run_launcher_data", &all.run_launcher);
	dg_instance_class_add(&t, "run_storage_data", &all.run_storage);
	dg_instance_class_add(&t, "schedule_storage_data", &all.schedule_storage);
	dg_instance_class_add(&t, "scheduler_data", &all.scheduler);
	dg_instance_class_add(&t, "secrets_loader_data", &all.secrets_loader);
	rc = add_settings(&t, root, e);
	if (rc == 0) {
		dg_instance_class_add(&t, "storage_data", &all.storage);
		dg_jw_close_object(&t);
		dg_buf_adds(&r->tail, ", ");
		dg_buf_addstr(&r->tail, dg_strn(tail.p + 1, tail.n - 1));
	}
	dg_instance_classes_clear(&all);
	return rc;
}

/* {env: NAME} where the file says what the token is. */
static int
set_token(struct dg_yaml *y, struct dg_yaml_node *config, const char *name,
	struct dg_err *e)
{
	struct dg_yaml_node *api = dg_yaml_get(config, "dagster_cloud_api"), *env;

	if (!api || api->kind != DG_YAML_MAP)
		return dg_fail(e, DG_CONFIG, 0, "dagster_cloud_api is no mapping");
	env = dg_yaml_map(y);
	dg_yaml_set(y, env, "env", dg_yaml_str(y, dg_str(name)));
	dg_yaml_set(y, api, "agent_token", env);
	return 0;
}

int
dg_instance_ref_new(struct dg_instance_ref **ret, struct dg_str yaml, const char *home,
	const char *token_env, struct dg_err *e)
{
	struct dg_instance_ref *r = dg_new(struct dg_instance_ref);
	struct dg_yaml_mark at = {0, 0};
	struct dg_yaml_node *root;
	int rc = dg_yaml_load(yaml, DG_YAML_NO_DATES, &r->yaml, &at, e);

	if (rc < 0) {
		dg_err_where(e, "dagster.yaml:%u:%u", at.line, at.column);
		goto out;
	}
	root = dg_yaml_root(r->yaml);
	rc = -DG_CONFIG;
	if (root->kind != DG_YAML_MAP) {
		dg_fail(e, DG_CONFIG, 0, "dagster.yaml holds no mapping");
		goto out;
	}
	r->class_config = dg_yaml_map(r->yaml);
	for (size_t i = 0; i < DG_N(class_keys); i++) {
		struct dg_yaml_node *v = dg_yaml_get(root, class_keys[i]);

		if (v)
			dg_yaml_set(r->yaml, r->class_config, class_keys[i], v);
	}
	rc = token_env ? set_token(r->yaml, r->class_config, token_env, e) : 0;
	if (rc == 0)
		rc = compose(r, root, home, e);
out:
	if (rc < 0) {
		dg_instance_ref_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

/* What a deployment's own API section has. */
static void
for_deployment(struct dg_yaml *y, struct dg_yaml_node *config, const char *deployment)
{
	struct dg_yaml_node *api = dg_yaml_get(config, "dagster_cloud_api");

	if (!api || api->kind != DG_YAML_MAP)
		return;
	dg_yaml_set(y, api, "deployment", dg_yaml_str(y, dg_str(deployment)));
	if (dg_yaml_truth(dg_yaml_get(api, "branch_deployments")))
		dg_yaml_del(api, "branch_deployments");
	if (dg_yaml_truth(dg_yaml_get(api, "deployments")))
		dg_yaml_del(api, "deployments");
}

static void
for_user_code(struct dg_yaml *y, struct dg_yaml_node *config)
{
	struct dg_yaml_node *launcher = dg_yaml_get(config, "user_code_launcher");
	struct dg_yaml_node *own = launcher ? dg_yaml_get(launcher, "config") : NULL,
			    *left;

	for (size_t i = 0; i < DG_N(agent_only); i++)
		dg_yaml_del(config, agent_only[i]);
	if (!own || own->kind != DG_YAML_MAP || !own->n)
		return;
	/* A mapping of its own: what shares the old one keeps it. */
	left = dg_yaml_map(y);
	for (size_t i = 0; i < own->n; i++)
		if (own->pairs[i].key->kind == DG_YAML_STR &&
			!dg_yaml_is(own->pairs[i].key, "agent_metrics")) {
			auto_free char *key = dg_str_dup(own->pairs[i].key->text);

			dg_yaml_set(y, left, key, own->pairs[i].value);
		}
	dg_yaml_set(y, launcher, "config", left);
}

int
dg_instance_ref_text(const struct dg_instance_ref *r, enum dg_ref_kind kind,
	const char *deployment, struct dg_buf *out, struct dg_err *e)
{
	struct dg_yaml *y = dg_yaml_new();
	struct dg_yaml_node *config = dg_yaml_copy(y, r->class_config);
	struct dg_instance_class own = {.present = true};
	struct dg_jw w = dg_jw(out);
	int rc;

	for_deployment(y, config, deployment);
	if (kind == DG_REF_USER_CODE)
		for_user_code(y, config);
	rc = dg_instance_class_set(
		&own, "dagster_cloud.instance", "DagsterCloudAgentInstance", config, e);
	if (rc == 0) {
		dg_buf_addstr(out, dg_buf_str(&r->head));
		dg_instance_class_json(&w, &own);
		dg_buf_addstr(out, dg_buf_str(&r->tail));
	}
	dg_instance_class_clear(&own);
	dg_yaml_free(y);
	return rc;
}
