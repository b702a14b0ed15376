"""Runs, events, snapshots and heartbeats, against the real classes' own bytes."""

import base64
import hashlib
import json
import zlib

import pytest
from dagster._core.code_pointer import FileCodePointer, ModuleCodePointer
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.events import DagsterEvent, DagsterEventType, EngineEventData
from dagster._core.events.log import EventLogEntry
from dagster._core.launcher import WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus, RunsFilter
from dagster._grpc import types as grpc_types
from dagster._record import copy as record_copy
from dagster._serdes import deserialize_value, pack_value, serialize_value
from dagster._utils.error import SerializableErrorInfo, truncate_serialized_error
from dagster._utils.typed_dict import init_optional_typeddict
from dagster_cloud.agent import AgentQueuesConfig
from dagster_cloud.api import dagster_cloud_api as api
from dagster_cloud.execution import monitoring
from dagster_cloud.storage.event_logs.storage import _input_for_event
from dagster_cloud.storage.event_logs.utils import truncate_event
from dagster_cloud.storage.runs.storage import _get_filters_input
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
)

# --- runs --------------------------------------------------------------------------------------

ORIGIN = JobPythonOrigin("j", RepositoryPythonOrigin(
    executable_path="/usr/bin/python3", code_pointer=FileCodePointer("d.py", "defs", "/w"),
    container_image=None, entry_point=["dagster"], container_context={"env_vars": ["A=1", "PRESENT"]}))
RUN = DagsterRun(
    job_name="a job", run_id="0a1b2c3d-0000-4000-8000-000000000000", status=DagsterRunStatus.STARTED,
    tags={"process/pid": "17", "é": '"'}, remote_job_origin=JOB, job_code_origin=ORIGIN,
    job_snapshot_id="x", run_config={"a": [1.0]})
NOT_ISOLATED = RUN.with_tags({"dagster/isolation": "disabled"})


PHASES = {
    "QUEUED": "waiting", "NOT_STARTED": "waiting", "MANAGED": "waiting", "STARTING": "waiting",
    "STARTED": "begun", "CANCELING": "begun", "SUCCESS": "finished", "FAILURE": "finished", "CANCELED": "finished"}


def test_what_a_run_says(tool):
    want = {"id": RUN.run_id, "job": "a job", "status": "begun", "location": LOCATION, "isolated": True}
    assert json.loads(tool("run", "info", serialize_value(RUN))) == want
    assert not json.loads(tool("run", "info", serialize_value(NOT_ISOLATED)))["isolated"]
    for status in DagsterRunStatus:
        got = json.loads(tool("run", "info", serialize_value(RUN.with_status(status))))
        assert got["status"] == PHASES.get(status.value, "unknown")
        assert (got["status"] == "finished") == RUN.with_status(status).is_finished
    bare = RUN._replace(remote_job_origin=None, job_code_origin=None, tags={})
    got = json.loads(tool("run", "info", serialize_value(bare)))
    assert got["location"] is None
    for what in ("argv", "start"):
        with pytest.raises(Refused):
            tool("run", what, serialize_value(bare), "{}")


@pytest.mark.parametrize("run_id", ["", "../x", "-a", "a b", "a/b", "x" * 101, "ü"])
def test_run_ids_that_become_no_path(tool, run_id):
    text = json.loads(serialize_value(RUN))
    text["run_id"] = run_id
    with pytest.raises(Refused, match="run_id"):
        tool("run", "info", json.dumps(text))


def test_run_worker(tool, tmp_path):
    ref = instance_ref(tmp_path)
    args = grpc_types.ExecuteRunArgs(job_origin=ORIGIN, run_id=RUN.run_id, instance_ref=ref)
    text, ref_text = serialize_value(RUN), serialize_value(ref)
    assert json.loads(tool("run", "argv", text, ref_text, "")) == args.get_command_args()
    assert json.loads(tool("run", "env", text, ref_text, "")) == ["A=1", "PRESENT=here"]
    assert json.loads(tool("run", "argv", text, ref_text, "1")) == ["dagster", "api", "execute_run"]
    assert json.loads(tool("run", "env", text, ref_text, "1"))[2:] == [
        "DAGSTER_EXECUTE_RUN_ARGS=" + serialize_value(args)]
    no_entry = RUN._replace(job_code_origin=ORIGIN._replace(
        repository_origin=ORIGIN.repository_origin._replace(entry_point=None)))
    assert json.loads(tool("run", "argv", serialize_value(no_entry), ref_text, "1")) == [
        "/usr/bin/python3", "-m", "dagster", "api", "execute_run"]


