/* launcher/tuning.c: times and limits from the settings and the environment. See
 * launcher.h. */
#include <stdio.h>
#include <stdlib.h>

#include "launcher/launcher.h"

#define CONFIG "user_code_launcher.config."

static const char *
env(void *arg, const char *name)
{
	const struct dg_settings *s = arg;
	char key[128];

	snprintf(key, sizeof(key), "env.%s", name);
	return dg_settings_str(s, key);
}

static int64_t
number(const struct dg_settings *s, const char *name, int64_t otherwise)
{
	const char *text = env((void *)(uintptr_t)s, name);
	char *end;
	long long n;

	if (!text || !*text)
		return otherwise;
	n = strtoll(text, &end, 10);
	return *end ? otherwise : n;
}

static dg_usec
seconds(const struct dg_settings *s, const char *name, int64_t otherwise)
{
	int64_t n = number(s, name, otherwise);

	return (dg_usec)(n > 0 ? n : otherwise) * DG_SEC;
}

static dg_usec
limit(const struct dg_settings *s, const char *key, int64_t otherwise)
{
	int64_t n = dg_settings_has(s, key) ? dg_settings_int(s, key) : otherwise;

	return n > 0 ? (dg_usec)n * DG_SEC : 0;
}

static bool
said(const struct dg_settings *s, const char *name)
{
	const char *text = env((void *)(uintptr_t)s, name);

	return text && *text;
}

static bool
flag(const struct dg_settings *s, const char *key, bool otherwise)
{
	return dg_settings_has(s, key) ? dg_settings_bool(s, key) : otherwise;
}

void
dg_tuning_read(struct dg_launcher *l)
{
	struct dg_settings *s = l->w->settings;
	int64_t startup =
		dg_settings_has(s, CONFIG "server_process_startup_timeout")
			? dg_settings_int(s, CONFIG "server_process_startup_timeout")
			: 180;
	int64_t gone =
		number(s, "DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_REDEPLOY_TIMEOUT", 30);
	bool recover = !said(s, "DAGSTER_CLOUD_DISABLE_LOCAL_ERROR_SERVER_RECOVERY");

	l->tuning = (struct dg_tuning){
		.timeouts = dg_grpc_timeouts(env, s),
		.list = seconds(s, "DAGSTER_CLOUD_LIST_REPOSITORIES_GRPC_TIMEOUT", 180),
		.job = seconds(s, "DAGSTER_CLOUD_EXTERNAL_JOB_GRPC_TIMEOUT", 180),
		.grpc = {.send_max = (size_t)number(s, "DAGSTER_GRPC_MAX_SEND_BYTES", 0),
			.receive_max = (size_t)number(s, "DAGSTER_GRPC_MAX_RX_BYTES", 0)},
		.upload_error = (size_t)number(
			s, "DAGSTER_CLOUD_CODE_LOCATION_UPLOAD_ERROR_SIZE_LIMIT", 500000),
		.agent_error =
			(size_t)number(s, "DAGSTER_CLOUD_AGENT_ERROR_SIZE_LIMIT", 10000),
		.run_message = (size_t)number(
			s, "DAGSTER_CLOUD_RUN_WORKER_STATUS_MESSAGE_SIZE_LIMIT", 1000),
		.direct = flag(s, CONFIG "direct_snapshot_uploads", true),
		.upload_on_start = flag(s, CONFIG "upload_snapshots_on_startup", true),
		.metrics = flag(s, CONFIG "code_server_metrics.enabled", false),
		.isolated_agents = flag(s, "isolated_agents.enabled", false) ||
				   flag(s, "agent_replicas.enabled", false),
	};
	l->tuning.unary = (dg_usec)l->tuning.timeouts.unary * DG_SEC;
	l->tuning.repository = (dg_usec)l->tuning.timeouts.repository * DG_SEC;
	l->limits = (struct dg_loc_limits){
		.startup = (dg_usec)(startup > 0 ? startup : 0) * DG_SEC,
		.adopt = 10 * DG_SEC,
		.silent = {.gone = (dg_usec)(gone > 0 ? gone : 0) * DG_SEC,
			.stuck = limit(s, "daglet.server_stuck_timeout", 90),
			.busy = limit(s, "daglet.server_busy_timeout", 600)},
		.ping = 100 * DG_MSEC,
		.health = 10 * DG_SEC,
		.drain = 86400 * DG_SEC,
		.retry_min = DG_SEC,
		.retry_max = 60 * DG_SEC,
		.recover_min = recover ? 30 * DG_SEC : 0,
		.recover_max = 300 * DG_SEC,
		.short_life = 30 * DG_SEC,
		.calm = 5 * DG_SEC,
		.quiet = 2 * DG_SEC,
		.burst_max = 10 * DG_SEC,
	};
}
