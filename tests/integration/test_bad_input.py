"""What the control plane, code servers and roles may send that makes no sense: a clear error for
what it concerns, and nothing for anybody else."""

import base64
import ctypes
import json
import os
import re
import socket
import stat
import sys
import time

import harness
import pytest

WAIT = 60.0
GOOD = "quickstart"
QUICKSTART = str(harness.EXAMPLES / "quickstart" / "dagster_cloud.yaml")
POP = "userCloudAgent.popUserCloudAgentRequests"
BEAT = "userCloudAgent.addAgentHeartbeats"

pytestmark = pytest.mark.skipif(bool(harness.why_not("daglet")),
                                reason=str(harness.why_not("daglet")))

DEEP = '{"data": ' + "[" * 100000
BODIES = {
    "nothing": b"",
    "not JSON": b"<html>it works</html>",
    "bytes": bytes(range(256)) * 64,
    "a number": b"5",
    "a list": b"[]",
    "data is a number": b'{"data": 5}',
    "data is null": b'{"data": null}',
    "cut": b'{"data": {"userCloudAgent": {"popUserCloudAgentRequests": [{"requ',
    "too deep": DEEP.encode(),
    "not UTF-8": b'{"data": {"userCloudAgent": "\xff\xfe"}}',
    "items of other shapes": json.dumps({"data": {
        "userCloudAgent": {"popUserCloudAgentRequests": [
            7, None, "x", [], {}, {"requestId": 5, "requestApi": None, "requestBody": {},
                                   "deploymentName": [], "isBranchDeployment": "yes"}]},
        "deployments": [7, None, {}, {"deploymentName": 5, "workspaceEntries": "no"},
                        {"deploymentName": "prod", "isBranchDeployment": False,
                         "workspaceEntries": [5, {}, {"locationName": 5}, None]}]}}).encode(),
    "fields of other types": json.dumps({"data": {
        "userCloudAgent": {"popUserCloudAgentRequests": 7, "addAgentHeartbeats": {"ok": "?"}},
        "deployments": {"prod": True}}}).encode(),
}


class Served:
    def __init__(self, bench, more=""):
        self.bench = bench
        self.plane = bench.devplane()
        self.plane.location_add(path=QUICKSTART)
        self.fields = self.plane.location_list(full=True)["locations"][0]["fields"]
        self.agent = bench.agent("daglet", self.plane, more=more)
        self.plane.location_wait(name=GOOD, server="RUNNING", wait=120)

    def ask(self, location=GOOD, wait=WAIT, **want):
        want.setdefault("kind", "GET_EXTERNAL_PARTITION_NAMES")
        want.setdefault("job", "color_job")
        return self.plane.request(location=location, wait=wait, **want)["answer"]

    def is_well(self):
        answer = self.ask()
        assert answer["accepted"] == 1 and answer["rejected"] == 0
        assert answer["value"]["partition_names"][0] == "red"

    def children(self):
        """{name of a role: pid} and {pid} of code servers."""
        roles, servers = {}, set()
        for pid, line in harness.marked(self.bench.test_id).items():
            found = re.match(r"\S*daglet-(\S+(?: \S+)?)", line)
            if found and "daglet-run" not in line:
                roles[found[1]] = pid
            elif " api grpc" in line:
                servers.add(pid)
        return roles, servers


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with harness.Bench(tmp_path_factory.mktemp("bad")) as bench:
        try:
            yield Served(bench)
        except Exception:
            print(bench.outputs())
            raise


@pytest.fixture
def steady(served):
    """Nothing that the test does may cost a role or a code server its life."""
    before = served.children()
    yield served
    served.plane.fault_clear()
    for location in served.plane.location_list()["locations"]:
        if location["name"] != GOOD:
            served.plane.location_remove(name=location["name"])
    served.is_well()
    harness.until(lambda: served.children() == before, 60, f"all is as before: {before}", 0.3)


# --- the control plane -------------------------------------------------------------------------


def nonsense(served, match, body):
    served.plane.fault_set(kind="garbage", match=match, count=1,
                           base64=base64.b64encode(body).decode())


