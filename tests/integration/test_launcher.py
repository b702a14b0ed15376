"""The launcher of local processes with real code servers, a hand-made master and ledger."""

import contextlib
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
import uuid
import zlib
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from harness import EXAMPLES, alive, end_all, environment
from roles import BUILD, TOP, Role

DEPLOYMENT, LOCATION, SERVER, RUN, ROLE = range(5)
STARTED, ENDED, GONE = 1, 2, 3
WAIT = 60.0

YAML = """\
instance_class:
  module: dagster_cloud
  class: DagsterCloudAgentInstance
dagster_cloud_api:
  url: {url}
  agent_token: {{env: NOT_A_TOKEN}}
  retries: 0
  deployment: prod
user_code_launcher:
  module: dagster_cloud.workspace.user_code_launcher
  class: ProcessUserCodeLauncher
"""


def request_kinds():
    text = (TOP / "include/daglet/request.h").read_text()
    return re.findall(r"^X\((\w+),", text, re.MULTILINE)


KINDS = request_kinds()
def call_ops():
    text = (TOP / "include/daglet/call.h").read_text()
    return re.findall(r"^\s*X\((\w+),\s+\w+,", text, re.MULTILINE)


OPS = call_ops()


class Plane(http.server.BaseHTTPRequestHandler):
    """What a code server asks of the control plane when it starts; nothing is there."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"data": {"secrets": {"scopedSecrets": []}, "scopedSecrets": [], ' \
               b'"latestDefsStateInfo": null, "defsState": {"latestDefsStateInfo": null}, ' \
               b'"runs": {"getRunRecords": [], "getRunById": null}}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", autouse=True)
def plane():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plane)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Launcher.url = f"http://127.0.0.1:{server.server_port}"
    yield
    server.shutdown()
    server.server_close()


def metadata(python_file=None, **more):
    return json.dumps({
        "__class__": "CodeDeploymentMetadata", "agent_queue": None, "attribute": None,
        "autoload_defs_module_name": None, "cloud_context_env": {}, "container_context": {},
        "defs_state_info": None, "executable_path": None, "git_metadata": None, "image": None,
        "module_name": None, "package_name": None, "pex_metadata": None,
        "python_file": python_file and str(python_file), "working_directory": None, **more})


def entry(name, meta, timestamp=1.0, outdated=False, error=False):
    return {"locationName": name, "serializedDeploymentMetadata": meta,
            "hasOutdatedData": outdated, "hasLoadError": error, "metadataTimestamp": timestamp}


def workspace(*entries, branch=False, deployment="prod"):
    return json.dumps({"data": {"deployments": [{
        "deploymentName": deployment, "isBranchDeployment": branch,
        "workspaceEntries": list(entries)}]}}).encode()


class Ledger:
    """What the ledger remembers for the next launcher."""

    def __init__(self):
        self.known = {}
        self.desired = None


class Launcher(Role):
    def __init__(self, folder, ledger, more=None, env=None):
        self.mark = uuid.uuid4().hex
        self.folder = Path(folder)
        self.memory = ledger
        self.lock = threading.RLock()
        self.states, self.answers, self.calls, self.troubles, self.results = {}, {}, [], [], {}
        self.control_plane = {}
        self.names = []
        self.requests = 0
        for name in ("state", "run", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        values = {
            "daglet.state_dir": str(self.folder / "state"),
            "daglet.runtime_dir": str(self.folder / "run"),
            "home": str(self.folder / "home"), "raw.dagster_yaml": YAML.format(url=self.url), **(more or {}),
        }
        super().__init__("launcher", values, "process", BUILD / "daglet-launcher-process",
                         env=environment(self.mark, NOT_A_TOKEN="x:y", **(env or {})))

    def __enter__(self):
        super().__enter__()
        self.pump = threading.Thread(target=self.play, daemon=True)
        self.pump.start()
        return self

    def relink(self):
        super().relink()
        self.ledger.send("IDENTITY", slot=0, agent_id="1a2b3c4d-0000-4000-8000-000000000000",
                         installation="inst")
        for (what, key), m in self.memory.known.items():
            self.ledger.send("KNOWN", what=what, key=key, stage=m["stage"], request=m["request"],
                             deployment=m["deployment"], location=m.get("location", ""),
                             handle=m.get("handle", b""))
        self.ledger.send("KNOWN_END")
        if self.memory.desired:
            self.ledger.send("DESIRED", body=self.memory.desired)

    def play(self):
        with contextlib.suppress(OSError, ValueError):
            while got := self.ledger.recv(3600):
                with self.lock:
                    self.on(*got)

    def on(self, name, msg_id, m):
        if name == "STATE":
            key = (m["kind"], m["key"])
            if m["gone"]:
                self.states.pop(key, None)
            else:
                self.states[key] = json.loads(m["body"])
        elif name == "ANSWER":
            assert msg_id not in self.answers, "answered twice"
            self.answers[msg_id] = json.loads(m["response"])
            self.ledger.send("ANSWERED", msg_id)
        elif name == "INTENT":
            self.memory.known[1, m["run_id"]] = {
                "stage": 0, "request": m["request"], "deployment": m["deployment"]}
            self.ledger.send("INTENT_OK", msg_id)
        elif name == "HANDLE":
            key = (m["what"], m["key"])
            if m["stage"] == GONE:
                self.memory.known.pop(key, None)
            else:
                self.memory.known[key] = m
            self.ledger.send("HANDLE_OK", msg_id)
        elif name == "CALL":
            op = OPS[m["op"]]
            self.calls.append((op, m))
            reply = self.control_plane.get(op, lambda m: b"{}")(m)
            if reply is not None:
                if isinstance(reply, (dict, list)):
                    reply = json.dumps(reply).encode()
                self.ledger.send("CALL_DONE", msg_id, body=reply, http=200)
        elif name == "TROUBLE":
            self.troubles.append(json.loads(m["error"]))
        elif name == "TTL_DEPLOYMENTS":
            self.names = m["names"].decode().split()
        elif name == "RESULT":
            self.results[msg_id] = m

    # what tests do

    def desire(self, body):
        self.memory.desired = body
        self.ledger.send("DESIRED", body=body)

    def until(self, look, what, limit=WAIT):
        end = time.monotonic() + limit
        while True:
            with self.lock:
                value = look()
            if value:
                return value
            assert self.process.poll() is None, f"the launcher ended: {self.process.returncode}"
            assert time.monotonic() < end, f"{what}: {self.states} {self.troubles}"
            time.sleep(0.005)

    def location(self, name, deployment="prod"):
        return self.states.get((LOCATION, f"{deployment}\n{name}"), {})

    def status(self, name, status="RUNNING", limit=WAIT):
        return self.until(
            lambda: (s := self.location(name)).get("status") == status and s, f"{name} {status}",
            limit)

    def server(self, name):
        return self.states.get((SERVER, self.location(name).get("server")), {})

    def do(self, kind, args=None, location="", branch=False, attempt=0, expire=None, error="",
           deployment="prod", body=None):
        with self.lock:
            self.requests += 1
            number = self.requests
        now = time.time()
        if body is None:
            body = json.dumps({
                "__class__": "DagsterCloudApiRequest", "deployment_name": deployment,
                "expire_at": now + 600, "is_branch_deployment": branch,
                "request_api": {"__enum__": f"DagsterCloudApi.{kind}"}, "request_args": args,
                "request_id": f"r-{number}"})
        self.ledger.send(
            "DO", number, kind=KINDS.index(kind) if kind in KINDS else len(KINDS),
            branch=branch, expire=int((expire or now + 600) * 1e6), popped=int(now * 1e6),
            attempt=attempt, request_id=f"r-{number}", api=kind, deployment=deployment,
            location=location, error=error, body=body.encode())
        return number

    def answer(self, number, limit=WAIT):
        return self.until(lambda: self.answers.get(number), f"answer {number}", limit)

    def ask(self, kind, args=None, location="", **more):
        return self.answer(self.do(kind, args, location, **more))

    def called(self, op):
        with self.lock:
            return [m for o, m in self.calls if o == op]

    def end(self, remove=True):
        self.control.send("QUIESCE", remove=int(remove), limit=10_000_000)
        self.control.until("DRAINED", 30)


def origin(location):
    return {"__class__": "ExternalRepositoryOrigin",
            "repository_location_origin": {"__class__": "RegisteredRepositoryLocationOrigin",
                                           "location_name": location},
            "repository_name": "__repository__"}


def names_args(location, job="color_job"):
    return {"__class__": "PartitionNamesArgs", "job_name": job,
            "partition_set_name": f"{job}_partition_set", "repository_origin": origin(location)}


def sensor_args(location, name):
    return {"__class__": "SensorExecutionArgs", "cursor": None, "instance_ref": None,
            "last_completion_time": None, "last_run_key": None, "last_sensor_start_time": None,
            "last_tick_completion_time": None, "log_key": None,
            "repository_origin": origin(location), "sensor_name": name, "timeout": None}


def run(run_id, command=None, tags=None, location="etl"):
    return {"pipeline_run": {
        "__class__": "PipelineRun", "run_id": run_id, "pipeline_name": "job", "tags": tags or {},
        "external_pipeline_origin": {
            "__class__": "ExternalPipelineOrigin", "pipeline_name": "job",
            "external_repository_origin": origin(location)},
        "pipeline_code_origin": {
            "__class__": "PipelinePythonOrigin", "pipeline_name": "job",
            "repository_origin": {
                "__class__": "RepositoryPythonOrigin", "executable_path": sys.executable,
                "entry_point": command, "container_image": None, "container_context": None,
                "code_pointer": None}},
        "status": {"__enum__": "PipelineRunStatus.STARTING"}}}


def run_record(status):
    return lambda m: {"data": {"runs": {"getRunRecords": [{"serializedPipelineRun": json.dumps(
        {"__class__": "PipelineRun", "status": {"__enum__": f"PipelineRunStatus.{status}"}})}]}}}


CODE = """
import dagster as dg
@dg.op
def nothing(): pass
@dg.job
def job(): nothing()
@dg.sensor(job=job)
def sleepy(context):
    import time
    time.sleep(float({sleep}))
    return dg.SkipReason("slept")
