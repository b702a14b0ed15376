"""Requests, answers, errors, code servers and workspaces, against the real classes' own bytes."""

import json
import random

import dagster._check as check
import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc import types as grpc_types
from dagster._record import copy as record_copy
from dagster._serdes import deserialize_value, serialize_value
from dagster._utils.error import SerializableErrorInfo, truncate_serialized_error
from dagster_cloud.api import dagster_cloud_api as api
from dagster_cloud.workspace.user_code_launcher.utils import get_grpc_server_env
from dagster_cloud_cli.core.workspace import CodeLocationDeployData
from formats import (
    DEPLOY_DATA,
    ERROR,
    HARD_TEXT,
    instance_ref,
    JOB,
    LOCATION,
    raised,
    REF_TEXT,
    Refused,
    REPO,
    throw,
    tool,
    WHERE,
)

# --- requests ----------------------------------------------------------------------------------

SENSOR = grpc_types.SensorExecutionArgs(
    repository_origin=REPO, instance_ref=None, sensor_name="s", last_tick_completion_time=1700000000.0,
    last_run_key=None, cursor="\x07 é 😀", log_key=["a"], last_sensor_start_time=1.5)
SCHEDULE = grpc_types.ExternalScheduleExecutionArgs(
    repository_origin=REPO, instance_ref=None, schedule_name="s", scheduled_execution_timestamp=1700000000.0,
    scheduled_execution_timezone="UTC", log_key=["a"])
PARTITION = grpc_types.PartitionArgs(
    repository_origin=REPO, job_name="j", partition_set_name="p", partition_name="1", instance_ref=None)

REQUESTS = {
    "PING_LOCATION": api.PingLocationArgs(location_name=LOCATION),
    "GET_EXTERNAL_EXECUTION_PLAN": grpc_types.ExecutionPlanSnapshotArgs(
        job_origin=JOB, op_selection=[], run_config={"x": {"y": 1e16, "z": [float("nan"), None]}},
        step_keys_to_execute=None, job_snapshot_id="abc"),
    "GET_SUBSET_EXTERNAL_PIPELINE_RESULT": grpc_types.JobSubsetSnapshotArgs(
        job_origin=JOB, op_selection=["a"], asset_selection=None, include_parent_snapshot=True),
    "GET_EXTERNAL_PARTITION_CONFIG": PARTITION,
    "GET_EXTERNAL_PARTITION_TAGS": PARTITION,
    "GET_EXTERNAL_PARTITION_NAMES": grpc_types.PartitionNamesArgs(
        repository_origin=REPO, job_name="j", partition_set_name="p"),
    "GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA": grpc_types.PartitionSetExecutionParamArgs(
        repository_origin=REPO, partition_set_name="p", partition_names=["1", "2"], instance_ref=None),
    "GET_EXTERNAL_SCHEDULE_EXECUTION_DATA": SCHEDULE,
    "GET_EXTERNAL_SENSOR_EXECUTION_DATA": SENSOR,
    "GET_EXTERNAL_NOTEBOOK_DATA": grpc_types.NotebookPathArgs(
        code_location_origin=WHERE, notebook_path="/a/ü \\ b.ipynb"),
    "REFRESH_COMPONENT_STATE": api.RefreshComponentStateArgs(location_name=LOCATION, defs_state_keys=["k"]),
}
WITH_REF = {"GET_EXTERNAL_EXECUTION_PLAN", "GET_EXTERNAL_SCHEDULE_EXECUTION_DATA",
            "GET_EXTERNAL_SENSOR_EXECUTION_DATA"}
COMPOSED = [k for k in REQUESTS if k not in ("PING_LOCATION", "REFRESH_COMPONENT_STATE")]


def body(kind, args):
    return serialize_value(api.DagsterCloudApiRequest(
        request_id="r-1", request_api=api.DagsterCloudApi[kind], request_args=args,
        deployment_name="prod", expire_at=1700000600.0, is_branch_deployment=False))


@pytest.mark.parametrize("kind", COMPOSED)
def test_arguments_on_the_wire(tool, tmp_path, kind):
    args, ref = REQUESTS[kind], instance_ref(tmp_path)
    sent = args
    if kind in WITH_REF:
        sent = record_copy(args, instance_ref=ref)
    if kind == "GET_EXTERNAL_SENSOR_EXECUTION_DATA":
        sent = sent.with_default_timeout(62)
    want = args.notebook_path if kind == "GET_EXTERNAL_NOTEBOOK_DATA" else serialize_value(sent)
    assert tool("compose", kind, body(kind, args), serialize_value(ref)) == want


