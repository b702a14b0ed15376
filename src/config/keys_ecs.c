/* config/keys_ecs.c: the keys of user_code_launcher.config of the Amazon ECS backend. */
#include "base/mem.h"
#include "config/keys.h"

#define C "user_code_launcher.config."
#define ROW(path, type, flags, value, range, help)                                       \
	{                                                                                \
		C path, type, flags, value, range, 0, DG_CHANGE_ROLE, help               \
	}
#define STR(path, flags, help) ROW(path, DG_KEY_STR_SRC, flags, NULL, NULL, help)
#define TAGS(path, help)                                                                 \
	ROW(path, DG_KEY_LIST, 0, NULL, NULL, help),                                     \
		ROW(path "[]", DG_KEY_SHAPE, 0, NULL, NULL, "a tag"),                    \
		STR(path "[].key", DG_KEY_REQUIRED, "its name"),                         \
		STR(path "[].value", 0, "its value")
#define RESOURCES(path, help)                                                            \
	ROW(path, DG_KEY_OPEN, 0, NULL, NULL, help),                                     \
		ROW(path ".cpu", DG_KEY_STR, 0, NULL, NULL, "CPU units"),                \
		ROW(path ".memory", DG_KEY_STR, 0, NULL, NULL, "MiB of memory"),         \
		ROW(path ".ephemeral_storage", DG_KEY_INT, 0, NULL, NULL, "GiB of disk")
#define CONTAINERS(path, help)                                                           \
	ROW(path, DG_KEY_LIST, 0, NULL, NULL, help),                                     \
		ROW(path "[]", DG_KEY_OPEN, 0, NULL, NULL, "a container definition")
#define METRICS(path, help)                                                              \
	ROW(path, DG_KEY_SHAPE, 0, NULL, NULL, help),                                    \
		ROW(path ".enabled", DG_KEY_BOOL, 0, "false", NULL, "collect them")

static const struct dg_key rows[] = {
	STR("cluster", DG_KEY_REQUIRED, "name or ARN of the cluster"),
	ROW("subnets", DG_KEY_LIST, DG_KEY_REQUIRED, NULL, NULL, "of tasks and services"),
	STR("subnets[]", 0, "a subnet's id"),
	ROW("security_group_ids", DG_KEY_LIST, 0, NULL, NULL, "of tasks and services"),
	STR("security_group_ids[]", 0, "a security group's id"),
	STR("execution_role_arn", DG_KEY_REQUIRED, "role that starts tasks"),
	STR("task_role_arn", 0, "role that tasks have"),
	STR("log_group", DG_KEY_REQUIRED, "CloudWatch log group"),
	STR("service_discovery_namespace_id", DG_KEY_REQUIRED,
		"Cloud Map namespace that code servers are found in"),
	STR("service_discovery_role_arn", 0, "role for calls to Cloud Map"),
	ROW("service_discovery_reconcile_interval", DG_KEY_INT_SRC, 0, "300", NULL,
		"seconds between looks at Cloud Map"),
	ROW("secrets", DG_KEY_LIST, 0, NULL, NULL, "secrets for all tasks"),
	ROW("secrets[]", DG_KEY_STR_OR_SHAPE, 0, NULL, NULL,
		"a secret (a string: its ARN)"),
	STR("secrets[].name", DG_KEY_REQUIRED, "variable that it becomes"),
	STR("secrets[].valueFrom", DG_KEY_REQUIRED, "ARN of the secret"),
	ROW("secrets_tag", DG_KEY_STR_SRC, DG_KEY_NULL, NULL, NULL,
		"secrets with this tag go to all tasks"),
	ROW("env_vars", DG_KEY_LIST, 0, NULL, NULL, "environment of all tasks"),
	STR("env_vars[]", 0, "KEY=VALUE, or KEY: the agent's own value"),
	ROW("ecs_timeout", DG_KEY_INT_SRC, 0, "600", NULL,
		"seconds until a new service must have a running task"),
	ROW("ecs_grace_period", DG_KEY_INT_SRC, 0, "30", NULL,
		"seconds for which a new service may be unknown to ECS"),
	ROW("launch_type", DG_KEY_STR, 0, "FARGATE", "FARGATE|EC2", "where tasks run"),
	METRICS("code_server_metrics", "metrics of code servers in heartbeats"),
	METRICS("agent_metrics", "metrics of the agent in heartbeats"),
	ROW("enable_ecs_exec", DG_KEY_BOOL, 0, "false", NULL, "allow commands in tasks"),
	ROW("server_task_definition_prefix", DG_KEY_STR, 0, "server", NULL,
		"how families of code servers begin"),
	ROW("run_task_definition_prefix", DG_KEY_STR, 0, "dagsterrun", NULL,
		"how families of runs begin"),
	ROW("assign_public_ip", DG_KEY_BOOL, DG_KEY_NULL, NULL, NULL,
		"give Fargate tasks a public address"),
	RESOURCES("server_resources", "of code servers"),
	ROW("server_resources.replica_count", DG_KEY_INT, 0, "1", NULL,
		"tasks per code server"),
	RESOURCES("run_resources", "of runs"),
	ROW("runtime_platform", DG_KEY_SHAPE, 0, NULL, NULL, "what tasks run on"),
	STR("runtime_platform.cpuArchitecture", 0, "X86_64 or ARM64"),
	STR("runtime_platform.operatingSystemFamily", 0, "LINUX, ..."),
	ROW("volumes", DG_KEY_LIST, 0, NULL, NULL, "volumes of all tasks"),
	ROW("volumes[]", DG_KEY_OPEN, 0, NULL, NULL, "a volume, in ECS's words"),
	STR("volumes[].name", 0, "its name"),
	ROW("mount_points", DG_KEY_LIST, 0, NULL, NULL, "where volumes are mounted"),
	ROW("mount_points[]", DG_KEY_SHAPE, 0, NULL, NULL, "one of them"),
	STR("mount_points[].sourceVolume", 0, "name of the volume"),
	STR("mount_points[].containerPath", 0, "path in the container"),
	ROW("mount_points[].readOnly", DG_KEY_BOOL_SRC, 0, NULL, NULL,
		"not to be written"),
	CONTAINERS("server_sidecar_containers", "beside code servers"),
	CONTAINERS("run_sidecar_containers", "beside runs"),
	TAGS("server_ecs_tags", "of code servers"),
	TAGS("run_ecs_tags", "of runs"),
	ROW("server_health_check", DG_KEY_OPEN, 0, NULL, NULL,
		"health check of code servers, in ECS's words"),
	STR("repository_credentials", 0, "ARN of a registry's credentials"),
};

const struct dg_key_table dg_keys_ecs = {rows, DG_N(rows)};