def test_pops_that_make_no_sense(steady):
    for body in BODIES.values():
        nonsense(steady, POP, body)
    harness.until(lambda: all(f["hit"] for f in steady.plane.fault_list()["faults"]), 90,
                  "all of it is sent")


@pytest.mark.parametrize("what", ["not JSON", "cut", "items of other shapes",
                                  "fields of other types"])
def test_workspaces_that_make_no_sense(steady, what):
    """Asked for by a request, so that nothing has to wait for the next look."""
    nonsense(steady, "deployments", BODIES[what])
    harness.until(lambda: steady.ask(kind="CHECK_FOR_WORKSPACE_UPDATES", location=None) and
                  steady.plane.fault_list()["faults"][0]["hit"], 30, "it is sent")


def test_answer_to_a_heartbeat_that_makes_no_sense(steady):
    steady.plane.fault_set(kind="garbage", match=BEAT, count=1, body="what?")
    harness.until(lambda: steady.plane.fault_list()["faults"][0]["hit"], 60, "a heartbeat")
    now = time.time()
    assert steady.plane.heartbeats(since=now, count=1, wait=60)["heartbeats"]


def body(api, args, **more):
    return json.dumps({
        "__class__": "DagsterCloudApiRequest", "request_id": "@ID@",
        "request_api": {"__enum__": f"DagsterCloudApi.{api}"}, "request_args": args,
        "deployment_name": "prod", "expire_at": 4000000000.0, "is_branch_deployment": False,
        **more})


BAD = {
    "not JSON": ("PING_LOCATION", "certainly not"),
    "empty": ("PING_LOCATION", ""),
    "a list": ("PING_LOCATION", "[]"),
    "too deep": ("PING_LOCATION", "[" * 50000),
    "no class": ("PING_LOCATION", '{"request_id": "@ID@"}'),
    "arguments of an unknown class": ("GET_EXTERNAL_PARTITION_NAMES", body(
        "GET_EXTERNAL_PARTITION_NAMES", {"__class__": "NoSuchArgs", "location_name": GOOD})),
    "arguments that are a number": ("GET_EXTERNAL_PARTITION_NAMES",
                                    body("GET_EXTERNAL_PARTITION_NAMES", 5)),
    "no arguments": ("GET_EXTERNAL_SENSOR_EXECUTION_DATA",
                     body("GET_EXTERNAL_SENSOR_EXECUTION_DATA", None)),
    "a run without an id": ("LAUNCH_RUN", body("LAUNCH_RUN", {
        "__class__": "LaunchRunArgs", "pipeline_run": {"__class__": "PipelineRun"}})),
    "a run id that is a path": ("LAUNCH_RUN", body("LAUNCH_RUN", {
        "__class__": "LaunchRunArgs",
        "pipeline_run": {"__class__": "PipelineRun", "run_id": "../../etc/passwd"}})),
    "nothing to terminate": ("TERMINATE_RUN", body("TERMINATE_RUN", {})),
}
DEPRECATED = ("CHECK_RUN_HEALTH", "LAUNCH_STEP", "CHECK_STEP_HEALTH", "TERMINATE_STEP",
              "LOAD_REPOSITORIES")


def test_requests_that_cannot_be_understood(steady):
    """In one pop with good ones: only they get an error, each one is answered exactly once."""
    plane = steady.plane
    plane.fault_set(kind="status", status=503, match=POP)
    good, bad = [], {}
    for name, (kind, text) in BAD.items():
        bad[name] = plane.request(kind=kind, location=GOOD, body=text)["id"]
        good.append(plane.request(kind="GET_EXTERNAL_PARTITION_NAMES", location=GOOD,
                                  job="color_job")["id"])
    plane.fault_clear()
    answers = plane.answers(ids=good + list(bad.values()), wait=WAIT, full=True)["answers"]
    assert {(len(a["pops"]), a["accepted"], a["rejected"]) for a in answers} == {(1, 1, 0)}
    for answer in answers[:len(good)]:
        assert "red" in answer["response"]["serialized_response_or_error"]
    for name, answer in zip(bad, answers[len(good):]):
        assert answer["response"]["__class__"] == "DagsterCloudApiErrorResponse", name
        (info,) = answer["response"]["error_infos"]
        assert len(info["message"]) > 20, (name, info)
    popped = [a["pops"][0] for a in answers]
    assert len(set(popped)) < len(popped)  # they did come together


