"""The same scenario for every agent: a real project, every kind of request with one succeeding
and one failing sample, runs of every sort, real code servers and run workers.

That it passes with the Python agent proves devplane; that it passes with daglet proves daglet.
"""

import gzip
import json
import shutil
import subprocess
import uuid

import harness
import pytest
from conftest import chosen

LOCATION = "quickstart"
WAIT = 60.0

KINDS = {
    "PING_LOCATION", "CHECK_FOR_WORKSPACE_UPDATES", "GET_EXTERNAL_EXECUTION_PLAN",
    "GET_SUBSET_EXTERNAL_PIPELINE_RESULT", "GET_EXTERNAL_PARTITION_CONFIG",
    "GET_EXTERNAL_PARTITION_TAGS", "GET_EXTERNAL_PARTITION_NAMES",
    "GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA", "GET_EXTERNAL_SCHEDULE_EXECUTION_DATA",
    "GET_EXTERNAL_SENSOR_EXECUTION_DATA", "GET_EXTERNAL_NOTEBOOK_DATA", "LAUNCH_RUN",
    "TERMINATE_RUN", "REFRESH_COMPONENT_STATE",
}


class Served:
    """A devplane, an agent and the example project being served."""

    def __init__(self, bench, kind):
        self.bench, self.kind = bench, kind
        self.plane = bench.devplane()
        self.plane.secret_set(name="GREETING", value="hello from devplane")
        self.plane.location_add(
            path=str(harness.EXAMPLES / "quickstart" / "dagster_cloud.yaml"))
        self.plane.location_add(path=str(harness.EXAMPLES / "stateful" / "dagster_cloud.yaml"))
        self.agent = bench.agent(kind, self.plane)
        for name in (LOCATION, "stateful"):
            self.plane.location_wait(name=name, server="RUNNING", wait=120)

    def ask(self, kind, location=LOCATION, wait=WAIT, **want):
        """A request's answer, as devplane stored it; exactly one was accepted."""
        answer = self.plane.request(kind=kind, location=location, wait=wait, **want)["answer"]
        assert answer["accepted"] == 1
        assert answer["rejected"] == 0
        return answer


@pytest.fixture(scope="module", params=["python", "daglet"])
def agent_kind(request):
    """daglet's aliases have a file of their own, which another worker may take."""
    return chosen(request.param)


@pytest.fixture(scope="module")
def served(agent_kind, tmp_path_factory):
    with harness.Bench(tmp_path_factory.mktemp(agent_kind)) as bench:
        try:
            yield Served(bench, agent_kind)
        except Exception:
            print(bench.outputs())
            raise


def class_of(answer):
    return answer["response"]["__class__"]


def succeeded(answer, class_name=None):
    """The code server's answer (None where there is none), after checking its class."""
    if class_name is None:
        assert class_of(answer) == "DagsterCloudApiSuccess", answer["response"]
        return None
    assert class_of(answer) == "DagsterCloudApiGrpcResponse", answer["response"]
    assert answer["value"]["__class__"] == class_name, answer["value"]
    return answer["value"]


def refused(answer):
    """The message of an answer that is an error."""
    assert class_of(answer) == "DagsterCloudApiErrorResponse", answer["response"]
    (info,) = answer["response"]["error_infos"]
    return info["message"]


# --- definitions -------------------------------------------------------------------------------


def test_definitions_are_uploaded(served):
    (location,) = [one for one in served.plane.location_list(full=True)["locations"]
                   if one["name"] == LOCATION]
    assert location["repositories"] == ["__repository__"]
    assert not location["outdated"] and location["error"] is None
    manifest = location["manifest"]
    sha1 = manifest["repositories"][0]["stored_snapshot"]["sha1"]
    repository = json.loads(served.plane.snapshot(sha1=sha1)["text"])
    jobs = repository["external_job_refs"]
    assert {job["name"] for job in jobs} >= {"report_job", "assets_job", "color_job"}
    for job in jobs:
        snapshot = json.loads(served.plane.snapshot(sha1=job["snapshot_id"])["text"])
        assert snapshot["__class__"] == "PipelineSnapshot"
    assert manifest["dagster_library_versions"]["dagster"]