@pytest.mark.parametrize("kind", REQUESTS)
def test_location_of_a_request(tool, kind):
    assert tool("location", kind, body(kind, REQUESTS[kind])) == LOCATION


def test_sensor_arguments(tool):
    kind = "GET_EXTERNAL_SENSOR_EXECUTION_DATA"

    def sent(**changes):
        args = json.loads(serialize_value(SENSOR))
        for key, value in changes.items():
            if value == "absent":
                del args[key]
            else:
                args[key] = value
        text = json.loads(body(kind, SENSOR))
        text["request_args"] = args
        return json.loads(tool("compose", kind, json.dumps(text), REF_TEXT))

    assert sent()["timeout"] == 62
    assert sent(timeout=7)["timeout"] == 7
    assert sent(timeout="absent")["timeout"] == 62
    for changes in ({"last_completion_time": None}, {"last_completion_time": "absent"},
                    {"last_tick_completion_time": None}, {"last_tick_completion_time": "absent"}):
        got = sent(**changes)
        assert got["last_tick_completion_time"] == got["last_completion_time"] == 1700000000.0
    got = sent(last_tick_completion_time=None, last_completion_time=None)
    assert got["last_tick_completion_time"] is None and got["last_completion_time"] is None
    # An integer stays one, unknown members stay where they are.
    assert sent(unknown={"__class__": "Later", "x": 1})["unknown"] == {"__class__": "Later", "x": 1}


@pytest.mark.parametrize("kind", COMPOSED)
def test_what_is_unknown_passes(tool, kind):
    """Other spaces, other order, other escapes, unknown members: only what must be is changed."""
    args = json.loads(serialize_value(REQUESTS[kind]))
    args["new_member"] = {"__class__": "Unknown", "e": {"__enum__": "No.WAY"}}
    if "instance_ref" in args:
        args["instance_ref"] = "OLD"
    text = json.dumps(dict(reversed(args.items())), indent=1, ensure_ascii=False)
    whole = '{"__class__": "DagsterCloudApiRequest", "request_args": %s }' % text
    got = tool("compose", kind, whole, REF_TEXT)
    if kind == "GET_EXTERNAL_NOTEBOOK_DATA":
        assert got == args["notebook_path"]
        return
    want = text.replace('"OLD"', REF_TEXT if kind in WITH_REF else '"OLD"')
    if kind == "GET_EXTERNAL_SENSOR_EXECUTION_DATA":
        want = want.replace('"timeout": null', '"timeout": 62')
    assert got == want


@pytest.mark.parametrize("kind, changes, want", [
    ("GET_EXTERNAL_EXECUTION_PLAN", {}, 60),
    ("GET_EXTERNAL_SCHEDULE_EXECUTION_DATA", {}, 61),
    ("GET_EXTERNAL_SCHEDULE_EXECUTION_DATA", {"timeout": 9}, 9),
    ("GET_EXTERNAL_SENSOR_EXECUTION_DATA", {}, 62),
    ("GET_EXTERNAL_SENSOR_EXECUTION_DATA", {"timeout": 300}, 300),
    ("REFRESH_COMPONENT_STATE", {}, 300),
])
def test_deadlines(tool, kind, changes, want):
    args = record_copy(REQUESTS[kind], **changes) if changes else REQUESTS[kind]
    assert tool("deadline", kind, body(kind, args)) == str(want)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"request_args": null}', '{"request_args": [1]}'])
def test_bodies_that_are_none(tool, text):
    with pytest.raises(Refused) as e:
        tool("compose", "GET_EXTERNAL_PARTITION_NAMES", text, REF_TEXT)
    assert e.value.args[0] == "user"


# --- answers -----------------------------------------------------------------------------------

TELEMETRY = api.DagsterCloudApiThreadTelemetry(
    submitted_to_executor_timestamp=1700000000.1, thread_start_run_timestamp=1700000000.2,
    thread_end_handle_api_request_timestamp=1700000000.3)