def test_kinds_that_are_not_served(steady):
    unknown = steady.ask(kind="PAINT_IT_BLACK", body=body("PAINT_IT_BLACK", None))
    assert unknown["response"]["__class__"] == "DagsterCloudApiUnknownCommandResponse"
    for kind in DEPRECATED:
        answer = steady.ask(kind=kind, body=body(kind, None))
        (info,) = answer["response"]["error_infos"]
        assert f"Unexpected deprecated request type DagsterCloudApi.{kind}" in info["message"]


def said_of(plane, location):
    """(status, message) of a location in the newest heartbeat."""
    for server in plane.heartbeats()["heartbeats"][0]["heartbeat"]["code_server_heartbeats"]:
        if server["location_name"] == location:
            error = server["error"]
            return server["server_status"]["__enum__"].partition(".")[2], (
                error and error["message"])
    return None, None


def test_workspace_entries_that_cannot_be_understood(steady):
    plane = steady.plane
    odd = {"odd1": "certainly not", "odd2": "[]", "odd3": '{"__class__": "SomethingElse"}'}
    for name, text in odd.items():
        plane.location_add(name=name, fields={**steady.fields, "raw_metadata": text})
    harness.until(lambda: all(said_of(plane, name)[0] == "FAILED" for name in odd), 90,
                  "the entries are told of")
    assert all(said_of(plane, name)[1] for name in odd)
    assert said_of(plane, GOOD)[0] == "RUNNING"
    for name in odd:
        assert steady.ask(name)["response"]["error_infos"][0]["message"]


# --- code servers ------------------------------------------------------------------------------


def add(served, directory, name, code="", **fields):
    path = directory / f"{name}.py"
    path.write_text(code)
    served.plane.location_add(name=name, fields={
        "python_file": str(path), "working_directory": str(directory), **fields})


def error_of(served, name, wait=WAIT):
    """What was uploaded as this location's error."""
    found = served.plane.location_wait(name=name, wait=wait)
    assert found["error"] is not None
    return json.dumps(found["error"])


def program(directory, name, text):
    path = directory / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("code, says", [
    ("import os, sys\nprint('last words', flush=True)\nos._exit(7)\n", ["7", "last words"]),
    ("import os\nos.kill(os.getpid(), 9)\n", ["9"]),
    ("import sys\nsys.exit('gone away')\n", ["gone away"]),
])
def test_code_that_exits_at_import(steady, tmp_path, code, says):
    add(steady, tmp_path, "exits", code)
    message = error_of(steady, "exits")
    assert all(word in message for word in says), message


def test_import_error_is_told_at_once(steady, tmp_path):
    """The traceback reaches the control plane within two seconds of its happening."""
    add(steady, tmp_path, "raises",
        "import pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'stamp')!r}).write_text(repr(time.time()))\n"
        "raise RuntimeError('broken on purpose')\n")
    message = error_of(steady, "raises")
    assert "RuntimeError: broken on purpose" in message and "raises.py" in message
    (told,) = [c for c in steady.plane.calls(op="code_location_update_result")["calls"]
               if c["variables"]["location_name"] == "raises"]
    assert told["time"] + told["seconds"] - float((tmp_path / "stamp").read_text()) < 2.0


def test_missing_interpreter(steady, tmp_path):
    add(steady, tmp_path, "nowhere", executable_path="/nonexistent/python")
    message = error_of(steady, "nowhere")
    assert "/nonexistent/python" in message and "No such file" in message


SILENT = "import time\ntime.sleep(600)\n"
BABBLING = """
import socket, sys, threading
path = sys.argv[sys.argv.index("--socket") + 1]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(16)
while True:
    peer, _ = server.accept()
    peer.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n" + bytes(range(256)) * 64)
    peer.close()
"""