def test_heartbeats(served):
    newest = served.plane.heartbeats()["heartbeats"][0]["heartbeat"]
    assert newest["agent_type"] == "ProcessUserCodeLauncher"
    states = {s["location_name"]: s["server_status"]["__enum__"]
              for s in newest["code_server_heartbeats"]}
    assert states == {LOCATION: "CloudCodeServerStatus.RUNNING",
                      "stateful": "CloudCodeServerStatus.RUNNING"}


# --- one request of every kind -----------------------------------------------------------------


def test_ping_location(served):
    succeeded(served.ask("PING_LOCATION"))


def test_ping_unknown_location(served):
    """The one kind that cannot fail: it succeeds after the next look at the workspace."""
    succeeded(served.ask("PING_LOCATION", location="nowhere"))


def test_check_for_workspace_updates(served):
    before = served.plane.location_list(full=True)["locations"][0]["loads"]
    added = served.plane.location_update(name=LOCATION)
    succeeded(served.plane.answer(id=added["requests"][0], wait=WAIT))
    served.plane.location_wait(name=LOCATION, loads=before + 1, server="RUNNING", wait=120)


def test_check_for_workspace_updates_refused(served):
    served.plane.fault_set(kind="errors", match="deployments", deployment="prod",
                           message="no workspace today")
    try:
        message = refused(served.ask("CHECK_FOR_WORKSPACE_UPDATES", location=None))
    finally:
        served.plane.fault_clear()
    assert "no workspace today" in message


def test_execution_plan(served):
    plan = succeeded(served.ask("GET_EXTERNAL_EXECUTION_PLAN", job="report_job"),
                     "ExecutionPlanSnapshot")
    assert {step["key"] for step in plan["steps"]} == {"make_report", "send_report"}


def test_execution_plan_bad_config(served):
    error = succeeded(
        served.ask("GET_EXTERNAL_EXECUTION_PLAN", job="color_job", run_config={"ops": 1}),
        "ExecutionPlanSnapshotErrorData")
    assert "Error in config" in error["error"]["message"]


def test_execution_plan_unknown_location(served):
    message = refused(served.ask("GET_EXTERNAL_EXECUTION_PLAN", location="nowhere",
                                 job="report_job"))
    assert "No server endpoint exists for prod:nowhere" in message


def test_job_subset(served):
    result = succeeded(
        served.ask("GET_SUBSET_EXTERNAL_PIPELINE_RESULT", job="report_job",
                   ops=["make_report"]), "ExternalPipelineSubsetResult")
    assert result["success"] is True


def test_job_subset_unknown_op(served):
    result = succeeded(
        served.ask("GET_SUBSET_EXTERNAL_PIPELINE_RESULT", job="report_job", ops=["nothing"]),
        "ExternalPipelineSubsetResult")
    assert result["success"] is False and "nothing" in result["error"]["message"]


def test_partition_config(served):
    data = succeeded(
        served.ask("GET_EXTERNAL_PARTITION_CONFIG", job="color_job", partition="red"),
        "ExternalPartitionConfigData")
    assert data["run_config"] == {"ops": {"paint": {"config": {"color": "red"}}}}


def test_partition_tags(served):
    data = succeeded(served.ask("GET_EXTERNAL_PARTITION_TAGS", job="color_job", partition="red"),
                     "ExternalPartitionTagsData")
    assert data["tags"]["color"] == "red"


def test_partition_names(served):
    data = succeeded(served.ask("GET_EXTERNAL_PARTITION_NAMES", job="color_job"),
                     "ExternalPartitionNamesData")
    assert data["partition_names"] == ["red", "green", "blue", "broken"]


def test_partition_set_params(served):
    data = succeeded(
        served.ask("GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA", job="color_job",
                   partitions=["red", "green"]), "ExternalPartitionSetExecutionParamData")
    assert [d["tags"]["color"] for d in data["partition_data"]] == ["red", "green"]