defs = dg.Definitions(jobs=[job], sensors=[sleepy])
"""


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def code(folder):
    """code(text) -> metadata of a location with this file"""
    def make(text=None, name="code.py", sleep=0, **more):
        path = folder / name
        path.write_text(text if text is not None else CODE.format(sleep=sleep))
        return metadata(path, **more)
    return make


@contextlib.contextmanager
def launcher(folder, ledger=None, remove=True, **more):
    role = Launcher(folder, ledger or Ledger(), **more)
    try:
        with role as l:
            yield l
            if l.process.poll() is None:
                l.end(remove)
        if remove:
            assert l.process.returncode == 0
    finally:
        if remove:
            assert not end_all(role.mark)


def test_serves_a_real_code_server(folder):
    etl = metadata(EXAMPLES / "quickstart" / "definitions.py",
                   working_directory=str(EXAMPLES / "quickstart"))
    with launcher(folder) as l:
        early = l.do("PING_LOCATION", {"__class__": "PingLocationArgs", "location_name": "etl"}, "etl")
        l.desire(workspace(entry("etl", etl)))
        l.status("etl")
        assert l.answer(early)["__class__"] == "DagsterCloudApiSuccess"
        assert (DEPLOYMENT, "prod") in l.states
        # one call, and the same text that the server gave
        a = l.ask("GET_EXTERNAL_PARTITION_NAMES", names_args("etl"), "etl")
        assert a["__class__"] == "DagsterCloudApiGrpcResponse"
        names = json.loads(a["serialized_response_or_error"])
        assert names["partition_names"] == ["red", "green", "blue", "broken"]
        # an error of the user's code is an answer too
        a = l.ask("GET_EXTERNAL_SENSOR_EXECUTION_DATA", sensor_args("etl", "failing_sensor"), "etl")
        assert "this sensor always fails" in a["serialized_response_or_error"]
        a = l.ask("GET_EXTERNAL_SENSOR_EXECUTION_DATA", sensor_args("etl", "counting_sensor"), "etl")
        assert "count-1" in a["serialized_response_or_error"]
        # a stream
        a = l.ask("GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA", {
            "__class__": "PartitionSetExecutionParamArgs", "instance_ref": None,
            "partition_names": ["red"], "partition_set_name": "color_job_partition_set",
            "repository_origin": origin("etl")}, "etl")
        assert "PartitionSetExecutionParamData" in a["serialized_response_or_error"]
        server = l.server("etl")
        assert server["state"] == "serving" and alive(int(server["handle"]))
        # what cannot be served hurts nobody
        for kind, args, location, text in [
            ("GET_EXTERNAL_PARTITION_NAMES", names_args("lost"), "lost", "No server endpoint exists for prod:lost"),
            ("LAUNCH_STEP", None, "", "Unexpected deprecated request type"),
            ("GET_EXTERNAL_NOTEBOOK_DATA", {"notebook_path": 7}, "etl", "notebook"),
        ]:
            got = l.ask(kind, args, location)
            assert got["__class__"] == "DagsterCloudApiErrorResponse"
            assert text in got["error_infos"][0]["message"]
        got = l.ask("MAKE_COFFEE")
        assert got["__class__"] == "DagsterCloudApiUnknownCommandResponse"
        assert got["request_api"] == "MAKE_COFFEE"
        got = l.ask("LAUNCH_RUN", error="it is broken")
        assert "it is broken" in got["error_infos"][0]["message"]
        got = l.ask("PING_LOCATION", {"location_name": "etl"}, "etl", expire=time.time() - 1)
        assert "expired" in got["error_infos"][0]["message"]
        assert len(l.troubles) >= 5
        # logs
        l.ledger.send("COMMAND", 9, op="logs", args=json.dumps({"server": l.location("etl")["server"]}))
        assert l.until(lambda: l.results.get(9), "logs")["code"] == 200
        l.ledger.send("COMMAND", 10, op="logs", args=json.dumps({"server": "nobody"}))
        assert l.until(lambda: l.results.get(10), "no logs")["code"] == 404
        # deleted
        l.desire(workspace())
        l.until(lambda: not l.location("etl") and not alive(int(server["handle"])), "gone")


def test_errors_of_the_code(folder, code):
    with launcher(folder) as l:
        began = time.monotonic()
        l.desire(workspace(
            entry("import", code("raise ValueError('no such thing')\n", "a.py")),
            entry("exits", code("import os; print('goodbye', flush=True); os._exit(3)\n", "b.py")),
            entry("killed", code("import os; os.kill(os.getpid(), 9)\n", "c.py")),
            entry("image", code(name="d.py", image="some:image")),
            entry("undecodable", "{"),
            entry("good", code(name="e.py"))))
        held = l.do("GET_EXTERNAL_PARTITION_NAMES", names_args("import"), "import")
        l.status("good")
        error = l.status("import", "FAILED")["error"]
        assert "no such thing" in json.dumps(error)
        assert "no such thing" in json.dumps(l.answer(held))
        error = l.status("exits", "FAILED")["error"]["message"]
        assert "exited with code 3" in error and "goodbye" in error
        assert l.location("exits")["state"] == "BROKEN"
        error = l.status("killed", "FAILED")["error"]["message"]
        assert "killed by signal 9" in error
        assert l.location("killed")["retry"] is not None or l.location("killed")["failures"] > 1
        assert "image" in l.status("image", "FAILED")["error"]["message"]
        assert l.status("undecodable", "FAILED")["error"]
        got = l.ask("GET_EXTERNAL_PARTITION_NAMES", names_args("undecodable"), "undecodable")
        assert "Failure loading server endpoint" in got["error_infos"][0]["message"]
        assert time.monotonic() - began < 60
        # a new timestamp starts anew
        l.desire(workspace(entry("import", code(name="a.py"), 2.0)))
        l.status("import")


def test_one_slow_location_holds_up_nobody(folder, code):
    with launcher(folder) as l:
        l.desire(workspace(
            entry("slow", code("import time; time.sleep(600)\n", "slow.py")),
            entry("quick", code())))
        l.status("quick")
        assert l.location("slow")["status"] == "STARTING"


def test_update_drains_the_old_server(folder, code):
    with launcher(folder) as l:
        l.desire(workspace(entry("etl", code(sleep=4))))
        l.status("etl")
        old = l.server("etl")
        slow = l.do("GET_EXTERNAL_SENSOR_EXECUTION_DATA", sensor_args("etl", "sleepy"), "etl")
        l.until(lambda: l.server("etl").get("calls") == 1, "call")
        l.desire(workspace(entry("etl", code(sleep=4, name="new.py"), 2.0)))
        new = l.until(lambda: (s := l.server("etl")).get("handle", old["handle"]) != old["handle"] and s, "switch")
        assert "slept" in l.answer(slow)["serialized_response_or_error"]
        l.until(lambda: not alive(int(old["handle"])), "the old one ends")
        assert alive(int(new["handle"]))


def test_dead_and_hung_servers_are_replaced(folder, code):
    env = {"env.DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_REDEPLOY_TIMEOUT": "3"}
    with launcher(folder, more=env) as l:
        l.desire(workspace(entry("etl", code())))
        l.status("etl")
        first = int(l.server("etl")["handle"])
        os.kill(first, signal.SIGKILL)
        l.until(lambda: l.location("etl")["status"] != "RUNNING", "death is seen", 2)
        asked = l.do("GET_EXTERNAL_SENSOR_EXECUTION_DATA", sensor_args("etl", "sleepy"), "etl")
        assert "slept" in l.answer(asked)["serialized_response_or_error"]
        l.status("etl")
        second = int(l.server("etl")["handle"])
        assert second != first
        os.kill(second, signal.SIGSTOP)
        l.until(lambda: int(l.server("etl").get("handle", second)) != second,
                "the hung one is replaced")
        l.until(lambda: not alive(second), "and ended")


def test_the_next_launcher_takes_servers_over(folder, code):
    ledger = Ledger()
    body = workspace(entry("etl", code()), entry("old", code(name="old.py")))
    with launcher(folder, ledger, remove=False) as l:
        l.desire(body)
        l.status("etl"), l.status("old")
        pids = [int(l.server(n)["handle"]) for n in ("etl", "old")]
        first = l
        l.process.kill()
        l.process.wait()
    ledger.desired = workspace(entry("etl", code()), entry("old", code(name="old.py"), 2.0))
    try:
        began = time.monotonic()
        with launcher(folder, ledger) as l:
            l.status("etl", limit=5)
            assert time.monotonic() - began < 5
            assert int(l.server("etl")["handle"]) == pids[0]
            l.until(lambda: (s := l.location("old")).get("server") and s["timestamp"] == 2.0
                    and int(l.server("old").get("handle", pids[1])) != pids[1], "the stale one is replaced")
            l.until(lambda: not alive(pids[1]), "and ended")
            assert alive(pids[0])
            assert len([k for k in ledger.known if k[0] == 0]) <= 3
    finally:
        assert not end_all(first.mark)


class Snapshots:
    """The control plane's side of the manifest flow."""

    def __init__(self, form="json.gz", missing=()):
        self.form, self.missing, self.stored, self.results = form, list(missing), {}, []

    def ops(self):
        return {"CHECK_SNAPSHOT": self.check, "PUT_SNAPSHOT": self.put,
                "CONFIRM_UPLOAD": self.confirm, "UPDATE_RESULT": self.update}

    def check(self, m):
        q = parse_qs(m["args"])
        assert q["formats"] == ["json.gz", "json"]
        assert not m["body"]
        return {"__class__": "CheckSnapshotResult", "stored_snapshot": None, "upload_data": {
            "__class__": "SnapshotUploadData", "format": self.form, "id": "1", "sha1": q["sha1"][0],
            "presigned_put_url": f"https://put/{q['type'][0]}/{q['sha1'][0]}/{q['size'][0]}",
            "type": q["type"][0], "uri": "u"}}

    def put(self, m):
        _, kind, sha1, size = m["args"].rsplit("/", 3)
        text = zlib.decompress(m["body"]) if self.form == "json.gz" else m["body"]
        assert hashlib.sha1(text).hexdigest() == sha1 and len(text) == int(size)
        self.stored[sha1] = (kind, text)
        return b""

    def confirm(self, m):
        data = json.loads(m["body"])
        return {"__class__": "ConfirmUploadResult", "stored_snapshot": {
            "__class__": "StoredSnapshot", "decompressed_size": 1, "format": self.form,
            "sha1": data["sha1"], "uri": "u"}}

    def update(self, m):
        self.results.append(json.loads(m["body"]))
        missing = []
        if self.results[-1]["manifest"]:
            missing, self.missing = self.missing, []
        return {"__class__": "DagsterCloudCodeLocationUpdateResponse", "updated": not missing,
                "message": "fine", "missing_job_snapshots": missing or None}

    def kinds(self):
        return sorted(kind for kind, _ in self.stored.values())