def test_run_worker_with_large_arguments(tool):
    big = RUN._replace(job_code_origin=ORIGIN._replace(repository_origin=ORIGIN.repository_origin._replace(
        container_context={"env_vars": [], "x": "ab" * 100000})))
    (entry,) = json.loads(tool("run", "env", serialize_value(big), REF_TEXT, "1"))
    name, value = entry.split("=", 1)
    assert name == "DAGSTER_COMPRESSED_EXECUTE_RUN_ARGS"
    assert len(entry) < 128 * 1024
    args = json.loads(zlib.decompress(base64.b64decode(value)))
    assert args["pipeline_run_id"] == RUN.run_id and args["instance_ref"] == json.loads(REF_TEXT)


def test_start_and_cancel(tool, tmp_path):
    ref = instance_ref(tmp_path)
    want = grpc_types.ExecuteExternalJobArgs(job_origin=JOB, run_id=RUN.run_id, instance_ref=ref)
    assert tool("run", "start", serialize_value(RUN), serialize_value(ref)) == serialize_value(want)
    assert tool("run", "cancel", serialize_value(RUN)) == serialize_value(
        grpc_types.CancelExecutionRequest(run_id=RUN.run_id))


def test_results_of_a_launch(tool):
    def result(success, message, error=None):
        return serialize_value(grpc_types.StartRunResult(
            success=success, message=message, serializable_error_info=error))

    assert tool("result", result(True, None)) == "success"
    ours = deserialize_value(tool("result", result(False, "no\nway")), SerializableErrorInfo)
    theirs = raised(lambda: throw(DagsterLaunchFailedError("no\nway", serializable_error_info=None)))
    assert (ours.message, ours.cls_name) == (theirs.message, theirs.cls_name)
    ours = deserialize_value(tool("result", result(False, None, ERROR)), SerializableErrorInfo)
    assert ours.message.endswith("DagsterLaunchFailedError: x\n") and ours.cause == ERROR
    assert "x" in deserialize_value(tool("result", serialize_value(ERROR)), SerializableErrorInfo).message
    for text in ("", "{}", "[]"):
        with pytest.raises(Refused):
            tool("result", text)


AGENT_ID = "1a2b3c4d-5555-4000-8000-000000000000"
EVENTS = [
    "Agent 1a2b3c4d (lab é) is launching run " + RUN.run_id,
    f"Launching {RUN.run_id} without an isolated run environment.",
    "Agent 1a2b3c4d (lab é) received request to terminate run",
    "Agent 1a2b3c4d (lab é) received request to mark run as canceling",
    None,
    "Unexpected error in IPC client",
]


@pytest.mark.parametrize("number, message", list(enumerate(EVENTS)))
def test_events(tool, number, message):
    error = ERROR if number == 5 else None
    data = EngineEventData.engine_error(error) if error else EngineEventData({})
    prefix = "" if error else "[DagsterCloudAgent] "
    event = DagsterEvent(
        event_type_value=(DagsterEventType.ENGINE_EVENT if message else DagsterEventType.PIPELINE_CANCELING).value,
        job_name=RUN.job_name, message=prefix + message if message else "Sending run termination request.",
        event_specific_data=data if message else None)
    entry = EventLogEntry(user_message="", level=40 if error else 20, job_name=RUN.job_name, run_id=RUN.run_id,
                          error_info=None, timestamp=1700000000.123456, dagster_event=event)
    want = json.dumps({"eventRecord": _input_for_event(truncate_event(entry))})
    assert tool("event", str(number), serialize_value(RUN), AGENT_ID, "lab é",
                serialize_value(ERROR) if error else "") == want


def test_tags(tool):
    def want(tags):
        return json.dumps({"runId": "r", "jsonNewTags": json.dumps(tags)})

    assert tool("tags", "agent", "r", AGENT_ID, "") == want({"dagster/agent_id": AGENT_ID})
    assert tool("tags", "agent", "r", AGENT_ID, "é") == want(
        {"dagster/agent_label": "é", "dagster/agent_id": AGENT_ID})
    assert tool("tags", "handle", "r", "17") == want({".dagster/server_handle": "17"})
    for endpoint, info in (("unix:/a/b.s", {"host": "localhost", "socket": "/a/b.s"}),
                           ("h.example:4000", {"host": "h.example", "port": 4000})):
        assert tool("tags", "grpc-info", "r", endpoint) == want({".dagster/grpc_info": json.dumps(info)})