@pytest.mark.parametrize("kind, want", [
    ("GET_EXTERNAL_PARTITION_CONFIG", {"job": "color_job", "partition": "broken"}),
    ("GET_EXTERNAL_PARTITION_TAGS", {"job": "color_job", "partition": "broken"}),
    ("GET_EXTERNAL_PARTITION_NAMES", {"job": "lost_job"}),
    ("GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA",
     {"job": "color_job", "partitions": ["red", "broken"]}),
])
def test_partitions_that_fail(served, kind, want):
    data = succeeded(served.ask(kind, **want), "ExternalPartitionExecutionErrorData")
    assert "Error" in data["error"]["message"]


def test_schedule(served):
    data = succeeded(served.ask("GET_EXTERNAL_SCHEDULE_EXECUTION_DATA", schedule="daily_report",
                                timestamp=1700000000.0), "ScheduleExecutionData")
    assert data["run_requests"][0]["tags"]["scheduled"].startswith("2023-11-14")


def test_schedule_that_fails(served):
    data = succeeded(
        served.ask("GET_EXTERNAL_SCHEDULE_EXECUTION_DATA", schedule="failing_schedule"),
        "ExternalScheduleExecutionErrorData")
    assert "failing_schedule" in data["error"]["message"]


def test_sensor(served):
    data = succeeded(served.ask("GET_EXTERNAL_SENSOR_EXECUTION_DATA", sensor="counting_sensor",
                                cursor="41"), "SensorExecutionData")
    assert data["cursor"] == "42"
    assert data["run_requests"][0]["run_key"] == "count-42"


def test_sensor_that_fails(served):
    data = succeeded(served.ask("GET_EXTERNAL_SENSOR_EXECUTION_DATA", sensor="failing_sensor"),
                     "ExternalSensorExecutionErrorData")
    assert "failing_sensor" in data["error"]["message"]


def test_sensor_that_takes_too_long(served):
    message = refused(served.ask("GET_EXTERNAL_SENSOR_EXECUTION_DATA", sensor="slow_sensor",
                                 timeout=1))
    assert "The sensor tick timed out" in message


def test_notebook(served):
    """Code servers give only notebooks below the directory in which they were started, and
    that is the agent's."""
    path = served.agent.home / "notebook.ipynb"
    shutil.copy(harness.EXAMPLES / "quickstart" / "notebook.ipynb", path)
    answer = served.ask("GET_EXTERNAL_NOTEBOOK_DATA", notebook=str(path))
    assert class_of(answer) == "DagsterCloudApiGrpcResponse"
    assert answer["response"]["serialized_response_or_error"] == path.read_text()


def test_notebook_that_is_not_there(served):
    message = refused(served.ask("GET_EXTERNAL_NOTEBOOK_DATA", notebook="/nonexistent.ipynb"))
    assert "UNKNOWN" in message


def test_refresh_component_state(served):
    answer = served.ask("REFRESH_COMPONENT_STATE", location="stateful", keys=["feed"])
    info = succeeded(answer, "DefsStateInfo")
    version = info["info_mapping"]["feed"]["version"]
    state = served.plane.defs_state()["state"]
    assert state["feed"]["version"] == version


def test_refresh_unknown_component_state(served):
    answer = served.ask("REFRESH_COMPONENT_STATE", location="stateful", keys=["nothing"])
    error = succeeded(answer, "SerializableErrorInfo")
    assert "No matching state-backed components" in error["message"]


def test_unknown_kind(served):
    body = json.dumps({
        "__class__": "DagsterCloudApiRequest", "request_id": "@ID@",
        "request_api": {"__enum__": "DagsterCloudApi.PAINT_IT_BLACK"}, "request_args": None,
        "deployment_name": "prod", "expire_at": 4000000000.0, "is_branch_deployment": False})
    answer = served.ask("PAINT_IT_BLACK", body=body)
    assert class_of(answer) == "DagsterCloudApiUnknownCommandResponse"


def test_many_at_once(served):
    """More than one pop brings; each is answered exactly once."""
    ids = served.plane.request(kind="PING_LOCATION", location=LOCATION, count=35)["ids"]
    answers = served.plane.answers(ids=ids, wait=WAIT)["answers"]
    assert [a["accepted"] for a in answers] == [1] * 35
    assert [len(a["pops"]) for a in answers] == [1] * 35


