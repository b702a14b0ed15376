"""Instance refs, byte for byte as the Python agent's."""

import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import deserialize_value
from formats import API, BASE, LAUNCHER, PLAIN, python_ref, Refused, tool  # noqa: F401

CONFIGURATIONS = {
    "plain": PLAIN,
    "module of old": "instance_class: {module: dagster_cloud.instance, class: DagsterCloudAgentInstance}\n"
    + API + LAUNCHER,
    "label, url, time-outs": BASE + LAUNCHER + """\
dagster_cloud_api:
  url: {env: URL_OF_MINE}
  agent_token: "a literal: token"
  agent_label: Größe "x" ☃ 😀
  deployment: prod
  timeout: 61
  retries: 7
  backoff_factor: 0.25
  method: POST
  verify: no
  headers: {X-A: b, "123": "456", 'y': "yes"}
  cookies: {}
  proxies: {http: "http://p:1"}
  socket_options: [[SOL_SOCKET, SO_KEEPALIVE, 1], ["IPPROTO_TCP", "TCP_NODELAY", 0x1]]
""",
    "deployments and branches": BASE + LAUNCHER + """\
dagster_cloud_api:
  agent_token: t
  deployments: [prod, {env: SECOND}]
  branch_deployments: true
""",
    "deployments empty, branches false": BASE + LAUNCHER + """\
dagster_cloud_api: {agent_token: t, deployments: [], branch_deployments: false, all_serverless_deployments: true}
""",
    "branches from the environment": BASE + LAUNCHER + """\
dagster_cloud_api: {agent_token: t, branch_deployments: {env: BRANCHES}}
""",
    "deployment is a list": BASE + LAUNCHER + """\
dagster_cloud_api: {agent_token: t, deployment: [a, b]}
""",
    "queues, isolation, allowed locations": PLAIN + """\
agent_queues: {include_default_queue: false, additional_queues: [gpu, cpu]}
isolated_agents: {enabled: true}
agent_replicas: {enabled: off}
allowed_full_deployment_locations: {prod: [a, "1"], dev: []}
allowed_branch_deployment_locations: [x]
""",
    "metrics": BASE + API + """\
user_code_launcher:
  module: dagster_cloud
  class: ProcessUserCodeLauncher
  config:
    agent_metrics: {enabled: true}
    code_server_metrics: {enabled: true}
    server_ttl: {full_deployments: {enabled: true, ttl_seconds: 100}, max_servers: 3}
    server_process_startup_timeout: {env: STARTUP}
    wait_for_processes: true
""",
    "metrics alone": BASE + API + """\
user_code_launcher:
  module: dagster_cloud
  class: ProcessUserCodeLauncher
  config: {agent_metrics: {enabled: true}}
""",
    "config empty": BASE + API + """\
user_code_launcher: {module: dagster_cloud, class: ProcessUserCodeLauncher, config: {}}
""",
    "docker": BASE + API + """\
user_code_launcher:
  module: dagster_cloud.workspace.docker
  class: DockerUserCodeLauncher
  config:
    networks: [n1, n2]
    env_vars: [A, "B=1", 'C=x: y']
    container_kwargs: {auto_remove: true, volumes: ["/a:/b:ro"], mem_limit: 1.5e+3, odd: .5, none: ~, oct: 010, time: 2020-01-01, sexa: 1:30}
""",
    "anchors": BASE + LAUNCHER + """\
dagster_cloud_api: {agent_token: {env: T}, deployment: prod, headers: &h {A: b}, cookies: *h, socket_options: [&s [1, 2], *s]}
isolated_agents: &e {enabled: true}
agent_replicas: *e
allowed_full_deployment_locations: {a: &x [1a, 2b], b: *x}
allowed_branch_deployment_locations: *x
compute_logs: {module: dagster.core.storage.noop_compute_log_manager, class: N, config: {a: *h, b: *h, c: *e}}
""",
    "anchor of the launcher's config": BASE + API + """\
user_code_launcher:
  module: dagster_cloud.workspace.docker
  class: DockerUserCodeLauncher
  config: &c {agent_metrics: {enabled: true}, env_vars: &v [A], networks: *v}
compute_logs: {module: m, class: c, config: *c}
""",
    "merge key": BASE + API + """\
user_code_launcher:
  module: dagster_cloud
  class: ProcessUserCodeLauncher
  config: {<<: {a: 1, b: 2}, b: 3}
""",
    "compute logs": PLAIN + """\
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
""",
    "compute logs to S3": PLAIN + """\
compute_logs:
  module: dagster_aws.s3.compute_log_manager
  class: S3ComputeLogManager
  config: {bucket: b, prefix: {env: PREFIX}, use_ssl: true, upload_interval: 30, upload_extra_args: {ServerSideEncryption: AES256}}
""",
    "local storage, secrets, defs state": PLAIN + """\
local_artifact_storage: {module: dagster._core.storage.root, class: LocalArtifactStorage, config: {base_dir: /x}}
secrets: {custom: {module: my.secrets, class: Mine, config: {a: {env: B}}}}
defs_state_storage: {module: dagster.x, class: Y}
scheduler: {module: dagster.core.scheduler, class: DagsterDaemonScheduler, config: {max_catchup_runs: 5}}
run_launcher: {module: dagster_cloud.execution.x, class: Z, config: {q: [1, 2, {w: null}]}}
""",
    "run queue": PLAIN + """\
run_queue: {max_concurrent_runs: 7, tag_concurrency_limits: [{key: a, value: b, limit: 2}, {key: c, limit: 1, value: {applyLimitPerUniqueValue: true}}]}
""",
    "run coordinator": PLAIN + """\
run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}
""",
    "settings": PLAIN + """\
telemetry: {enabled: false}
python_logs: {python_log_level: INFO, managed_python_loggers: [a, "ü"], dagster_handler_config: {handlers: {h: {class: x, level: 10, f: 1.0, big: 123456789012345678901234567890, e: 1e+30, t: 2020-01-01}}}}
run_monitoring: {enabled: true, start_timeout_seconds: 1_000, max_runtime_seconds: 0x10}
run_retries: {enabled: true, max_retries: 3}
code_servers: {local_startup_timeout: 5}
retention: {schedule: {purge_after_days: 90}, sensor: {purge_after_days: {skipped: 7, failure: -1}}}
backfills: {use_threads: true, num_workers: 3}
sensors: {}
schedules: {num_workers: 2}
nux: {enabled: false}
auto_materialize: {enabled: true, minimum_interval_seconds: {env: M}, run_tags: {b: c, a: "1"}}
concurrency: {pools: {default_limit: 1, granularity: run}}
freshness: {enabled: true}
""",
    "three storages": PLAIN + """\
run_storage: {module: dagster.core.storage.runs, class: SqliteRunStorage, config: {base_dir: /r}}
schedule_storage: {module: m, class: c}
""",
    "storage postgres": PLAIN + """\
storage: {postgres: {postgres_db: {hostname: h, username: u, password: {env: P}, db_name: d, port: 5432}}}
""",
    "storage mysql": PLAIN + "storage: {mysql: {mysql_url: {env: U}}}\n",
    "storage sqlite": PLAIN + "storage: {sqlite: {base_dir: /var/lib/d}}\n",
    "storage sqlite from the environment": PLAIN + "storage: {sqlite: {base_dir: {env: D}}}\n",
    "storage custom": PLAIN + "storage: {custom: {module: dagster.core.storage.x, class: C, config: {a: b}}}\n",
    "long texts": BASE + LAUNCHER + """\
dagster_cloud_api:
  agent_token: t
  deployment: "with space"
  agent_label: "%s"
  headers: {a: "line\\nline\\n", b: " lead", c: "trail ", d: "", e: "null", f: "1.0", g: "- x", h: "a # b", i: "it's", "j: k": "\\t\\x07"}
""" % ("a word and " * 30),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("deployment", ["prod", "a-branch: 1 ü", "yes"])
def test_instance_ref(tool, tmp_path, name, deployment):
    (tmp_path / "dagster.yaml").write_text(CONFIGURATIONS[name], encoding="utf-8")
    for kind in ("deployment", "user"):
        ours = tool("ref", kind, CONFIGURATIONS[name], str(tmp_path), deployment)
        assert ours == python_ref(tmp_path, deployment, kind)
        assert isinstance(deserialize_value(ours, InstanceRef), InstanceRef)


def test_instance_ref_with_a_token_file(tool, tmp_path):
    """daglet's own token_file: the ref is that of a configuration which names the variable."""
    literal = BASE + LAUNCHER + "dagster_cloud_api: {agent_token: literal, deployment: prod}\n"
    (tmp_path / "dagster.yaml").write_text(PLAIN, encoding="utf-8")
    for kind in ("deployment", "user"):
        ours = tool("ref", kind, literal, str(tmp_path), "prod", "DAGSTER_CLOUD_AGENT_TOKEN")
        assert ours == python_ref(tmp_path, "prod", kind)
        assert "literal" not in ours


@pytest.mark.parametrize("text, word", [
    ("a: [", "dagster.yaml"),
    ("- a", "mapping"),
    (PLAIN + "compute_logs: {module: [x], class: y}", "compute_logs"),
    (PLAIN + "storage: {other: 1}", "storage"),
    (PLAIN + "python_logs: {dagster_handler_config: {handlers: {1: x}}}", "python_logs"),
])
def test_instance_ref_refused(tool, text, word):
    with pytest.raises(Refused) as e:
        tool("ref", "user", text, "/h", "prod")
    assert e.value.args[0] == "config"
    assert word in e.value.args[1] or word == "dagster.yaml"
