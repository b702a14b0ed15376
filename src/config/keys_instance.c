/* config/keys_instance.c: the keys of dagster.yaml that belong to Dagster itself.
 *
 * The agent does not read them; they go into instance refs and are checked as Dagster
 * checks them. Source: the instance's config schema in release 1.13.27.
 */
#include "base/mem.h"
#include "config/keys.h"

#define ROW(path, type, flags, help)                                                     \
	{                                                                                \
		path, type, flags, NULL, NULL, 0, DG_CHANGE_ROLE, help                   \
	}
#define SHAPE(path, help) ROW(path, DG_KEY_SHAPE, 0, help)
#define BOOL(path, help) ROW(path, DG_KEY_BOOL, 0, help)
#define INT(path, help) ROW(path, DG_KEY_INT, 0, help)
#define STR(path, help) ROW(path, DG_KEY_STR, 0, help)
#define INT_SRC(path, help) ROW(path, DG_KEY_INT_SRC, 0, help)
#define BOOL_SRC(path, help) ROW(path, DG_KEY_BOOL_SRC, 0, help)
#define STR_SRC(path, flags, help) ROW(path, DG_KEY_STR_SRC, flags, help)

/* {module, class, config} */
#define CLASS(path, flags, help)                                                         \
	ROW(path, DG_KEY_SHAPE, flags, help),                                            \
		ROW(path ".module", DG_KEY_STR, DG_KEY_REQUIRED, "its module"),          \
		ROW(path ".class", DG_KEY_STR, DG_KEY_REQUIRED, "its class"),            \
		ROW(path ".config", DG_KEY_OPEN, 0, "its own keys")

#define DAEMON(path, help)                                                               \
	SHAPE(path, help), BOOL(path ".use_threads", "several at a time"),               \
		INT(path ".num_workers", "how many at a time"),                          \
		INT(path ".num_submit_workers", "how many runs are submitted at a time")

#define TICKS(path)                                                                      \
	SHAPE(path, "how long ticks are kept"),                                          \
		ROW(path ".purge_after_days", DG_KEY_INT_OR_SHAPE, DG_KEY_REQUIRED,      \
			"days, for all or by outcome"),                                  \
		INT(path ".purge_after_days.skipped", "days"),                           \
		INT(path ".purge_after_days.success", "days"),                           \
		INT(path ".purge_after_days.failure", "days"),                           \
		INT(path ".purge_after_days.started", "days")

#define TAG_LIMITS(path)                                                                 \
	ROW(path, DG_KEY_LIST, DG_KEY_NULL, "limits of runs by tag"),                    \
		SHAPE(path "[]", NULL),                                                  \
		ROW(path "[].key", DG_KEY_STR, DG_KEY_REQUIRED, "the tag"),              \
		ROW(path "[].value", DG_KEY_STR_OR_SHAPE, 0, "its value"),               \
		ROW(path "[].value.applyLimitPerUniqueValue", DG_KEY_BOOL,               \
			DG_KEY_REQUIRED, "a limit for each value"),                      \
		ROW(path "[].limit", DG_KEY_INT, DG_KEY_REQUIRED, "how many runs")

