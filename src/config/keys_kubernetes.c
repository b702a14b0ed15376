/* config/keys_kubernetes.c: the keys of user_code_launcher.config of the Kubernetes
 * backend. */
#include "base/mem.h"
#include "config/keys.h"

#define C "user_code_launcher.config."
#define ROW(path, type, flags, value, help)                                              \
	{                                                                                \
		C path, type, flags, value, NULL, 0, DG_CHANGE_ROLE, help                \
	}
#define STR(path, flags, help) ROW(path, DG_KEY_STR_SRC, flags, NULL, help)
#define INT(path, value, help) ROW(path, DG_KEY_INT_SRC, 0, value, help)
#define OPEN(path, help) ROW(path, DG_KEY_OPEN, 0, NULL, help)
#define NAMES(path, help, item)                                                          \
	ROW(path, DG_KEY_LIST, DG_KEY_NULL, NULL, help), STR(path "[]", 0, item)
#define METRICS(path, help)                                                              \
	ROW(path, DG_KEY_SHAPE, 0, NULL, help),                                          \
		ROW(path ".enabled", DG_KEY_BOOL, 0, "false", "collect them")
#define ONLY "only_allow_user_defined_k8s_config_fields"
#define ALLOWED(path)                                                                    \
	ROW(ONLY "." path, DG_KEY_MAP, 0, NULL, "its allowed fields"),                   \
		ROW(ONLY "." path ".*", DG_KEY_BOOL, 0, NULL, "allowed")

static const struct dg_key rows[] = {
	STR("dagster_home", DG_KEY_REQUIRED, "DAGSTER_HOME of runs"),
	STR("instance_config_map", DG_KEY_REQUIRED, "accepted; no config map is mounted"),
	STR("kubeconfig_file", 0, "absent: the pod's own service account"),
	STR("k8s_api_ssl_ca_cert_file", 0,
		"certificates that the API server is checked by"),
	ROW("namespace", DG_KEY_STR_SRC, 0, "default", "of code servers and runs"),
	INT("deployment_startup_timeout", "300",
		"seconds until a rollout must be complete"),
	INT("image_pull_grace_period", "30",
		"seconds after which a pod that waits for its image has failed"),
	INT("server_replica_count", NULL, "pods per code server"),
	ROW("pull_policy", DG_KEY_STR_SRC, DG_KEY_NULL, NULL, "when images are pulled"),
	ROW("service_account_name", DG_KEY_STR_SRC, DG_KEY_NULL, NULL, "of pods"),
	NAMES("env_config_maps", "config maps that become environment", "a config map"),
	NAMES("env_secrets", "secrets that become environment", "a secret"),
	ROW("env_vars", DG_KEY_LIST, DG_KEY_NULL, NULL, "environment of all pods"),
	ROW("env_vars[]", DG_KEY_STR, 0, NULL,
		"KEY=VALUE, or KEY: the agent's own value"),
	ROW("volume_mounts", DG_KEY_LIST, 0, NULL, "where volumes are mounted"),
	OPEN("volume_mounts[]", "one of them, in Kubernetes' words"),
	STR("volume_mounts[].name", DG_KEY_REQUIRED, "name of the volume"),
	STR("volume_mounts[].mount_path", 0, "path in the container"),
	STR("volume_mounts[].mount_propagation", 0, "to and from the host"),
	ROW("volume_mounts[].read_only", DG_KEY_BOOL_SRC, 0, NULL, "not to be written"),
	STR("volume_mounts[].sub_path", 0, "path in the volume"),
	STR("volume_mounts[].sub_path_expr", 0, "the same, with variables"),
	ROW("volumes", DG_KEY_LIST, 0, NULL, "volumes of all pods"),
	OPEN("volumes[]", "one of them, in Kubernetes' words"),
	ROW("volumes[].name", DG_KEY_STR, DG_KEY_REQUIRED, NULL, "its name"),
	ROW("image_pull_secrets", DG_KEY_LIST, DG_KEY_NULL, NULL,
		"for private registries"),
	ROW("image_pull_secrets[]", DG_KEY_SHAPE, 0, NULL, "one of them"),
	STR("image_pull_secrets[].name", DG_KEY_REQUIRED, "name of the secret"),
	OPEN("labels", "of everything that is made"),
	ROW("resources", DG_KEY_SHAPE, DG_KEY_NULL, NULL, "of code servers and runs"),
	OPEN("resources.limits", "at most"),
	OPEN("resources.requests", "at least"),
	STR("scheduler_name", 0, "of pods"),
	OPEN("security_context", "of containers"),
	ROW("server_k8s_config", DG_KEY_SHAPE, 0, NULL,
		"more for code servers, as it is"),
	OPEN("server_k8s_config.container_config", "of the container"),
	OPEN("server_k8s_config.pod_spec_config", "of the pod"),
	OPEN("server_k8s_config.pod_template_spec_metadata", "of the pod's metadata"),
	OPEN("server_k8s_config.deployment_metadata", "of the Deployment's metadata"),
	OPEN("server_k8s_config.service_metadata", "of the Service's metadata"),
	OPEN("server_k8s_config.service_spec_config", "of the Service"),
	ROW("run_k8s_config", DG_KEY_SHAPE, 0, NULL, "more for runs, as it is"),
	OPEN("run_k8s_config.container_config", "of the container"),
	OPEN("run_k8s_config.pod_template_spec_metadata", "of the pod's metadata"),
	OPEN("run_k8s_config.pod_spec_config", "of the pod"),
	OPEN("run_k8s_config.job_config", "of the Job"),
	OPEN("run_k8s_config.job_metadata", "of the Job's metadata"),
	OPEN("run_k8s_config.job_spec_config", "of the Job's spec"),
	ROW("fail_pod_on_run_failure", DG_KEY_BOOL, 0, NULL,
		"a run that fails ends with an exit code that says so"),
	ROW(ONLY, DG_KEY_SHAPE, 0, NULL, "what locations and runs may set"),
	ALLOWED("container_config"),
	ALLOWED("pod_spec_config"),
	ALLOWED("pod_template_spec_metadata"),
	ALLOWED("job_metadata"),
	ALLOWED("job_spec_config"),
	ALLOWED("deployment_metadata"),
	ALLOWED("service_metadata"),
	ALLOWED("service_spec_config"),
	ROW(ONLY ".namespace", DG_KEY_BOOL, 0, NULL, "a namespace of their own"),
	ROW("only_allow_user_defined_env_vars", DG_KEY_LIST, 0, NULL,
		"variables that locations and runs may set"),
	ROW("only_allow_user_defined_env_vars[]", DG_KEY_STR, 0, NULL, "a variable"),
	METRICS("code_server_metrics", "metrics of code servers in heartbeats"),
	METRICS("agent_metrics", "metrics of the agent in heartbeats"),
};

const struct dg_key_table dg_keys_kubernetes = {rows, DG_N(rows)};
