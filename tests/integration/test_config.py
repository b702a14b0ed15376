"""The config room against the Python agent: what one refuses the other refuses, and what both
take means the same."""

import contextlib
import copy
import glob
import json
import os
import random
import subprocess
import tempfile

import pytest
import yaml

BUILD = os.environ.get("DAGLET_BUILD", os.getcwd())
TOOL = os.path.join(BUILD, "tests", "tools", "config-check")
FIXTURES = os.path.join(os.path.dirname(__file__), "..", "fixtures")
ENV = {
    "BAD_INT": "ten",
    "TOKEN": "agent:acme:65757fba-bf17-811b-8b4d-367ea841a3b0",
    "SECOND_DEPLOYMENT": "dev",
    "YEA": "True",
    "SIX": "6",
}
# What daglet refuses at start and the Python agent only when it first needs it, or never.
ONLY_DAGLET_REFUSES = (
    "there is no user code launcher",
    "this build has no",
    "socket option",
    "a value in dagster_cloud_api.headers",
    "a value in dagster_cloud_api.cookies",
    "a name in dagster_cloud_api.",
    "is too large",
)


class Tool:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENV)

    def ask(self, text):
        data = text.encode()
        self.process.stdin.write(b"%d\n" % len(data) + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the tool died of {text!r}"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def tool():
    t = Tool()
    yield t
    t.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)


@contextlib.contextmanager
def python_agent(text):
    """The Python agent's view of a dagster.yaml: its instance and its launcher's config."""
    from dagster._config import process_config
    from dagster._core.instance.ref import InstanceRef
    from dagster_cloud.instance import DagsterCloudAgentInstance
    from dagster_cloud.workspace.user_code_launcher import ProcessUserCodeLauncher

    with tempfile.TemporaryDirectory() as home:
        with open(os.path.join(home, "dagster.yaml"), "w", encoding="utf-8") as f:
            f.write(text)
        ref = InstanceRef.from_dir(home)
        data = ref.custom_instance_class_data
        assert (data.module_name, data.class_name) in (
            ("dagster_cloud", "DagsterCloudAgentInstance"),
            ("dagster_cloud.instance", "DagsterCloudAgentInstance"),
        )
        schema = DagsterCloudAgentInstance.config_schema()
        config = process_config(schema, data.config_dict)
        assert config.success, config.errors
        checked = DagsterCloudAgentInstance.__new__(DagsterCloudAgentInstance)
        # the part of __init__ that looks at the configuration
        d = data.config_dict
        checked._dagster_cloud_api_config = checked._get_processed_config(
            "dagster_cloud_api", d["dagster_cloud_api"], schema["dagster_cloud_api"].config_type)
        api = checked._dagster_cloud_api_config
        assert not (api.get("deployment") and api.get("deployments"))
        assert not (d.get("isolated_agents") and d.get("agent_replicas"))
        assert d.get("user_code_launcher")
        assert checked.dagster_cloud_url
        config = d["user_code_launcher"].get("config", {})
        launcher = process_config(ProcessUserCodeLauncher.config_type(), config)
        assert launcher.success, launcher.errors
        yield checked, api, launcher.value, ref


def python_takes(text):
    try:
        with python_agent(text):
            return True
    except Exception:
        return False


def check(tool, text):
    ours = tool.ask(text)
    if any(known in ours["errors"] for known in ONLY_DAGLET_REFUSES):
        return
    takes = python_takes(text)
    verdict = "takes" if takes else "refuses"
    assert takes == (ours["errors"] == ""), f"Python {verdict}\n{text}\n{ours['errors']}"


def documents(folder):
    return sorted(glob.glob(os.path.join(FIXTURES, folder, "*.yaml")))


@pytest.mark.parametrize("path", documents("bad") + documents("good"), ids=os.path.basename)
def test_python_judges_the_fixtures_alike(tool, path):
    with open(path, encoding="utf-8") as f:
        check(tool, f.read())


def text_of(v):
    if v is None or isinstance(v, str):
        return v
    if isinstance(v, bool):
        return "true" if v else "false"
    return repr(v)