# --- runs --------------------------------------------------------------------------------------


def types_of(run):
    return [e["type"] for e in run["events"]]


def test_isolated_run(served):
    launched = served.plane.run_launch(job="report_job", location=LOCATION, wait=120)
    run = launched["run"]
    assert run["status"] == "SUCCESS", run
    assert types_of(run).count("STEP_SUCCESS") == 2
    succeeded(served.plane.answer(id=launched["request_id"], wait=WAIT))
    assert run["tags"]["dagster/agent_id"] and run["tags"]["process/pid"]
    started = [e for e in run["events"] if "Started process for run" in (e["message"] or "")]
    assert f"(pid: {run['tags']['process/pid']})" in started[0]["message"]
    # what a step printed went over /gen_logs_url
    logs = list(served.plane.dagster_home().glob(f"storage/{run['run_id']}/compute_logs/*.out"))
    assert any("a line on stdout" in log.read_text() for log in logs)


def test_run_of_assets(served):
    launched = served.plane.run_launch(job="assets_job", location=LOCATION, wait=120)
    run = launched["run"]
    assert run["status"] == "SUCCESS", run
    assert types_of(run).count("ASSET_MATERIALIZATION") == 2
    assert types_of(run).count("ASSET_MATERIALIZATION_PLANNED") == 2
    messages = [e["message"] or "" for e in run["events"]]
    assert any("greeting from the environment: hello from devplane" in m for m in messages)


def test_run_of_a_partition(served):
    run = served.plane.run_launch(job="color_job", location=LOCATION, partition="blue",
                                  wait=120)["run"]
    assert run["status"] == "SUCCESS", run
    assert run["tags"]["dagster/partition"] == "blue"
    assert any("painting in blue" in (e["message"] or "") for e in run["events"])


def test_run_that_fails(served):
    run = served.plane.run_launch(job="failing_job", location=LOCATION, wait=120)["run"]
    assert run["status"] == "FAILURE"
    assert "STEP_FAILURE" in types_of(run)


@pytest.mark.parametrize("want", [{"job": "shared_job"},
                                  {"job": "report_job", "isolated": False}])
def test_run_that_is_not_isolated(served, want):
    launched = served.plane.run_launch(location=LOCATION, wait=120, **want)
    run = launched["run"]
    assert run["status"] == "SUCCESS", run
    succeeded(served.plane.answer(id=launched["request_id"], wait=WAIT))
    assert "process/pid" not in run["tags"]
    assert run["tags"][".dagster/server_handle"] and run["tags"][".dagster/grpc_info"]
    assert any("without an isolated run environment" in (e["message"] or "")
               for e in run["events"])


@pytest.mark.parametrize("job", ["long_job", "shared_long_job"])
def test_run_that_is_terminated(served, job):
    launched = served.plane.run_launch(job=job, location=LOCATION)
    id = launched["run_id"]
    cursor = None
    while True:
        run = served.plane.run(run_id=id, cursor=cursor, until="events", wait=WAIT)
        assert run["reached"] and not run["finished"], run
        cursor = run["cursor"]
        if "STEP_START" in types_of(run):
            break
    ended = served.plane.run_terminate(run_id=id, wait=WAIT)
    succeeded(ended["answer"])
    run = served.plane.run(run_id=id, wait=WAIT)
    assert run["status"] == "CANCELED", run
    assert "PIPELINE_CANCELING" in types_of(run)


def args_of_a_known_run(served):
    """request_args of a LAUNCH_RUN that was served, to be changed."""
    known = served.plane.run_launch(job="report_job", location=LOCATION, enqueue=False)
    launched = served.ask("LAUNCH_RUN", run_id=known["run_id"])
    succeeded(launched)
    assert served.plane.run(run_id=known["run_id"], wait=120)["status"] == "SUCCESS"
    return json.loads(launched["body"])["request_args"]