@pytest.mark.parametrize("form", ["json.gz", "json"])
def test_uploads_definitions(folder, code, form):
    plane = Snapshots(form, [{"__class__": "JobSelector", "location_name": "etl",
                              "repository_name": "__repository__", "job_name": "job"}])
    with launcher(folder) as l:
        l.control_plane.update(plane.ops())
        l.desire(workspace(
            entry("etl", code(), outdated=True),
            entry("bad", code("raise ValueError('boom')\n", "bad.py"), outdated=True)))
        l.status("etl")
        assert l.until(lambda: len(plane.results) == 3 and plane.kinds(), "uploads") == [
            "error", "job", "repository"]
        error, = (r for r in plane.results if r["error_snapshot"])
        assert error["location_name"] == "bad" and error["manifest"] is None
        assert b"boom" in plane.stored[error["error_snapshot"]["sha1"]][1]
        first, second = (r for r in plane.results if not r["error_snapshot"])
        assert first == second
        manifest = first["manifest"]
        assert manifest["code_location_deploy_data"]["__class__"] == "CodeDeploymentMetadata"
        assert [r["name"] for r in manifest["repositories"]] == ["__repository__"]
        repository = plane.stored[manifest["repositories"][0]["stored_snapshot"]["sha1"]][1]
        assert json.loads(repository)["__class__"] == "ExternalRepositoryData"
        job, = (text for kind, text in plane.stored.values() if kind == "job")
        assert job.startswith(b'{"__class__": "PipelineSnapshot"')
        refs = json.loads(repository)["external_job_refs"]
        assert hashlib.sha1(job).hexdigest() in json.dumps(refs)
        # asked again: no new server
        pid = l.server("etl")["handle"]
        l.control_plane["CHECK_WORKSPACE"] = lambda m: workspace(entry("etl", code(), outdated=True))
        got = l.ask("CHECK_FOR_WORKSPACE_UPDATES")
        assert got["__class__"] == "DagsterCloudApiSuccess"
        l.until(lambda: len(plane.results) == 4, "again")
        assert l.server("etl")["handle"] == pid


