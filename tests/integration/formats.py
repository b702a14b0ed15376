"""What the tests of Dagster's formats share: the tool, and samples of the real classes."""

import json
import os
import subprocess
import sys

import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._serdes import deserialize_value, serialize_value
from dagster._utils.error import SerializableErrorInfo, serializable_error_info_from_exc_info
from dagster_cloud.instance import _cached_inject_deployment
from dagster_cloud.workspace.user_code_launcher.utils import get_instance_ref_for_user_code
from dagster_cloud_cli.core.workspace import CodeLocationDeployData, GitMetadata, PexMetadata
from dagster_shared.serdes.objects.models.defs_state_info import DefsKeyStateInfo, DefsStateInfo

BUILD = os.environ.get("DAGLET_BUILD", os.getcwd())
TOOL = os.path.join(BUILD, "tests", "tools", "dagster-format")


class Refused(Exception):
    """The tool said no; args are the class and the text."""


class Tool:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, *words):
        self.process.stdin.write(json.dumps(words).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the tool died of {words!r}"
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["class"], answer["error"])
        return answer["out"]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def tool():
    t = Tool()
    yield t
    t.close()


BASE = """\
instance_class: {module: dagster_cloud, class: DagsterCloudAgentInstance}
"""
API = """\
dagster_cloud_api: {agent_token: {env: DAGSTER_CLOUD_AGENT_TOKEN}, deployment: prod}
"""
LAUNCHER = """\
user_code_launcher: {module: dagster_cloud.workspace.user_code_launcher, class: ProcessUserCodeLauncher}
"""
PLAIN = BASE + API + LAUNCHER


def python_ref(directory, deployment, kind):
    ref = InstanceRef.from_dir(str(directory))
    ref = ref._replace(
        custom_instance_class_data=_cached_inject_deployment(ref.custom_instance_class_data, deployment))
    return serialize_value(get_instance_ref_for_user_code(ref) if kind == "user" else ref)


def instance_ref(tmp_path):
    (tmp_path / "dagster.yaml").write_text(PLAIN)
    return deserialize_value(python_ref(tmp_path, "prod", "user"), InstanceRef)


def raised(raiser):
    try:
        raiser()
    except Exception:
        return serializable_error_info_from_exc_info(sys.exc_info())
    raise AssertionError("nothing was raised")


def throw(e):
    raise e


LOCATION = 'a "location" ☃'
WHERE = RegisteredCodeLocationOrigin(LOCATION)
REPO = RemoteRepositoryOrigin(WHERE, "__repository__")
JOB = RemoteJobOrigin(REPO, "j")
REF_TEXT = '{"__class__": "InstanceRef", "settings": {}}'

ERROR = SerializableErrorInfo("Exception: x\ny\n", ["  File \"a\"\n"], "Exception",
                              cause=SerializableErrorInfo("ü 😀", [], None))
HARD_TEXT = "plain \" \\ \n \r \t \b \f \x00 \x1f \x7f é ☃ 😀 \uffff end"

STATE = DefsStateInfo(info_mapping={"k": DefsKeyStateInfo(version="1", create_timestamp=1.5), "n": None})
DEPLOY_DATA = [
    CodeLocationDeployData(python_file="defs.py"),
    CodeLocationDeployData(
        package_name="p", image="img:1", working_directory="/w", executable_path="/usr/bin/python3",
        attribute="a", container_context={"env_vars": ["A=b"], "k8s": {"ü": [1, None, 1e16]}},
        cloud_context_env={"DAGSTER_CLOUD_DEPLOYMENT_NAME": "prod", "N": 5, "T": True, "Z": None,
                           "DAGSTER_LOCATION_NAME": "not me"},
        git_metadata=GitMetadata(commit_hash="c", url="u"), defs_state_info=STATE),
    CodeLocationDeployData(module_name="m.n"),
    CodeLocationDeployData(autoload_defs_module_name="m.defs", pex_metadata=PexMetadata("t")),
]