def test_answers(tool):
    rows = [
        ("success", "", api.DagsterCloudApiSuccess(thread_telemetry=TELEMETRY)),
        ("error", serialize_value(ERROR),
         api.DagsterCloudApiErrorResponse(error_infos=[ERROR], thread_telemetry=TELEMETRY)),
        ("unknown", "SOME_ü", api.DagsterCloudApiUnknownCommandResponse(
            request_api="SOME_ü", thread_telemetry=TELEMETRY)),
        ("grpc", "", api.DagsterCloudApiGrpcResponse(
            serialized_response_or_error="", thread_telemetry=TELEMETRY)),
    ]
    texts = [HARD_TEXT.replace("\x00", ""), serialize_value(ERROR), "".join(map(chr, range(1, 0xd800, 7)))]
    for text in texts:
        rows.append(("grpc", text, api.DagsterCloudApiGrpcResponse(
            serialized_response_or_error=text, thread_telemetry=TELEMETRY)))
    for kind, text, response in rows:
        want = api.DagsterCloudUploadApiResponse(
            request_id='r "1"', request_api="PING_LOCATION", response=response)
        ours = tool("answer", kind, text, "PING_LOCATION", 'r "1"')
        assert ours == serialize_value(want)
        assert deserialize_value(ours, api.DagsterCloudUploadApiResponse) == want


# --- errors ------------------------------------------------------------------------------------


def test_errors_by_their_words(tool):
    failed = SerializableErrorInfo("ImportError: x\n", ["  line\n"], "ImportError")
    rows = [
        (("unreachable", "UNAVAILABLE", "60", "", "why"),
         lambda: throw(DagsterUserCodeUnreachableError(
             "Could not reach user code server. gRPC Error code: UNAVAILABLE"))),
        (("unreachable", "DEADLINE_EXCEEDED", "60", "", ""),
         lambda: throw(DagsterUserCodeUnreachableError(
             "User code server request timed out due to taking longer than 60 seconds to complete."))),
        (("unreachable", "", "", "", ""),
         lambda: throw(DagsterUserCodeUnreachableError("Could not reach user code server"))),
        (("no-server", "prod", "etl"),
         lambda: throw(DagsterUserCodeUnreachableError("No server endpoint exists for prod:etl"))),
        (("server-failed", "prod", "etl", serialize_value(failed)),
         lambda: throw(DagsterUserCodeUnreachableError(
             f"Failure loading server endpoint for prod:etl:\n{failed}"))),
        (("deprecated", "LAUNCH_STEP"),
         lambda: check.failed(f"Unexpected deprecated request type {api.DagsterCloudApi.LAUNCH_STEP}")),
        (("class", "Exception", "a\nb", ""), lambda: throw(Exception("a\nb"))),
    ]
    for words, raiser in rows:
        ours, theirs = deserialize_value(tool("error", *words), SerializableErrorInfo), raised(raiser)
        assert (ours.message, ours.cls_name, ours.stack) == (theirs.message, theirs.cls_name, [])


def test_the_cause_of_an_unreachable_server(tool):
    """As grpc's own exception prints itself; its debug string may say more."""
    from dagster._grpc.client import DagsterGrpcClient

    theirs = raised(lambda: DagsterGrpcClient(socket="/nowhere/at/all").ping(""))
    details = theirs.cause.message.split('details = "')[1].split('"\n')[0]
    ours = deserialize_value(tool("error", "unreachable", "UNAVAILABLE", "60", "", details),
                             SerializableErrorInfo)
    assert ours.message == theirs.message
    assert ours.cause.cls_name == theirs.cause.cls_name == "_InactiveRpcError"
    assert (ours.cause.message.split("\tdebug_error_string")[0] ==
            theirs.cause.message.split("\tdebug_error_string")[0])


def test_the_time_out_of_a_sensor(tool):
    ours = deserialize_value(tool("error", "unreachable", "DEADLINE_EXCEEDED", "7", "sensor", ""),
                             SerializableErrorInfo)
    assert ours.message == (
        "dagster._core.errors.DagsterUserCodeUnreachableError: The sensor tick timed out due to taking "
        "longer than 7 seconds to execute the sensor function. One way to avoid this error is to break up "
        "the sensor work into chunks, using cursors to let subsequent sensor calls pick up where the "
        "previous call left off.\n")


@pytest.mark.parametrize("branch", ["", "branch"])
def test_a_location_that_is_not_allowed(tool, branch):
    where = "for branch deployments" if branch else "in deployment 'prod'"
    ours = deserialize_value(tool("error", "not-allowed", "prod", "etl", branch), SerializableErrorInfo)
    assert ours.message.startswith(f"Exception: Agent is not allowed to serve location 'etl' {where}. Location is")
    assert ours.message.endswith("in the list of allowed locations.\n")


def test_timestamped_error(tool):
    want = api.TimestampedError(timestamp=1700000000.0, error=ERROR)
    assert tool("error", "timestamped", serialize_value(ERROR), "1700000000000000") == serialize_value(want)