def test_legacy_uploads(folder, code):
    entries, jobs = [], []

    def put(m):
        entries.append(json.loads(m["body"]))
        return {"__class__": "DagsterCloudUploadWorkspaceResponse", "message": "m",
                "updated": len(entries) > 1 or entries[-1]["location_name"] == "bad",
                "missing_job_snapshots": [{
                    "__class__": "JobSelector", "location_name": "etl",
                    "repository_name": "__repository__", "job_name": "job"}]}

    def job(m):
        jobs.append(json.loads(m["body"]))
        return b""

    more = {"user_code_launcher.config.direct_snapshot_uploads": "false"}
    with launcher(folder, more=more) as l:
        l.control_plane.update({"UPLOAD_ENTRY": put, "UPLOAD_JOB": job})
        l.desire(workspace(entry("etl", code(), outdated=True)))
        l.status("etl")
        assert len(entries) == 2 and entries[0] == entries[1] and len(jobs) == 1
        data = entries[0]["upload_location_data"]
        repository = json.loads(data["upload_repository_datas"][0]["serialized_repository_data"])
        assert repository["__class__"] == "ExternalRepositoryData"
        assert jobs[0]["__class__"] == "ExternalPipelineData"
        l.desire(workspace(
            entry("etl", code()),
            entry("bad", code("raise ValueError('boom')\n", "bad.py"))))
        l.status("bad", "FAILED")
        l.control_plane["CHECK_WORKSPACE"] = lambda m: workspace(
            entry("bad", code("raise ValueError('boom')\n", "bad.py"), outdated=True))
        l.ask("CHECK_FOR_WORKSPACE_UPDATES")
        l.until(lambda: len(entries) == 3, "the error")
        assert "boom" in json.dumps(entries[2]["serialized_error_info"])