def same_setting(settings, key, v):
    if isinstance(v, dict) and key.split(".")[-1] not in ("headers", "cookies", "proxies"):
        for k, inner in v.items():
            same_setting(settings, f"{key}.{k}", inner)
    elif isinstance(v, dict):
        assert sorted([k, text_of(x)] for k, x in v.items()) == sorted(settings.get(key) or []), key
    elif isinstance(v, list) and not key.endswith("socket_options"):
        assert [[None, text_of(x)] for x in v] == (settings.get(key) or []), key
    elif not isinstance(v, list) and key not in NOT_FOR_ROLES:
        assert settings.get(key) == text_of(v), key


NOT_FOR_ROLES = ("dagster_cloud_api.method", "user_code_launcher.config.defer_job_snapshots")


@pytest.mark.parametrize("path", documents("good"), ids=os.path.basename)
def test_values_and_defaults_are_the_python_agents(tool, path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    settings = tool.ask(text)["settings"]
    with python_agent(text) as (instance, api, launcher, ref):
        assert settings["url"] == instance.dagster_cloud_url
        for key, v in api.items():
            if key == "backoff_factor":
                assert float(settings["dagster_cloud_api.backoff_factor"]) == v
            elif key == "deployment" and isinstance(v, list):
                assert settings["deployments"] == [[None, x] for x in v]
            else:
                same_setting(settings, f"dagster_cloud_api.{key}", v)
        same_setting(settings, "user_code_launcher.config", launcher)
        # what the launcher makes instance refs of is the same document
        raw = yaml.safe_load(settings["raw.dagster_yaml"])
        keys = type(instance).config_schema().keys()
        theirs = ref.custom_instance_class_data.config_yaml
        assert yaml.dump({k: v for k, v in raw.items() if k in keys}) == theirs


VALUES = [
    None, True, False, 0, 1, -1, 5, 180, 1.5, "x", "", "6", "true", [], ["a"], [1], {}, {"enabled": True},
    {"env": "TOKEN"}, {"env": "SIX"}, {"env": "YEA"}, {"env": "NO_SUCH_VARIABLE"}, {"env": "BAD_INT"},
    {"env": 1}, {"env": "SIX", "x": 1}, {"a": "b"}, {"a": ["b"]}, [["SOL_SOCKET", "SO_KEEPALIVE", 1]],
]
KEYS = [
    "enabled", "config", "module", "class", "env", "timeout", "retries", "deployment", "deployments", "x",
    "ttl_seconds", "full_deployments", "agent_replicas", "run_queue", "storage", "custom", "sqlite",
    "purge_after_days", "value", "limit", "pools", "granularity",
]


def places(v, path=()):
    """Every map and list inside, as paths."""
    yield path
    for k, inner in v.items() if isinstance(v, dict) else enumerate(v):
        if isinstance(inner, (dict, list)):
            yield from places(inner, path + (k,))


def mutate(r, doc):
    here = doc
    for k in r.choice(list(places(doc))):
        here = here[k]
    if isinstance(here, list):
        here.insert(r.randint(0, len(here)), copy.deepcopy(r.choice(VALUES)))
    elif here and r.random() < 0.3:
        del here[r.choice(list(here))]
    elif here and r.random() < 0.6:
        here[r.choice(list(here))] = copy.deepcopy(r.choice(VALUES))
    else:
        here[r.choice(KEYS)] = copy.deepcopy(r.choice(VALUES))


@pytest.mark.parametrize("seed", range(8))
def test_mutilated_documents_are_judged_alike(tool, seed):
    docs = []
    for path in documents("good"):
        with open(path, encoding="utf-8") as f:
            docs.append(f.read())
    r = random.Random(seed)
    for _ in range(50):
        doc = yaml.safe_load(r.choice(docs))
        for _ in range(r.choice([1, 1, 2])):
            mutate(r, doc)
        check(tool, yaml.dump(doc))


def test_lists_for_the_documentation(tool):
    def run(flag):
        return subprocess.run([TOOL, flag], stdout=subprocess.PIPE, check=True, text=True).stdout

    assert "\n#on_stop: auto\n" in run("--sample")
    rows = [line.split("\t") for line in run("--keys").splitlines()]
    assert all(len(row) == 5 for row in rows) and len(rows) > 150
    assert all(len(line.split("\t")) == 3 for line in run("--env").splitlines())
