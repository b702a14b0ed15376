/* config/env.c: see env.h. */
#include "config/env.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/keys.h"

#define AGENT "DAGSTER_CLOUD_AGENT_"
#define BATCH "DAGSTER_BATCHING__UPLOAD_API_RESPONSE__"
#define STARTUP "=user_code_launcher.config.server_process_startup_timeout"
#define UNARY "=env.DAGSTER_GRPC_TIMEOUT_SECONDS"

#define ALL DG_KEYS_FOR_ALL
#define NET DG_KEYS_FOR_NET
#define POLLER DG_ROLE_BIT(DG_ROLE_POLLER)
#define REPORTER DG_ROLE_BIT(DG_ROLE_REPORTER)
#define LEDGER DG_ROLE_BIT(DG_ROLE_LEDGER)
#define LAUNCHER DG_KEYS_FOR_LAUNCHER

/* clang-format off */
static const struct dg_env_row rows[] = {
	/* name                                      type             default   roles                help or why not */
	{AGENT "SLEEP_INTERVAL_SECONDS",             DG_ENV_FLOAT,    "0.5",    POLLER,              "seconds between two polls when there is no work"},
	{AGENT "MAX_THREADPOOL_WORKERS",             DG_ENV_NONE,     NULL,     0,                   "daglet has no threads to limit"},
	{AGENT "LIVENESS_CHECK_INTERVAL",            DG_ENV_FLOAT,    "15.0",   ALL,                 "seconds between two writes of the liveness file"},
	{AGENT "UPLOAD_API_RESPONSE_BATCHING_ENABLED", DG_ENV_TRUE,   "false",  REPORTER,            "upload several answers in one request"},
	{BATCH "MAX_WAIT_MS",                        DG_ENV_POSITIVE, "50",     REPORTER,            "milliseconds that an answer may wait for others"},
	{BATCH "MAX_BATCH_SIZE",                     DG_ENV_POSITIVE, "32",     REPORTER,            "answers in one upload"},
	{BATCH "MAX_QUEUE_SIZE",                     DG_ENV_POSITIVE, "1000",   REPORTER,            "answers that may wait"},
	{AGENT "ERROR_SIZE_LIMIT",                   DG_ENV_INT,      "10000",  REPORTER,            "characters of an error in heartbeats"},
	{AGENT "RECONCILE_START_TIME_WARNING",       DG_ENV_NONE,     NULL,     0,                   "locations do not wait for each other, there is no reconciliation to get stuck"},
	{AGENT "IMAGE_TAG",                          DG_ENV_STR,      NULL,     REPORTER,            "image tag named in heartbeats"},
	{AGENT "MEMORY_LIMIT",                       DG_ENV_STR,      NULL,     REPORTER,            "the agent's memory limit, where no cgroup says it"},
	{AGENT "CPU_LIMIT",                          DG_ENV_STR,      NULL,     REPORTER,            "the agent's processor limit, where no cgroup says it"},
	{AGENT "MEMORY_REQUEST",                     DG_ENV_STR,      NULL,     REPORTER,            "the agent's requested memory"},
	{AGENT "CPU_REQUEST",                        DG_ENV_STR,      NULL,     REPORTER,            "the agent's requested processor time"},
	{AGENT "SENTINEL_DIR",                       DG_ENV_STR,      NULL,     ALL,                 "folder of the liveness and readiness files; empty: none"},
	{"DAGSTER_CLOUD_ACTIVE_AGENT_HEARTBEAT_INVERAL", DG_ENV_INT,  "600",    LAUNCHER | REPORTER, "as older releases spell the next one"},
	{"DAGSTER_CLOUD_ACTIVE_AGENT_HEARTBEAT_INTERVAL", DG_ENV_INT, "=env.DAGSTER_CLOUD_ACTIVE_AGENT_HEARTBEAT_INVERAL", LAUNCHER | REPORTER, "seconds for which an agent counts as active after a heartbeat"},
	{"DAGSTER_CLOUD_CLEANUP_SERVER_GRACE_PERIOD_SECONDS", DG_ENV_INT, "3600", LAUNCHER,          "age before which servers of other agents are left alone"},
	{"DAGSTER_CLOUD_CLEANUP_SERVER_CHECK_INTERVAL", DG_ENV_INT,   "1800",   LAUNCHER,            "seconds between two looks for abandoned servers; 0: never"},
	{"DAGSTER_CLOUD_LIST_REPOSITORIES_GRPC_TIMEOUT", DG_ENV_INT,  "180",    LAUNCHER,            "seconds for listing a location's repositories"},
	{"DAGSTER_CLOUD_EXTERNAL_JOB_GRPC_TIMEOUT",  DG_ENV_INT,      "180",    LAUNCHER,            "seconds for a job snapshot (legacy upload)"},
	{"DAGSTER_CLOUD_USE_STREAMING_EXTERNAL_REPOSITORY", DG_ENV_NONE, NULL,  0,                   "repositories are always streamed where the code server can"},
	{"DAGSTER_CLOUD_CODE_LOCATION_UPLOAD_ERROR_SIZE_LIMIT", DG_ENV_INT, "500000", LAUNCHER | REPORTER, "characters of a location's uploaded error"},
	{"DAGSTER_CLOUD_CODE_SERVER_HEARTBEAT_ERROR_SIZE_LIMIT", DG_ENV_INT, "5000", LAUNCHER | REPORTER, "characters of a code server's error in heartbeats"},
	{"DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_MAX_WORKERS", DG_ENV_NONE, NULL, 0,                 "health checks need no threads"},
	{"DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_REDEPLOY_TIMEOUT", DG_ENV_INT, STARTUP, LAUNCHER,   "seconds that a code server may be unreachable before it is replaced; negative: no health checks"},
	{"DAGSTER_CLOUD_DISABLE_LOCAL_ERROR_SERVER_RECOVERY", DG_ENV_NONEMPTY, "false", LAUNCHER,    "do not start code servers again that failed for local reasons"},
	{"DAGSTER_CLOUD_CODE_SERVER_PORT",           DG_ENV_INT,      "4000",   LAUNCHER,            "port of code servers in containers"},
	{"DAGSTER_CLOUD_RUN_WORKER_STATUS_MESSAGE_SIZE_LIMIT", DG_ENV_INT, "1000", LAUNCHER | REPORTER, "characters of a run worker's message"},
	{"DAGSTER_CLOUD_MAXIMUM_EVENT_ERROR_SIZE",   DG_ENV_INT,      "500000", LAUNCHER | REPORTER, "characters of an event's error"},
	{"DAGSTER_CLOUD_MAXIMUM_EVENT_MESSAGE_CHARACTERS", DG_ENV_INT, "50000", LAUNCHER | REPORTER, "characters of an event's message"},
	{"DAGSTER_CLOUD_STORE_EVENT_OVER_HTTP",      DG_ENV_NONE,     NULL,     0,                   "the agent's few events always go by GraphQL"},
	{"DISABLE_DAGSTER_CLOUD_STORE_EVENT_SEND_METRICS", DG_ENV_NONE, NULL,   0,                   "daglet sends no metric header with events"},
	{"DAGSTER_CLOUD_DOCKER_CLIENT_TIMEOUT",      DG_ENV_INT,      "60",     LAUNCHER,            "seconds for a call of the Docker engine"},
	{"DAGSTER_CLOUD_REGISTER_TASK_DEFINITION_RETRIES", DG_ENV_INT, "5",     LAUNCHER,            "repetitions of an ECS task definition"},
	{"DAGSTER_GRPC_TIMEOUT_SECONDS",             DG_ENV_INT,      "60",     ALL,                 "seconds for a call of a code server"},
	{"DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS",  DG_ENV_INT,      UNARY,    LAUNCHER,            "seconds for fetching a repository; at least 180 where not set"},
	{"DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS",    DG_ENV_INT,      UNARY,    LAUNCHER | LEDGER,   "seconds for evaluating a schedule"},
	{"DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS",      DG_ENV_INT,      UNARY,    LAUNCHER | LEDGER,   "seconds for evaluating a sensor"},
	{"DAGSTER_GRPC_MAX_RX_BYTES",                DG_ENV_INT,      "100000000", LAUNCHER,         "largest message from a code server"},
	{"DAGSTER_GRPC_MAX_SEND_BYTES",              DG_ENV_INT,      "100000000", LAUNCHER,         "largest message to a code server"},
	{"DAGSTER_GRPC_MAX_WORKERS",                 DG_ENV_INT,      NULL,     LAUNCHER,            "threads of a code server"},
	{"DAGSTER_DISABLE_JOB_SNAP_FAST_EXTRACT",    DG_ENV_NONE,     NULL,     0,                   "job snapshots are always taken as they stand"},
	{"DAGSTER_MAX_GLOBAL_OP_CONCURRENCY_LIMIT",  DG_ENV_INT,      "1000",   DG_KEYS_FOR_MASTER,  "highest limit that concurrency may set"},
	{"DAGSTER_CPU_USAGE_PATH",                   DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_CPU_STAT_PATH",                    DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_CPU_MAX_PATH",                     DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_CPU_CFS_QUOTA_US_PATH",            DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_CPU_CFS_PERIOD_US_PATH",           DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_CPU_SHARES_PATH",                  DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_CPU_INFO_PATH",                    DG_ENV_STR,      NULL,     REPORTER,            "list of processors"},
	{"DAGSTER_MEMORY_USAGE_PATH_V1",             DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_MEMORY_USAGE_PATH_V2",             DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_MEMORY_LIMIT_PATH_V1",             DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_MEMORY_STAT_PATH_V1",              DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_MEMORY_STAT_PATH_V2",              DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"DAGSTER_MEMORY_LIMIT_PATH_V2",             DG_ENV_STR,      NULL,     REPORTER,            "cgroup file"},
	{"HTTP_PROXY",                               DG_ENV_STR,      NULL,     NET | LAUNCHER,      "proxy for http"},
	{"http_proxy",                               DG_ENV_STR,      NULL,     NET | LAUNCHER,      "proxy for http"},
	{"HTTPS_PROXY",                              DG_ENV_STR,      NULL,     NET | LAUNCHER,      "proxy for https"},
	{"https_proxy",                              DG_ENV_STR,      NULL,     NET | LAUNCHER,      "proxy for https"},
	{"ALL_PROXY",                                DG_ENV_STR,      NULL,     NET | LAUNCHER,      "proxy for all"},
	{"all_proxy",                                DG_ENV_STR,      NULL,     NET | LAUNCHER,      "proxy for all"},
	{"NO_PROXY",                                 DG_ENV_STR,      NULL,     NET | LAUNCHER,      "hosts without proxy"},
	{"no_proxy",                                 DG_ENV_STR,      NULL,     NET | LAUNCHER,      "hosts without proxy"},
	{"REQUESTS_CA_BUNDLE",                       DG_ENV_STR,      NULL,     NET | LAUNCHER,      "certificates to trust"},
	{"CURL_CA_BUNDLE",                           DG_ENV_STR,      NULL,     NET | LAUNCHER,      "certificates to trust"},
	{"NETRC",                                    DG_ENV_STR,      NULL,     NET,                 "file of logins"},
	{"HOME",                                     DG_ENV_STR,      NULL,     NET | LAUNCHER,      "where .netrc is looked for"},
};
/* clang-format on */