def test_isolated_runs(folder, code):
    ledger = Ledger()
    with launcher(folder, ledger) as l:
        l.control_plane["GET_RUN_RECORDS"] = run_record("STARTED")
        ids = [str(uuid.uuid4()) for _ in range(4)]
        quick = run(ids[0], ["/bin/sh", "-c", "exit 0"])
        assert l.ask("LAUNCH_RUN", quick)["__class__"] == "DagsterCloudApiSuccess"
        l.until(lambda: l.states.get((RUN, ids[0]), {}).get("status") == "SUCCESS", "success")
        # a second delivery starts nothing
        assert l.ask("LAUNCH_RUN", quick)["__class__"] == "DagsterCloudApiSuccess"
        l.ask("LAUNCH_RUN", run(ids[1], ["/bin/sh", "-c", "echo oops >&2; exit 7"]))
        state = l.until(lambda: (s := l.states.get((RUN, ids[1]), {})).get("status") == "FAILED"
                        and s, "failure")
        assert "exited with code 7" in state["message"] and "oops" in state["message"]
        # one that is too late is not started, and ended however late
        late = time.time() - 1
        gone = str(uuid.uuid4())
        got = l.ask("LAUNCH_RUN", run(gone, ["/bin/sh", "-c", "exit 0"]), expire=late)
        assert "expired" in got["error_infos"][0]["message"]
        assert (RUN, gone) not in l.states
        # launch and terminate, popped together: in this order
        began = l.do("LAUNCH_RUN", run(ids[2], ["/bin/sh", "-c", "exec sleep 600"]))
        ended = l.do("TERMINATE_RUN", run(ids[2]), expire=late)
        assert l.answer(began)["__class__"] == l.answer(ended)["__class__"] == "DagsterCloudApiSuccess"
        l.until(lambda: l.states[RUN, ids[2]]["status"] != "RUNNING", "ended")
        got = l.ask("LAUNCH_RUN", run(ids[3], ["/no/such/program"]))
        assert got["__class__"] == "DagsterCloudApiErrorResponse"
        assert "/no/such/program" in got["error_infos"][0]["message"]
        got = l.ask("LAUNCH_RUN", run("../../etc"))
        assert got["__class__"] == "DagsterCloudApiErrorResponse"
        events = [json.loads(m["body"])["eventRecord"] for m in l.called("STORE_EVENT")
                  if m["subject"] == ids[2]]
        assert [e["dagsterEvent"]["message"] for e in events] == [
            f"[DagsterCloudAgent] Agent 1a2b3c4d is launching run {ids[2]}",
            "[DagsterCloudAgent] Agent 1a2b3c4d received request to terminate run",
            "Sending run termination request."]
        assert events[2]["dagsterEvent"]["eventTypeValue"] == "PIPELINE_CANCELING"
        tags = [json.loads(json.loads(m["body"])["jsonNewTags"]) for m in l.called("ADD_RUN_TAGS")
                if m["subject"] == ids[2]]
        assert tags[0] == {"dagster/agent_id": "1a2b3c4d-0000-4000-8000-000000000000"}
        assert int(tags[1]["process/pid"])


