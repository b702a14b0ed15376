/* config/ephemeral.c: flags of `agent run` into the text of a dagster.yaml. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/config.h"
#include "yaml/yaml.h"
#include "json/json.h"

static struct dg_yaml_node *from_json(struct dg_yaml *y, struct dg_str v);

static struct dg_yaml_node *
collection(struct dg_yaml *y, struct dg_str v)
{
	bool object = dg_json_type(v) == DG_JSON_OBJECT;
	struct dg_yaml_node *n = object ? dg_yaml_map(y) : dg_yaml_seq(y);
	struct dg_json_iter it = dg_json_iter(v);
	struct dg_str k, item;

	if (!object) {
		while (dg_json_next_item(&it, &item))
			dg_yaml_append(y, n, from_json(y, item));
		return n;
	}
	while (dg_json_next_member(&it, &k, &item)) {
		auto_free char *key = dg_json_dup(k);

		dg_yaml_set(y, n, key, from_json(y, item));
	}
	return n;
}

static struct dg_yaml_node *
number(struct dg_yaml *y, struct dg_str v)
{
	int64_t i;
	double d = 0;

	if (dg_json_int(v, &i))
		return dg_yaml_int(y, i);
	dg_json_double(v, &d);
	return dg_yaml_float(y, d);
}

/* The same value; V is checked. */
static struct dg_yaml_node *
from_json(struct dg_yaml *y, struct dg_str v)
{
	auto_buf text = DG_BUF_INIT;
	bool b = false;

	switch (dg_json_type(v)) {
	case DG_JSON_OBJECT:
	case DG_JSON_ARRAY:
		return collection(y, v);
	case DG_JSON_STRING:
		dg_json_decode(v, &text);
		return dg_yaml_str(y, dg_buf_str(&text));
	case DG_JSON_NUMBER:
		return number(y, v);
	case DG_JSON_BOOL:
		dg_json_bool(v, &b);
		return dg_yaml_bool(y, b);
	default:
		return dg_yaml_null(y);
	}
}

/* Parse the JSON of a flag. */
static int
flag_json(struct dg_yaml *y, const char *flag, const char *text, bool map,
	struct dg_yaml_node **ret, struct dg_err *e)
{
	struct dg_str v = dg_str(text);

	if (dg_json_check(v, DG_YAML_DEPTH_MAX, e) < 0) {
		dg_err_wrap(e, "%s", flag);
		if (e)
			e->cls = DG_CONFIG;
		return -DG_CONFIG;
	}
	if (map && dg_json_type(v) != DG_JSON_OBJECT)
		return dg_fail(e, DG_CONFIG, 0, "%s must be a JSON object", flag);
	*ret = from_json(y, v);
	return 0;
}

/* Maps in both are merged, all else of FROM wins. */
static void
merge(struct dg_yaml *y, struct dg_yaml_node *onto, struct dg_yaml_node *from)
{
	for (size_t i = 0; i < from->n; i++) {
		auto_free char *key = dg_str_dup(from->pairs[i].key->text);
		struct dg_yaml_node *v = from->pairs[i].value,
				    *old = dg_yaml_get(onto, key);

		if (old && old->kind == DG_YAML_MAP && v->kind == DG_YAML_MAP)
			merge(y, old, v);
		else
			dg_yaml_set(y, onto, key, v);
	}
}

static struct dg_yaml_node *
class_map(struct dg_yaml *y, const char *module, const char *cls)
{
	struct dg_yaml_node *n = dg_yaml_map(y);

	dg_yaml_set(y, n, "module", dg_yaml_str(y, dg_str(module)));
	dg_yaml_set(y, n, "class", dg_yaml_str(y, dg_str(cls)));
	return n;
}

static void
set_text(struct dg_yaml *y, struct dg_yaml_node *map, const char *key, const char *text)
{
	if (text && *text)
		dg_yaml_set(y, map, key, dg_yaml_str(y, dg_str(text)));
}

/* "pkg.module.Class", or a class of the module that is there. */
static void
set_launcher(struct dg_yaml *y, struct dg_yaml_node *launcher, const char *name)
{
	const char *dot = strrchr(name, '.');
	auto_free char *module = dot ? dg_xstrndup(name, (size_t)(dot - name)) : NULL;

	set_text(y, launcher, "module", module);
	set_text(y, launcher, "class", dot ? dot + 1 : name);
}

static bool
given(const char *flag)
{
	return flag && *flag;
}

static int
compose(const struct dg_config_flags *f, struct dg_yaml *y, struct dg_yaml_node *root,
	struct dg_err *e)
{
	struct dg_yaml_node *api, *launcher, *more;
	int rc;

	dg_yaml_set(y, root, "instance_class",
		class_map(y, "dagster_cloud.instance", "DagsterCloudAgentInstance"));
	dg_yaml_set(y, root, "dagster_cloud_api", dg_yaml_map(y));
	dg_yaml_set(y, root, "user_code_launcher",
		class_map(y, "dagster_cloud.workspace.user_code_launcher",
			"ProcessUserCodeLauncher"));
	if (given(f->config)) {
		rc = flag_json(y, "--config", f->config, true, &more, e);
		if (rc < 0)
			return rc;
		merge(y, root, more);
	}
	api = dg_yaml_get(root, "dagster_cloud_api");
	launcher = dg_yaml_get(root, "user_code_launcher");
	if (api->kind != DG_YAML_MAP || launcher->kind != DG_YAML_MAP)
		return dg_fail(e, DG_CONFIG, 0,
			"--config: dagster_cloud_api and user_code_launcher must be "
			"objects");
	set_text(y, api, "agent_token", f->token);
	set_text(y, api, "deployment", f->deployment);
	set_text(y, api, "agent_label", f->label);
	if (given(f->launcher))
		set_launcher(y, launcher, f->launcher);
	if (given(f->launcher_config)) {
		rc = flag_json(y, "--user-code-launcher-config", f->launcher_config,
			false, &more, e);
		if (rc < 0)
			return rc;
		dg_yaml_set(y, launcher, "config", more);
	}
	return 0;
}

int
dg_config_ephemeral(
	const struct dg_config_flags *f, struct dg_buf *ret_text, struct dg_err *e)
{
	struct dg_yaml *y;
	struct dg_yaml_node *root;
	int rc;

	if (!given(f->config) && (!given(f->token) || !given(f->deployment)))
		return dg_fail(e, DG_CONFIG, 0,
			"to run without a DAGSTER_HOME both --agent-token and "
			"--deployment are "
			"needed");
	y = dg_yaml_new();
	root = dg_yaml_map(y);
	rc = compose(f, y, root, e);
	if (rc == 0)
		rc = dg_yaml_dump(root, ret_text, e);
	dg_yaml_free(y);
	return rc;
}