def test_servers_that_never_make_sense(bench, tmp_path):
    """One never listens, one babbles: told when the time for starting is over."""
    served = Served(bench, more="  config: {server_process_startup_timeout: 20}\n")
    pids = served.children()[0]
    add(served, tmp_path, "silent", executable_path=program(tmp_path, "silent", SILENT))
    add(served, tmp_path, "babbling", executable_path=program(tmp_path, "babbling", BABBLING))
    for name in ("silent", "babbling"):
        assert error_of(served, name)
        answer = served.ask(name)
        assert answer["response"]["__class__"] == "DagsterCloudApiErrorResponse"
    served.is_well()
    assert served.children()[0] == pids


HUGE = """
import dagster as dg

@dg.op
def nothing(): pass

@dg.dynamic_partitioned_config(partition_fn=lambda _=None: ["x" * 100000 + str(n)
                                                            for n in range(2000)])
def config(key): return {}

@dg.job(config=config)
def huge_job(): nothing()

@dg.sensor(job=huge_job)
def huge_sensor(): return dg.SkipReason("y" * 200_000_000)

defs = dg.Definitions(jobs=[huge_job], sensors=[huge_sensor])
"""


def most_memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1]) * 1024


def test_replies_of_200_megabytes(steady, tmp_path):
    add(steady, tmp_path, "huge", HUGE)
    steady.plane.location_wait(name="huge", wait=60)
    for want in ({"job": "huge_job"},
                 {"kind": "GET_EXTERNAL_SENSOR_EXECUTION_DATA", "sensor": "huge_sensor"}):
        answer = steady.ask("huge", **want)
        (info,) = answer["response"]["error_infos"]
        text = json.dumps(info)
        assert "RESOURCE_EXHAUSTED" in text and "100000000" in text, text
    for name, pid in steady.children()[0].items():
        assert most_memory(pid) < 64e6, name


# --- the roles among themselves ----------------------------------------------------------------


LIBC = ctypes.CDLL(None, use_errno=True)
PIDFD_GETFD = 438
GARBAGE = {
    "short": b"\x01",
    "no such type": b"\xff" * 16,
    "all zero": bytes(64),
    "a string that is longer than its message": b"\x03\x00" + bytes(14) + b"\xff" * 12,
    "text": b"hello, this is not a message at all, is it?" * 10,
}


def say_as(pid, to, data):
    """Send one datagram through a role's own channel to the master (descriptor 3) or, over the
    other one, to the ledger."""
    handle = os.pidfd_open(pid)
    try:
        for fd in sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd")):
            if (fd == 3) != (to == "master"):
                continue
            copy = LIBC.syscall(PIDFD_GETFD, handle, fd, 0)
            assert copy >= 0, os.strerror(ctypes.get_errno())
            if not stat.S_ISSOCK(os.fstat(copy).st_mode):
                os.close(copy)
                continue
            with socket.socket(fileno=copy) as channel:
                if channel.type & socket.SOCK_SEQPACKET == socket.SOCK_SEQPACKET:
                    channel.sendall(data)
                    return
    finally:
        os.close(handle)
    raise AssertionError(f"{pid} has no channel to the {to}")


@pytest.mark.skipif(os.geteuid() != 0, reason="another process's descriptors need root")
@pytest.mark.parametrize("to", ["master", "ledger"])
def test_malformed_message_costs_its_sender_alone(bench, to):
    """Each one is followed by a good request."""
    served = Served(bench)
    for number, (what, data) in enumerate(GARBAGE.items()):
        roles, servers = served.children()
        candidates = [r for r in sorted(roles) if to == "master" or r != "ledger"]
        sender = candidates[number % len(candidates)]
        say_as(roles[sender], to, data)

        def replaced():
            now = served.children()[0]
            return sender in now and now[sender] != roles[sender] and now

        now = harness.until(replaced, 15, f"{sender} is replaced after {what}")
        assert {r: p for r, p in now.items() if r != sender} == {
            r: p for r, p in roles.items() if r != sender}, (sender, what)
        served.is_well()
        assert served.children()[1] == servers
    assert served.agent.running()