def test_run_records(tool):
    want = {"filters": _get_filters_input(RunsFilter(run_ids=["r"])), "limit": 1, "orderBy": None,
            "ascending": False, "cursor": None, "bucketBy": None}
    assert tool("records", "r") == json.dumps(want)
    records = [{"storageId": 1, "serializedPipelineRun": serialize_value(RUN)}]
    for found, status in ((records, "begun"), ([], "none")):
        assert tool("records", "", json.dumps({"data": {"runs": {"getRunRecords": found}}})) == status
    assert tool("records", "", '{"data": {}}') == "unknown"


# --- snapshots ---------------------------------------------------------------------------------


def test_repository_origin(tool):
    assert tool("origin", LOCATION, "__repository__") == serialize_value(REPO)


LIST = grpc_types.ListRepositoriesResponse(
    repository_symbols=[], executable_path="/usr/bin/python3",
    repository_code_pointer_dict={"b": ModuleCodePointer("m", "f", None), "a": FileCodePointer("x", "y", "z")},
    entry_point=["dagster"], container_image=None, container_context={}, dagster_library_versions={"dagster": "1"})
STORED = api.StoredSnapshot(sha1="s", format="json.gz", uri="u", decompressed_size=5)


def test_manifest(tool):
    data = DEPLOY_DATA[1]
    want = api.DagsterCloudCodeLocationUpdateResult(
        location_name=LOCATION, error_snapshot=None, manifest=api.DagsterCloudCodeLocationManifest(
            repositories=[api.DagsterCloudRepositoryManifest(name=n, code_pointer=p, stored_snapshot=STORED)
                          for n, p in sorted(LIST.repository_code_pointer_dict.items())],
            container_image="img:1", executable_path=LIST.executable_path,
            dagster_library_versions=LIST.dagster_library_versions, code_location_deploy_data=data))
    ours = tool("manifest", LOCATION, serialize_value(LIST), '"img:1"', serialize_value(STORED), serialize_value(data))
    assert json.loads(ours) == pack_value(want)
    want = api.DagsterCloudCodeLocationUpdateResult(location_name=LOCATION, error_snapshot=STORED, manifest=None)
    assert json.loads(tool("manifest", LOCATION, "", "", serialize_value(STORED), "")) == pack_value(want)


def test_entry_of_the_legacy_flow(tool):
    text = HARD_TEXT.replace("\x00", "")
    want = api.DagsterCloudUploadWorkspaceEntry(
        location_name=LOCATION, code_location_deploy_data=DEPLOY_DATA[1], serialized_error_info=None,
        upload_location_data=api.DagsterCloudUploadLocationData(
            upload_repository_datas=[
                api.DagsterCloudUploadRepositoryData(repository_name=n, code_pointer=p, serialized_repository_data=text)
                for n, p in sorted(LIST.repository_code_pointer_dict.items())],
            container_image="i", executable_path=LIST.executable_path,
            dagster_library_versions=LIST.dagster_library_versions))
    data = serialize_value(DEPLOY_DATA[1])
    assert tool("entry", LOCATION, serialize_value(LIST), '"i"', text, data) == serialize_value(want)
    want = record_copy(want, upload_location_data=None, serialized_error_info=ERROR)
    assert tool("entry", LOCATION, "", "", serialize_value(ERROR), data) == serialize_value(want)


def test_squeeze(tool):
    for text in ("", "a", HARD_TEXT.replace("\x00", ""), "abc ☃" * 50000):
        sha1, size, packed, b64 = tool("squeeze", text).split(" ")
        data = text.encode()
        assert sha1 == hashlib.sha1(data).hexdigest() and int(size) == len(data)
        assert zlib.decompress(bytes.fromhex(packed)) == data
        assert packed.startswith("789c")
        assert zlib.decompress(base64.b64decode(b64)) == data


# --- heartbeats --------------------------------------------------------------------------------

QUEUES = serialize_value(AgentQueuesConfig())
STATUSES = [WorkerStatus.RUNNING, WorkerStatus.NOT_FOUND, WorkerStatus.FAILED, WorkerStatus.SUCCESS,
            WorkerStatus.UNKNOWN]
SERVER_STATUS = [monitoring.CloudCodeServerStatus.STARTING, monitoring.CloudCodeServerStatus.RUNNING,
                 monitoring.CloudCodeServerStatus.FAILED]


def heartbeat(statuses, servers, metadata, label=None, queues=AgentQueuesConfig()):
    return api.AgentHeartbeat(
        timestamp=1700000000.123456, agent_id="an-id", agent_label=label, agent_type="ProcessUserCodeLauncher",
        metadata={"version": "1.13.27", "allowed_branch_deployment_locations": [],
                  "allowed_full_deployment_locations": {}, "utilization_metrics": {}, **metadata},
        run_worker_statuses=statuses, code_server_heartbeats=servers, agent_queues_config=queues)