const struct dg_env_row *
dg_env_row(size_t i)
{
	return i < DG_N(rows) ? &rows[i] : NULL;
}

const char *
dg_env_get(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* Without space around it and "_" between digits. */
static bool
plain(const char *text, char *buf, size_t size)
{
	size_t n = 0, len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (len == 0 || len >= size)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool between = i > 0 && i + 1 < len &&
			       isdigit((unsigned char)text[i - 1]) &&
			       isdigit((unsigned char)text[i + 1]);

		if (text[i] == '_' && between)
			continue;
		buf[n++] = text[i];
	}
	buf[n] = '\0';
	return true;
}

bool
dg_env_int(const char *text, int64_t *ret)
{
	char buf[64], *end;
	const char *digits;

	if (!plain(text, buf, sizeof buf))
		return false;
	digits = buf + (*buf == '-' || *buf == '+');
	if (!isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	*ret = strtoll(buf, &end, 10);
	return *end == '\0' && errno == 0;
}

bool
dg_env_float(const char *text, double *ret)
{
	char buf[64], *end;

	if (!plain(text, buf, sizeof buf) || strpbrk(buf, "xXpP("))
		return false;
	*ret = strtod(buf, &end);
	return *end == '\0' && end > buf && isfinite(*ret);
}

/* The text of the setting, or NULL when the variable's value is none for its type. */
static char *
value_of(const struct dg_env_row *r, const char *text)
{
	int64_t i;
	double d;

	switch (r->type) {
	case DG_ENV_STR:
		return dg_xstrdup(text);
	case DG_ENV_INT:
		return dg_env_int(text, &i) ? dg_xasprintf("%" PRId64, i) : NULL;
	case DG_ENV_POSITIVE:
		return dg_env_int(text, &i) && i > 0 ? dg_xasprintf("%" PRId64, i) : NULL;
	case DG_ENV_FLOAT:
		return dg_env_float(text, &d) ? dg_xasprintf("%.17g", d) : NULL;
	case DG_ENV_NONEMPTY:
		return dg_xstrdup(*text ? "true" : "false");
	case DG_ENV_TRUE:
		return dg_xstrdup(strcmp(text, "true") == 0 ? "true" : "false");
	case DG_ENV_NONE:
		break;
	}
	return NULL;
}

static const char *
default_of(const struct dg_env_row *r, const struct dg_settings *s)
{
	if (!r->value || *r->value != '=')
		return r->value;
	if (strcmp(r->name, "DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS") == 0 &&
		dg_settings_int(s, r->value + 1) < 180)
		return "180";
	return dg_settings_str(s, r->value + 1);
}

void
dg_env_fill(const char *const *env, struct dg_settings *s, struct dg_report *report)
{
	const struct dg_yaml_mark nowhere = {0, 0};

	for (size_t i = 0; i < DG_N(rows); i++) {
		const struct dg_env_row *r = &rows[i];
		const char *text = dg_env_get(env, r->name), *otherwise;
		auto_free char *key = dg_xasprintf("env.%s", r->name);
		auto_free char *value = NULL;

		if (r->type == DG_ENV_NONE) {
			if (text)
				dg_report_warning(report, NULL, nowhere,
					"the environment variable %s has no meaning "
					"here: %s",
					r->name, r->help);
			continue;
		}
		value = text ? value_of(r, text) : NULL;
		if (text && !value && r->type == DG_ENV_POSITIVE)
			dg_report_warning(report, NULL, nowhere,
				"the environment variable %s is not a positive number "
				"and is "
				"ignored",
				r->name);
		else if (text && !value)
			dg_report_error(report, NULL, nowhere,
				"the environment variable %s must be %s", r->name,
				r->type == DG_ENV_INT ? "an integer" : "a number");
		otherwise = default_of(r, s);
		if (value || otherwise)
			dg_settings_set(s, r->roles, key, value ? value : otherwise);
	}
}