static const struct dg_key rows[] = {
	CLASS("local_artifact_storage", 0, "files of the instance"),
	CLASS("compute_logs", 0, "where the output of steps is kept"),
	CLASS("run_storage", 0, "storage of runs"),
	CLASS("event_log_storage", 0, "storage of events"),
	CLASS("schedule_storage", 0, "storage of schedules and sensors"),
	CLASS("scheduler", 0, "the scheduler"),
	CLASS("run_coordinator", 0, "the run coordinator"),
	CLASS("run_launcher", 0, "the run launcher of the instance"),
	CLASS("defs_state_storage", 0, "storage of the state of definitions"),

	ROW("storage", DG_KEY_ONE_OF, 0, "all storages in one place"),
	SHAPE("storage.postgres", "PostgreSQL"),
	STR_SRC("storage.postgres.postgres_url", 0, "its URL"),
	SHAPE("storage.postgres.postgres_db", "its address"),
	STR_SRC("storage.postgres.postgres_db.username", DG_KEY_REQUIRED, "user"),
	STR_SRC("storage.postgres.postgres_db.password", 0, "password"),
	STR_SRC("storage.postgres.postgres_db.hostname", DG_KEY_REQUIRED, "host"),
	STR_SRC("storage.postgres.postgres_db.db_name", DG_KEY_REQUIRED, "database"),
	INT_SRC("storage.postgres.postgres_db.port", "port"),
	ROW("storage.postgres.postgres_db.params", DG_KEY_OPEN, 0, "further parameters"),
	STR_SRC("storage.postgres.postgres_db.scheme", 0, "scheme of the URL"),
	ROW("storage.postgres.auth_provider", DG_KEY_ONE_OF, 0, "who vouches for us"),
	SHAPE("storage.postgres.auth_provider.azure_wif", "Azure"),
	STR_SRC("storage.postgres.auth_provider.azure_wif.scope", 0, "scope"),
	SHAPE("storage.postgres.auth_provider.gcp_wif", "Google"),
	SHAPE("storage.postgres.auth_provider.aws_wif", "AWS"),
	STR_SRC("storage.postgres.auth_provider.aws_wif.region", DG_KEY_REQUIRED,
		"region"),
	BOOL("storage.postgres.should_autocreate_tables", "make missing tables"),
	ROW("storage.mysql", DG_KEY_ONE_OF, 0, "MySQL"),
	STR_SRC("storage.mysql.mysql_url", 0, "its URL"),
	SHAPE("storage.mysql.mysql_db", "its address"),
	STR_SRC("storage.mysql.mysql_db.username", DG_KEY_REQUIRED, "user"),
	STR_SRC("storage.mysql.mysql_db.password", DG_KEY_REQUIRED, "password"),
	STR_SRC("storage.mysql.mysql_db.hostname", DG_KEY_REQUIRED, "host"),
	STR_SRC("storage.mysql.mysql_db.db_name", DG_KEY_REQUIRED, "database"),
	INT_SRC("storage.mysql.mysql_db.port", "port"),
	SHAPE("storage.sqlite", "SQLite"),
	STR_SRC("storage.sqlite.base_dir", DG_KEY_REQUIRED, "its folder"),
	CLASS("storage.custom", 0, "a class of your own"),

	SHAPE("run_queue", "the queue of runs"),
	INT_SRC("run_queue.max_concurrent_runs", "how many runs at a time"),
	TAG_LIMITS("run_queue.tag_concurrency_limits"),
	INT_SRC("run_queue.dequeue_interval_seconds", "seconds between two looks"),
	BOOL("run_queue.dequeue_use_threads", "several at a time"),
	INT_SRC("run_queue.dequeue_num_workers", "how many at a time"),
	INT_SRC("run_queue.max_user_code_failure_retries", "repetitions"),
	INT_SRC("run_queue.user_code_failure_retry_delay", "seconds between them"),
	SHAPE("run_queue.block_op_concurrency_limited_runs", "runs without a free slot"),
	BOOL("run_queue.block_op_concurrency_limited_runs.enabled", "hold them"),
	INT("run_queue.block_op_concurrency_limited_runs.op_concurrency_slot_buffer",
		"how many may wait"),

	SHAPE("telemetry", "anonymous usage data"),
	BOOL("telemetry.enabled", "send them"),
	SHAPE("nux", "hints for new users"),
	BOOL("nux.enabled", "show them"),

	SHAPE("python_logs", "Python's loggers in runs"),
	ROW("python_logs.managed_python_loggers", DG_KEY_LIST, 0, "loggers to capture"),
	ROW("python_logs.managed_python_loggers[]", DG_KEY_STR, 0, NULL),
	STR("python_logs.python_log_level", "from this level on"),
	SHAPE("python_logs.dagster_handler_config", "further handlers"),
	ROW("python_logs.dagster_handler_config.handlers", DG_KEY_OPEN, 0, "handlers"),
	ROW("python_logs.dagster_handler_config.formatters", DG_KEY_OPEN, 0,
		"formatters"),
	ROW("python_logs.dagster_handler_config.filters", DG_KEY_OPEN, 0, "filters"),

	SHAPE("run_monitoring", "watching runs"),
	BOOL("run_monitoring.enabled", "watch them"),
	INT("run_monitoring.start_timeout_seconds", "seconds"),
	INT("run_monitoring.cancel_timeout_seconds", "seconds"),
	INT("run_monitoring.max_runtime_seconds", "seconds"),
	INT("run_monitoring.max_resume_run_attempts", "attempts"),
	INT("run_monitoring.poll_interval_seconds", "seconds"),
	INT("run_monitoring.cancellation_thread_poll_interval_seconds", "seconds"),
	INT("run_monitoring.free_slots_after_run_end_seconds", "seconds"),

	SHAPE("run_retries", "repeating failed runs"),
	BOOL("run_retries.enabled", "repeat them"),
	INT("run_retries.max_retries", "how often"),
	BOOL("run_retries.retry_on_asset_or_op_failure", "also when a step failed"),

	SHAPE("code_servers", "code servers of open-source daemons"),
	INT("code_servers.local_startup_timeout", "seconds"),
	INT("code_servers.reload_timeout", "seconds"),
	BOOL("code_servers.wait_for_local_processes_on_shutdown", "wait for their end"),

	ROW("secrets", DG_KEY_ONE_OF, 0, "the loader of secrets"),
	CLASS("secrets.custom", 0, "a class of your own"),

	SHAPE("retention", "how long ticks are kept"),
	TICKS("retention.schedule"),
	TICKS("retention.sensor"),
	TICKS("retention.auto_materialize"),

	DAEMON("backfills", "evaluating backfills"),
	DAEMON("sensors", "evaluating sensors"),
	DAEMON("schedules", "evaluating schedules"),

	SHAPE("auto_materialize", "declarative automation"),
	BOOL_SRC("auto_materialize.enabled", "evaluate it"),
	INT_SRC("auto_materialize.minimum_interval_seconds", "seconds between two"),
	ROW("auto_materialize.run_tags", DG_KEY_OPEN, 0, "tags of its runs"),
	BOOL_SRC("auto_materialize.respect_materialization_data_versions", "versions"),
	INT_SRC("auto_materialize.max_tick_retries", "repetitions"),
	BOOL_SRC("auto_materialize.use_sensors", "through sensors"),
	BOOL("auto_materialize.use_threads", "several at a time"),
	INT("auto_materialize.num_workers", "how many at a time"),

	SHAPE("freshness", "freshness of assets"),
	ROW("freshness.enabled", DG_KEY_BOOL, DG_KEY_REQUIRED, "evaluate it"),

	SHAPE("concurrency", "limits of concurrency"),
	SHAPE("concurrency.pools", "pools"),
	INT("concurrency.pools.default_limit", "limit of a pool without one"),
	STR("concurrency.pools.granularity", "run or op"),
	INT("concurrency.pools.op_granularity_run_buffer", "runs that may wait"),
	SHAPE("concurrency.runs", "runs"),
	INT("concurrency.runs.max_concurrent_runs", "how many at a time"),
	TAG_LIMITS("concurrency.runs.tag_concurrency_limits"),
	INT("concurrency.default_op_concurrency_limit", "use pools.default_limit"),
};

const struct dg_key_table dg_keys_instance = {rows, DG_N(rows)};
