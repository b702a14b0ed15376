/* dagster/code_server.c: see code_server.h. */
#include "dagster/code_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"

void
dg_code_server_argv(const struct dg_metadata *m, bool metrics, struct dg_strv *argv)
{
	if (m->executable_path) {
		dg_strv_add(argv, m->executable_path);
		dg_strv_add(argv, "-m");
	}
	dg_strv_add(argv, "dagster");
	dg_strv_add(argv, "api");
	dg_strv_add(argv, "grpc");
	if (metrics)
		dg_strv_add(argv, "--enable-metrics");
	if (m->defs_state_info.n) {
		auto_free char *info = dg_str_dup(m->defs_state_info);

		dg_strv_add(argv, "--defs-state-info");
		dg_strv_add(argv, info);
	}
}

/* str() of what the value is in Python. */
static void
add_text(struct dg_str value, struct dg_buf *out)
{
	bool b;

	if (dg_json_decode(value, out))
		return;
	if (dg_json_bool(value, &b))
		dg_buf_adds(out, b ? "True" : "False");
	else if (dg_json_is_null(value))
		dg_buf_adds(out, "None");
	else
		dg_buf_addstr(out, value);
}

static void
put(struct dg_strv *env, const char *key, const char *value)
{
	if (value)
		dg_strv_put(env, dg_str(key), dg_str(value));
}

void
dg_code_server_env(const struct dg_metadata *m, const char *location, struct dg_str ref,
	struct dg_strv *env)
{
	struct dg_json_iter it = dg_json_iter(m->cloud_context_env);
	struct dg_str key, value;

	while (dg_json_next_member(&it, &key, &value)) {
		auto_buf k = DG_BUF_INIT;
		auto_buf v = DG_BUF_INIT;

		(void)dg_json_decode(key, &k);
		add_text(value, &v);
		if (k.n && !memchr(k.p, '=', k.n) && !memchr(k.p, 0, k.n))
			dg_strv_put(env, dg_buf_str(&k), dg_buf_str(&v));
	}
	put(env, "DAGSTER_LOCATION_NAME", location);
	put(env, "DAGSTER_INJECT_ENV_VARS_FROM_INSTANCE", "1");
	put(env, "DAGSTER_CLI_API_GRPC_LAZY_LOAD_USER_CODE", "1");
	put(env, "DAGSTER_CLI_API_GRPC_HOST", "0.0.0.0");
	dg_strv_put(env, DG_STR("DAGSTER_CONTAINER_CONTEXT"), m->container_context);
	dg_strv_put(env, DG_STR("DAGSTER_INSTANCE_REF"), ref);
	put(env, "DAGSTER_CURRENT_IMAGE", m->image);
	put(env, "DAGSTER_CLI_API_GRPC_PYTHON_FILE", m->python_file);
	put(env, "DAGSTER_CLI_API_GRPC_MODULE_NAME", m->module_name);
	put(env, "DAGSTER_CLI_API_GRPC_PACKAGE_NAME", m->package_name);
	put(env, "DAGSTER_CLI_API_GRPC_WORKING_DIRECTORY", m->working_directory);
	put(env, "DAGSTER_CLI_API_GRPC_ATTRIBUTE", m->attribute);
	put(env, "DAGSTER_CLI_API_GRPC_AUTOLOAD_DEFS_MODULE_NAME",
		m->autoload_defs_module_name);
	put(env, "DAGSTER_CLI_API_GRPC_USE_PYTHON_ENVIRONMENT_ENTRY_POINT",
		m->executable_path ? "1" : NULL);
}

unsigned
dg_code_server_pool(struct dg_strv *env, const char *user, unsigned cpus)
{
	const char *own = dg_strv_value(env, DG_POOL_ENV);
	unsigned pool = cpus + 4 < 32 ? cpus + 4 : 32;
	char text[16];
	int said;

	if (!own || !*own)
		own = user;
	said = own ? atoi(own) : 0;
	if (said > 0)
		return (unsigned)said;
	snprintf(text, sizeof text, "%u", pool);
	put(env, DG_POOL_ENV, text);
	return pool;
}
