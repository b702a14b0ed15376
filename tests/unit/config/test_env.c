/* The environment table. */
#include "config/env.h"
#include "load.h"

#define DOC TEST_CLASS TEST_API TEST_LAUNCHER

static const char *
value(struct dg_config *c, const char *name)
{
	auto_free char *key = dg_xasprintf("env.%s", name);

	return dg_settings_str(c->settings, key);
}

Test(env, defaults_hold_and_follow_each_other)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS", "0.5"},
		{"DAGSTER_CLOUD_ACTIVE_AGENT_HEARTBEAT_INTERVAL", "600"},
		{"DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_REDEPLOY_TIMEOUT", "180"},
		{"DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS", "180"},
		{"DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "60"},
		{"DAGSTER_CLOUD_DISABLE_LOCAL_ERROR_SERVER_RECOVERY", "false"},
	};
	static const char *const none[] = {NULL};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = load_text(DOC, none);

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_str_eq(value(c, rows[i].name), rows[i].value, "row %zu", i);
	cr_assert_null(value(c, "DAGSTER_CLOUD_AGENT_IMAGE_TAG"));
	cr_assert_null(value(c, "HTTPS_PROXY"));
	cr_assert_eq(c->warnings.n, 0);
}

Test(env, what_is_set_wins)
{
	static const char *const env[] = {"DAGSTER_GRPC_TIMEOUT_SECONDS=300",
		"DAGSTER_CLOUD_ACTIVE_AGENT_HEARTBEAT_INVERAL=120",
		"DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS= 1_0.25 ",
		"DAGSTER_CLOUD_AGENT_UPLOAD_API_RESPONSE_BATCHING_ENABLED=True",
		"DAGSTER_CLOUD_DISABLE_LOCAL_ERROR_SERVER_RECOVERY=0",
		"https_proxy=http://p:1", "DAGSTER_CLOUD_AGENT_SENTINEL_DIR=", NULL};
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"DAGSTER_GRPC_TIMEOUT_SECONDS", "300"},
		{"DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS", "300"},
		{"DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", "300"},
		{"DAGSTER_CLOUD_ACTIVE_AGENT_HEARTBEAT_INTERVAL", "120"},
		{"DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS", "10.25"},
		{"DAGSTER_CLOUD_AGENT_UPLOAD_API_RESPONSE_BATCHING_ENABLED", "false"},
		{"DAGSTER_CLOUD_DISABLE_LOCAL_ERROR_SERVER_RECOVERY", "true"},
		{"https_proxy", "http://p:1"},
		{"DAGSTER_CLOUD_AGENT_SENTINEL_DIR", ""},
	};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = load_text(DOC, env);

	for (size_t i = 0; i < DG_N(rows); i++)
		cr_assert_str_eq(value(c, rows[i].name), rows[i].value, "row %zu: %s", i,
			value(c, rows[i].name));
}

Test(env, what_is_not_a_number_is_refused_or_ignored_as_python_does)
{
	static const char *const env[] = {
		"DAGSTER_BATCHING__UPLOAD_API_RESPONSE__MAX_WAIT_MS=-1",
		"DAGSTER_CLOUD_AGENT_MAX_THREADPOOL_WORKERS=5",
		"DAGSTER_CLOUD_STORE_EVENT_OVER_HTTP=1", NULL};
	static const char *const bad[] = {"DAGSTER_GRPC_TIMEOUT_SECONDS=5s",
		"DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS=x", NULL};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = load_text(DOC, env);
	auto_free char *errors = refused(DOC, bad);

	cr_assert_str_eq(
		value(c, "DAGSTER_BATCHING__UPLOAD_API_RESPONSE__MAX_WAIT_MS"), "50");
	cr_assert_str_eq(c->warnings.p,
		"the environment variable DAGSTER_CLOUD_AGENT_MAX_THREADPOOL_WORKERS has "
		"no "
		"meaning here: daglet has no threads to limit\n"
		"the environment variable "
		"DAGSTER_BATCHING__UPLOAD_API_RESPONSE__MAX_WAIT_MS is "
		"not a positive number and is ignored\n"
		"the environment variable DAGSTER_CLOUD_STORE_EVENT_OVER_HTTP has no "
		"meaning here: the agent's few events always go by GraphQL\n");
	cr_assert_str_eq(errors, "the environment variable "
				 "DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS must be a "
				 "number\n"
				 "the environment variable DAGSTER_GRPC_TIMEOUT_SECONDS "
				 "must be an integer\n");
}

Test(env, numbers_are_read_as_python_reads_them)
{
	static const struct {
		const char *text;
		bool is_int, is_float;
		double v;
	} rows[] = {
		{"5", true, true, 5},
		{" +5\n", true, true, 5},
		{"1_000", true, true, 1000},
		{"1__0", false, false, 0},
		{"_1", false, false, 0},
		{"1_", false, false, 0},
		{"5.5", false, true, 5.5},
		{"1e3", false, true, 1000},
		{"0x10", false, false, 0},
		{"", false, false, 0},
		{"abc", false, false, 0},
		{"nan", false, false, 0},
		{"- 5", false, false, 0},
		{"99999999999999999999", false, true, 1e20},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		int64_t n = 0;
		double d = 0;

		cr_assert_eq(dg_env_int(rows[i].text, &n), rows[i].is_int, "row %zu", i);
		if (rows[i].is_int)
			cr_assert_eq((double)n, rows[i].v);
		cr_assert_eq(
			dg_env_float(rows[i].text, &d), rows[i].is_float, "row %zu", i);
		if (rows[i].is_float)
			cr_assert_float_eq(d, rows[i].v, 1e-9);
	}
}