@pytest.mark.parametrize("kind", ["LAUNCH_RUN", "TERMINATE_RUN"])
def test_run_that_the_control_plane_does_not_know(served, kind):
    """Its engine event is refused: the answer is an error and nothing is started."""
    args = args_of_a_known_run(served)
    args["__class__"] = "LaunchRunArgs" if kind == "LAUNCH_RUN" else "TerminateRunArgs"
    stranger = args["pipeline_run"]["run_id"] = str(uuid.uuid4())
    assert stranger in refused(served.ask(kind, args=args))
    assert not any(stranger in line for line in harness.marked(served.bench.test_id).values())


def test_run_that_cannot_be_started(served):
    """Its interpreter does not exist: an error answer, and no run."""
    args = args_of_a_known_run(served)
    run = args["pipeline_run"]
    run["run_id"] = served.plane.run_launch(job="report_job", location=LOCATION,
                                            enqueue=False)["run_id"]
    origin = run["pipeline_code_origin"]["repository_origin"]
    origin["executable_path"], origin["entry_point"] = "/nowhere/python", None
    message = refused(served.ask("LAUNCH_RUN", args=args))
    assert "/nowhere/python" in message
    assert served.plane.run(run_id=run["run_id"])["status"] == "STARTING"


def test_run_whose_location_is_not_there_cannot_be_terminated(served):
    args = args_of_a_known_run(served)
    args["__class__"] = "TerminateRunArgs"
    run = args["pipeline_run"]
    run["tags"] = {**run["tags"], "dagster/isolation": "disabled"}
    repository = run["external_pipeline_origin"]["external_repository_origin"]
    repository["repository_location_origin"]["location_name"] = "nowhere"
    assert "nowhere" in refused(served.ask("TERMINATE_RUN", args=args))


# --- ticks -------------------------------------------------------------------------------------


def test_sensor_tick_launches_a_run(served):
    tick = served.plane.tick(type="sensor", name="counting_sensor", location=LOCATION,
                             launch=True)
    assert tick["status"] == "SUCCESS" and len(tick["run_ids"]) == 1
    run = served.plane.run(run_id=tick["run_ids"][0], wait=120)
    assert run["status"] == "SUCCESS"
    assert run["tags"]["dagster/sensor_name"] == "counting_sensor"
    again = served.plane.tick(type="sensor", name="counting_sensor", location=LOCATION)
    assert int(again["cursor"]) == int(tick["cursor"]) + 1


def test_schedule_tick(served):
    tick = served.plane.tick(type="schedule", name="daily_report", location=LOCATION)
    assert tick["status"] == "SUCCESS" and len(tick["run_requests"]) == 1
    skipped = served.plane.tick(type="sensor", name="quiet_sensor", location=LOCATION)
    assert skipped["status"] == "SKIPPED" and skipped["skip_reason"] == "nothing to do"
    failed = served.plane.tick(type="schedule", name="failing_schedule", location=LOCATION)
    assert failed["status"] == "FAILURE" and "failing_schedule" in failed["error"]


# --- locations that change ---------------------------------------------------------------------