def test_runs_outlive_the_launcher(folder):
    ledger, run_id = Ledger(), str(uuid.uuid4())
    with launcher(folder, ledger, remove=False) as l:
        l.ask("LAUNCH_RUN", run(run_id, ["/bin/sh", "-c", "sleep 3; exit 5"]))
        first = l
        l.process.kill()
        l.process.wait()
    try:
        with launcher(folder, ledger) as l:
            l.until(lambda: l.states.get((RUN, run_id), {}).get("status") == "RUNNING", "running")
            l.until(lambda: l.states[RUN, run_id]["status"] == "FAILED", "its end is seen")
            assert "code 5" in l.states[RUN, run_id]["message"]
            assert l.ask("LAUNCH_RUN", run(run_id))["__class__"] == "DagsterCloudApiSuccess"
    finally:
        assert not end_all(first.mark)


def test_a_run_on_the_code_server(folder, code):
    with launcher(folder) as l:
        l.control_plane["GET_RUN_RECORDS"] = run_record("STARTING")
        tags = {"dagster/isolation": "disabled"}
        run_id = str(uuid.uuid4())
        waiting = l.do("LAUNCH_RUN", run(run_id, tags=tags))
        l.desire(workspace(entry("etl", code())))
        # The run's storage is not there, so the server refuses; but it was asked.
        got = l.answer(waiting)
        assert got["__class__"] == "DagsterCloudApiErrorResponse", got
        messages = [json.loads(m["body"])["eventRecord"]["dagsterEvent"]["message"]
                    for m in l.called("STORE_EVENT")]
        assert f"[DagsterCloudAgent] Launching {run_id} without an isolated run environment." in messages
        names = [k for m in l.called("ADD_RUN_TAGS")
                 for k in json.loads(json.loads(m["body"])["jsonNewTags"])]
        assert names == ["dagster/agent_id", ".dagster/server_handle", ".dagster/grpc_info"]
        got = l.ask("TERMINATE_RUN", run(run_id, tags=tags), expire=time.time() - 1)
        assert got["__class__"] == "DagsterCloudApiSuccess"
        got = l.ask("LAUNCH_RUN", run(str(uuid.uuid4()), tags=tags, location="nowhere"))
        assert "No server endpoint exists" in got["error_infos"][0]["message"]


def test_nothing_is_lost_on_a_new_link(folder, code):
    with launcher(folder) as l:
        l.desire(workspace(entry("etl", code(sleep=2))))
        l.status("etl")
        slow = l.do("GET_EXTERNAL_SENSOR_EXECUTION_DATA", sensor_args("etl", "sleepy"), "etl")
        l.until(lambda: l.server("etl").get("calls") == 1, "call")
        with l.lock:
            l.relink()
        threading.Thread(target=l.play, daemon=True).start()
        assert "slept" in l.answer(slow)["serialized_response_or_error"]


def test_branch_deployments_sleep_and_wake(folder, code):
    more = {"user_code_launcher.config.server_ttl.branch_deployments.ttl_seconds": "2"}
    with launcher(folder, more=more) as l:
        body = workspace(entry("etl", code()), branch=True, deployment="pr")
        l.desire(body)
        assert not l.location("etl", "pr")
        asked = l.do("PING_LOCATION", {"location_name": "etl"}, "etl", branch=True, deployment="pr")
        l.until(lambda: l.names == ["pr"], "the workspace poller is told")
        assert l.answer(asked)["__class__"] == "DagsterCloudApiSuccess"
        l.until(lambda: not l.location("etl", "pr"), "it sleeps")