def variables(want, small, *errors):
    want = want.without_messages_and_errors() if small else want
    return {"serializedAgentHeartbeats": [
        {"deploymentName": "prod", "serializedAgentHeartbeat": serialize_value(want)}],
        "serializedErrors": list(errors)}


@pytest.mark.parametrize("supported", ["", "1"])
@pytest.mark.parametrize("small", ["", "small"])
def test_worker_statuses(tool, small, supported):
    rows = {f"r{i}": {"deployment": "prod", "status": s.value, "message": m, "transient": i % 2 == 1}
            for i, (s, m) in enumerate(zip(STATUSES, ["é" * 1200, None, "m", "", "x" * 1000]))}
    list_ = [monitoring.CloudRunWorkerStatus(r, WorkerStatus(v["status"]), v["message"] and v["message"][:1000],
                                             v["transient"], None) for r, v in rows.items()]
    statuses = monitoring.CloudRunWorkerStatuses(list_ if supported else [], bool(supported), supported and True or None)
    other = {"x": {"deployment": "other", "status": "RUNNING", "message": None, "transient": False}}
    got = json.loads(tool("heartbeat", "", "", "{}", "[]", "{}", QUEUES, small, "", supported, "{}",
                          json.dumps({**rows, **other})))
    want = variables(heartbeat(statuses, [], {}), small)
    if small:
        got.pop("serializedErrors"), want.pop("serializedErrors")
    assert got == want


@pytest.mark.parametrize("small", ["", "small"])
def test_heartbeats(tool, small):
    error = SerializableErrorInfo("x" * 6000, [], "E", cause=ERROR)
    metrics = json.loads(tool("server-metrics"))
    servers = [
        monitoring.CloudCodeServerHeartbeat(f"l{i}", s, truncate_serialized_error(error, 5000, 2) if i == 2 else None,
                                            {"utilization_metrics": metrics} if i == 1 else {})
        for i, s in enumerate(SERVER_STATUS)]
    locations = json.dumps({f"prod\nl{i}": {
        "deployment": "prod", "location": f"l{i}", "status": s.value,
        "error": pack_value(error) if i == 2 else None, "metrics": metrics if i == 1 else None}
        for i, s in enumerate(SERVER_STATUS)})
    statuses = monitoring.CloudRunWorkerStatuses(
        [monitoring.CloudRunWorkerStatus("r", WorkerStatus.FAILED, "m", False, None)], True, True)
    runs = '{"r": {"deployment": "prod", "status": "FAILED", "message": "m"}}'
    rows = [
        (("", "", "{}", "[]", "{}"), None, AgentQueuesConfig(), {}),
        (("lab", "tag", '{"a": 1}', '["x"]', '{"prod": ["y"]}'), "lab", AgentQueuesConfig(False, ["gpu"]),
         {"utilization_metrics": {"a": 1}, "image_tag": "tag", "allowed_branch_deployment_locations": ["x"],
          "allowed_full_deployment_locations": {"prod": ["y"]}}),
    ]
    timestamped = serialize_value(api.TimestampedError(timestamp=1699999999.123456, error=ERROR))
    too_large = serialize_value(api.TimestampedError(timestamp=1700000000.123456, error=SerializableErrorInfo(
        f"Request with 2 heartbeat bytes and {len(timestamped)} error bytes was too large, submitting a smaller "
        "heartbeat without messages and stack traces.", [], None)))
    for words, label, queues, metadata in rows:
        want = variables(heartbeat(statuses, servers, metadata, label, queues), small,
                         too_large if small else timestamped)
        got = tool("heartbeat", *words, serialize_value(queues), small, serialize_value(ERROR), "1", locations, runs)
        assert got == json.dumps(want)
        if not small:
            got = tool("heartbeat", *words, serialize_value(queues), "", "", "1", locations, runs)
            assert json.loads(got)["serializedErrors"] == []


def test_metrics_of_a_server(tool):
    server = init_optional_typeddict(monitoring.CloudCodeServerUtilizationMetrics)
    assert tool("server-metrics") == json.dumps(server, sort_keys=True)
    fresh = {"per_api_metrics": {"Ping": {"current_request_count": 1}}, "request_utilization": {"x": 1}, "new": 2}
    limits = {"process": {"cpu_limit": "2", "memory_limit": "3"}}
    got = tool("server-metrics", json.dumps(server, sort_keys=True), json.dumps(fresh), json.dumps(limits))
    assert got == json.dumps({**server, **fresh, "resource_limits": limits}, sort_keys=True)
    with pytest.raises(Refused):
        tool("server-metrics", "{}", "{", "")