def test_location_that_cannot_be_imported(served, tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    served.plane.location_add(name="broken", fields={
        "python_file": str(tmp_path / "broken.py"), "working_directory": str(tmp_path)})
    found = served.plane.location_wait(name="broken", wait=120)
    assert "nothing_of_that_name" in found["error"]["message"]
    (tmp_path / "broken.py").write_text("import dagster\ndefs = dagster.Definitions()\n")
    served.plane.location_update(name="broken")
    found = served.plane.location_wait(name="broken", loads=2, server="RUNNING", wait=120)
    assert found["error"] is None and found["repositories"] == ["__repository__"]
    served.plane.location_remove(name="broken")

    def gone():
        answer = served.ask("GET_EXTERNAL_PARTITION_NAMES", location="broken", job="j")
        return class_of(answer) == "DagsterCloudApiErrorResponse" and refused(answer)

    message = harness.until(gone, 60, "the removed location's server goes", step=0.5)
    assert "No server endpoint exists for prod:broken" in message


# --- the command -------------------------------------------------------------------------------


def test_command_line(served):
    """What the admin API does, `devplane` does too."""

    def devplane(*argv, status=0):
        done = subprocess.run(
            [harness.BIN / "devplane", "--home", served.plane.home, *argv], text=True,
            capture_output=True, timeout=120, env=harness.environment(served.bench.test_id))
        assert done.returncode == status, (argv, done.stdout, done.stderr)
        return done.stdout

    assert f"prod\t{LOCATION}\tloaded\tRUNNING\t__repository__" in devplane("location", "list")
    answer = json.loads(devplane("request", "GET_EXTERNAL_PARTITION_NAMES", "--location",
                                 LOCATION, "--job", "color_job", "--wait"))
    assert answer["value"]["partition_names"][0] == "red"
    assert answer == {key: json.loads(devplane("answers", answer["id"]))[key] for key in answer}
    devplane("request", "GET_EXTERNAL_NOTEBOOK_DATA", "--location", LOCATION, "--notebook",
             "/nonexistent.ipynb", "--wait", status=2)
    watched = devplane("run", "launch", "report_job", "--location", LOCATION, "--watch")
    assert watched.splitlines()[-1] == "-- SUCCESS" and "STEP_SUCCESS" in watched
    run_id = watched.split()[1].strip(",")
    assert "-- FAILURE" in devplane("run", "launch", "failing_job", "--location", LOCATION,
                                    "--watch", status=2)
    assert devplane("run", "watch", run_id).count("STEP_SUCCESS") == 2
    assert run_id in devplane("run", "list")
    devplane("tick", "sensor", "quiet_sensor", "--location", LOCATION)
    devplane("tick", "sensor", "failing_sensor", "--location", LOCATION, status=2)
    devplane("faults", "set", "delay", "match=nothing", "seconds=0.5", "count=1")
    assert '"seconds": 0.5' in devplane("faults", "list")
    devplane("faults", "clear")
    assert "eventLogs.StoreEvent" in devplane("calls", "--run-id", run_id)
    assert "CloudCodeServerStatus.RUNNING" in devplane("heartbeats")
    assert "GREETING" in devplane("secret", "list")
    devplane("run", "watch", str(uuid.uuid4()), status=1)


# --- at the end --------------------------------------------------------------------------------


def test_open_source_dagster_shows_it(served, tmp_path):
    """The `dagster` command on devplane's storage shows a run as its worker told it."""
    run = served.plane.run_launch(job="report_job", location=LOCATION, wait=120)["run"]
    worker = int(run["tags"]["process/pid"])

    def dagster(*argv):
        return subprocess.run(
            [harness.BIN / "dagster", *argv], text=True, check=True, capture_output=True,
            timeout=60, env=harness.environment(
                served.bench.test_id, DAGSTER_HOME=str(served.plane.dagster_home()))).stdout

    assert run["run_id"] in dagster("run", "list", "--limit", "3")
    dagster("debug", "export", run["run_id"], str(tmp_path / "run.gz"))
    with gzip.open(tmp_path / "run.gz", "rt") as f:
        exported = json.load(f)
    assert exported["pipeline_run"]["status"] == {"__enum__": "PipelineRunStatus.SUCCESS"}
    events = [e["dagster_event"] for e in exported["event_list"] if e["dagster_event"]]
    pids = {e["event_type_value"]: e["pid"] for e in events}
    assert pids["PIPELINE_START"] == worker
    steps = {e["pid"] for e in events if e["event_type_value"] == "STEP_SUCCESS"}
    assert len(steps) == 2 and worker not in steps


def test_every_kind_was_asked(served, request):
    here = {item.originalname for item in request.session.items
            if item.module is request.module}
    if here != {name for name in dir(request.module) if name.startswith("test_")}:
        pytest.skip("only parts of the scenario were chosen")
    asked = {r["api"] for r in served.plane.requests()["requests"] if r["accepted"]}
    assert asked >= KINDS


def test_nothing_was_unimplemented(served):
    """Last of all: devplane had an answer to everything and nothing broke the protocol."""
    assert served.plane.unimplemented() == []
    problems = [p for p in served.plane.problems()["problems"]
                if "there is no run" not in p["text"] and "RunNotFound" not in p["text"]]
    assert problems == []