def random_error(rng, depth):
    def text(most):
        return "".join(rng.choice('ab"\\\n é☃😀') for _ in range(rng.randrange(most)))

    return SerializableErrorInfo(
        message=text(60), stack=[text(25) for _ in range(rng.randrange(4))],
        cls_name=rng.choice([None, "X", "n" * 1001, "é" * 1000]),
        cause=random_error(rng, depth - 1) if depth and rng.random() < 0.7 else None,
        context=random_error(rng, depth - 1) if depth and rng.random() < 0.5 else None)


def test_errors_cut_to_size(tool):
    rng = random.Random(7)
    for _ in range(300):
        error = random_error(rng, 4)
        limit, depth = rng.choice([0, 5, 30, 200, 5000]), rng.randrange(4)
        want = serialize_value(truncate_serialized_error(error, limit, depth))
        assert tool("error", "truncate", serialize_value(error), str(limit), str(depth)) == want
        assert tool("error", "text", serialize_value(error)) == str(error)


# --- code servers ------------------------------------------------------------------------------

@pytest.mark.parametrize("data", DEPLOY_DATA)
def test_code_server(tool, tmp_path, data):
    ref = instance_ref(tmp_path)
    text = serialize_value(data)
    for metrics in ("", "metrics"):
        assert json.loads(tool("server", "argv", text, "", "", metrics)) == data.get_grpc_server_command(
            metrics_enabled=bool(metrics))
    env = dict(e.split("=", 1) for e in json.loads(tool("server", "env", text, LOCATION, serialize_value(ref))))
    assert env == {**{k: str(v) for k, v in data.cloud_context_env.items()},
                   **get_grpc_server_env(data, port=None, location_name=LOCATION, instance_ref=ref)}


def test_env_vars(tool):
    got = json.loads(tool("context", '{"env_vars": ["A=b=c", "PRESENT", "E=", "A=2"]}'))
    assert got == ["A=2", "PRESENT=here", "E="]
    assert tool("context", "{}") == "[]"
    with pytest.raises(Refused, match="Tried to load environment variable ABSENT, but it was not set"):
        tool("context", '{"env_vars": ["ABSENT"]}')


def test_workspace(tool):
    good = serialize_value(DEPLOY_DATA[1])
    entry = {"locationName": "a", "serializedDeploymentMetadata": good, "hasOutdatedData": True,
             "hasLoadError": False, "metadataTimestamp": 1700000000.25}
    two = json.loads(good)
    two["module_name"] = "also"
    bad = [
        {"serializedDeploymentMetadata": json.dumps(two)},
        {"serializedDeploymentMetadata": '{"__class__": "CodeDeploymentMetadata"}'},
        {"serializedDeploymentMetadata": "{"},
        {"serializedDeploymentMetadata": '{"__class__": "Other", "python_file": "x"}'},
        {"serializedDeploymentMetadata": None},
        {"metadataTimestamp": "soon"},
        {"metadataTimestamp": None},
    ]
    entries = [entry, {**entry, "locationName": "b", "metadataTimestamp": "1700000001"}]
    entries += [{**entry, "locationName": f"bad{i}", **change} for i, change in enumerate(bad)]
    entries += [{**entry, "locationName": None}, {**entry, "locationName": ""}, 5]
    answer = {"data": {"deployments": [
        {"deploymentName": "prod", "isBranchDeployment": False, "workspaceEntries": entries},
        {"deploymentName": None, "workspaceEntries": [entry]},
        {"deploymentName": "branch", "isBranchDeployment": True, "workspaceEntries": [entry]}]}}
    got = json.loads(tool("workspace", json.dumps(answer)))
    assert [(g["deployment"], g["location"], g["error"] is None) for g in got] == [
        ("prod", "a", True), ("prod", "b", True), *[("prod", f"bad{i}", False) for i in range(len(bad))],
        ("branch", "a", True)]
    assert got[0]["timestamp"] == 1700000000.25 and got[1]["timestamp"] == 1700000001.0
    assert got[0]["outdated"] and not got[0]["load_error"] and got[-1]["branch"] and not got[0]["branch"]
    assert deserialize_value(got[0]["metadata"], CodeLocationDeployData) == DEPLOY_DATA[1]
    assert "exactly one" in got[2]["error"] and "exactly one" in got[3]["error"]
    for text in ("", "{}", "[]", '{"data": {"deployments": null}}'):
        with pytest.raises(Refused) as e:
            tool("workspace", text)
        assert e.value.args[0] == "transport"
