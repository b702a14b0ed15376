"""Every role is killed and stopped while hundreds of requests are in flight; nothing that was
recorded may be lost, answered wrongly or answered by two different answers, and no run may be
started twice.

What may happen, because the protocol cannot prevent it, is counted and printed:
  lost        popped, but the bytes never reached a process that lived: a pop is destructive and
              has no acknowledgement. Only around the death of a queue's poller or of the agent.
  duplicates  an upload that the control plane accepted and whose reporter died before it could
              tell the ledger is made again, with the same bytes. Only around the death of a
              reporter or of the agent.
"""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

import harness
import pytest

LOCATION = "crash"
IN_FLIGHT = 200
KILLS = 20
BACK = 1.0     # a killed role is ready again
REPLACED = 10.0  # a stopped one
#: how long before the death of a process a pop or an upload may have been under way
AROUND = 5.0

ROLES = ("ledger", "poller:queue", "poller:workspace", "launcher:process", "reporter", "status")


def samples(notebook):
    """Six kinds and more, each with one answer whenever it is asked."""
    return [
        ("PING_LOCATION", {}),
        ("GET_EXTERNAL_SENSOR_EXECUTION_DATA", {"sensor": "slow_sensor", "cursor": "41"}),
        ("GET_EXTERNAL_SCHEDULE_EXECUTION_DATA", {"schedule": "daily", "timestamp": 1.7e9}),
        ("GET_EXTERNAL_PARTITION_NAMES", {"job": "color_job"}),
        ("GET_EXTERNAL_PARTITION_TAGS", {"job": "color_job", "partition": "red"}),
        ("GET_EXTERNAL_EXECUTION_PLAN", {"job": "marking_job"}),
        ("GET_SUBSET_EXTERNAL_PIPELINE_RESULT", {"job": "marking_job", "ops": ["leave_mark"]}),
        ("GET_EXTERNAL_NOTEBOOK_DATA", {"notebook": str(notebook)}),
    ]


def meaning(text):
    """An uploaded answer without its request's id and its times."""
    answer = json.loads(text, strict=False)
    del answer["request_id"]
    answer["response"].pop("thread_telemetry", None)
    return answer


class Crashed:
    """devplane, daglet on a project of its own, and a look inside."""

    def __init__(self, bench):
        self.bench = bench
        self.plane = bench.devplane()
        self.marks = bench.directory / "marks"
        self.marks.mkdir()
        self.plane.secret_set(name="CRASH_MARKS", value=str(self.marks))
        code = bench.directory / "code"
        code.mkdir()
        shutil.copy(harness.TESTS / "crash_defs.py", code / "definitions.py")
        self.plane.location_add(name=LOCATION, fields={
            "python_file": str(code / "definitions.py"), "working_directory": str(code)})
        self.start()
        self.notebook = self.agent.home / "notebook.ipynb"
        shutil.copy(harness.EXAMPLES / "quickstart" / "notebook.ipynb", self.notebook)
        self.samples = samples(self.notebook)
        self.deaths = []  # (wall clock, role)
        self.since = 0

    def start(self, **env):
        """Code servers get threads for sixteen calls at once."""
        self.agent = self.bench.agent(
            "daglet", self.plane, DAGSTER_GRPC_MAX_WORKERS="16", **env)

    def restart(self, **env):
        """An agent with another environment; the code server is kept."""
        assert self.agent.stop() == 0
        self.start(**env)

    def serving(self):
        self.plane.location_wait(name=LOCATION, server="RUNNING", wait=120)

    def get(self, path="/status.json"):
        """What the status socket says; None while nobody answers."""
        found = next((self.agent.home / ".daglet").rglob("status.sock"), None)
        if found is None:
            return None
        c = http.client.HTTPConnection("daglet", timeout=5)
        try:
            c.sock = socket.socket(socket.AF_UNIX)
            c.sock.settimeout(5)
            c.sock.connect(str(found))
            c.request("GET", path)
            return json.loads(c.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            c.close()

    def roles(self):
        """{role: pid} when all of them are ready, else None."""
        shown = self.get()
        if not shown or any(r["state"] != "ready" for r in shown["roles"]):
            return None
        found = {r["role"] + (":" + r["inst"] if r["inst"] else ""): r["pid"]
                 for r in shown["roles"]}
        return found if len(found) == len(ROLES) else None

    def ready(self, timeout=60, but=None):
        """All roles' pids, once all are ready; `but` is a pid that must be gone."""
        return harness.until(
            lambda: (r := self.roles()) and but not in r.values() and r, timeout,
            "all roles are ready", step=0.01)

    def pending(self):
        """How many requests the ledger holds, or None."""
        shown = self.get("/requests")
        return shown.get("count") if shown else None

    def server(self):
        """pid of the location's serving code server."""
        shown = self.get()
        for s in (shown or {}).get("servers", ()):
            if s["state"] == "serving":
                return int(s["handle"])
        return None

    def strike(self, role, number, limit):
        """Signal a role; it is replaced within the limit, and nobody else is. How long it
        took, in seconds."""
        before = self.ready()
        time.sleep(random.random() * 0.2)  # not always at the same moment of its life
        pid = before[role]
        begin = time.monotonic()
        self.deaths.append((time.time(), role))
        os.kill(pid, number)
        after = self.ready(limit + 10, but=pid)
        took = time.monotonic() - begin
        assert {r: p for r, p in after.items() if r != role} == {
            r: p for r, p in before.items() if r != role}, f"not only {role} was replaced"
        assert took <= limit, f"{role} was back after {took:.2f} s only"
        return took

    def settle(self, timeout=120):
        """Wait until nothing is queued and the ledger is empty."""
        def idle():
            if self.plane.stats(since=self.since)["waiting"]:
                return False
            return self.pending() == 0

        harness.until(idle, timeout, "all that was recorded is answered", step=0.1)

    def near(self, at, *roles):
        """Was one of these roles killed or stopped at about that time?"""
        return any(r.startswith(roles) and -AROUND < at - t < AROUND + REPLACED
                   for t, r in self.deaths)

    def judge(self, expected, everybody=False):
        """All answers since `since`; prints what was lost and what was uploaded twice."""
        asked = self.plane.requests(since=self.since, limit=1000000)["requests"]
        answers = []
        for i in range(0, len(asked), 500):
            ids = [r["id"] for r in asked[i:i + 500]]
            answers += self.plane.answers(ids=ids, full=True)["answers"]
        lost = [a for a in answers if not a["accepted"]]
        twice = [a for a in answers if a["accepted"] > 1]
        ages = [min((t - a["pops"][0] for t, _ in self.deaths), key=abs)
                for a in lost if self.deaths]
        print(f"\n{len(answers)} requests, {len(lost)} popped and never recorded"
              + (f" ({1000 * min(ages):.0f} to {1000 * max(ages):.0f} ms before a signal)"
                 if ages else "")
              + f", {len(twice)} uploaded more than once")
        wrong = [a for a in answers if a["rejected"] or any(
            meaning(t) != expected[a["api"]] for t in a["answers"])]
        assert not wrong, f"{len(wrong)} wrong answers, the first: {wrong[0]}"
        for a in lost:
            assert a["pops"], f"never popped: {a}"
            assert everybody or self.near(a["pops"][0], "poller:queue"), \
                f"lost, and no poller died then: {a}"
        for a in twice:
            assert len(set(a["answers"])) == 1, f"two different answers: {a}"
            assert everybody or self.near(a["answered"], "reporter"), \
                f"uploaded twice, and no reporter died then: {a}"
        return len(answers), len(lost), len(twice)

    def undisturbed(self):
        """{kind: answer} while nothing happens; two of each are equal."""
        found = {}
        for kind, want in self.samples:
            ids = self.plane.request(kind=kind, location=LOCATION, count=2, **want)["ids"]
            one, two = self.plane.answers(ids=ids, wait=60, full=True)["answers"]
            assert one["accepted"] == two["accepted"] == 1
            found[kind] = meaning(one["answers"][0])
            assert meaning(two["answers"][0]) == found[kind]
            assert found[kind]["response"]["__class__"] != "DagsterCloudApiErrorResponse"
        return found


class Load:
    """Keeps at least IN_FLIGHT requests of all samples unanswered; a context manager."""

    def __init__(self, crashed):
        self.c = crashed
        self.ended = threading.Event()
        self.failed = None
        self.thread = threading.Thread(target=self.run)

    def unanswered(self, kind=None):
        return self.c.plane.requests(
            since=self.c.since, api=kind, unanswered=True, limit=0)["total"]

    def top_up(self):
        """What takes long makes the number, the others come and go."""
        for kind, want in self.c.samples:
            goal = IN_FLIGHT + 80 if "SENSOR" in kind else 20
            count = goal - self.unanswered(kind)
            if count > goal // 10:
                self.c.plane.request(kind=kind, location=LOCATION, count=count, **want)

    def full(self):
        harness.until(lambda: self.unanswered() >= IN_FLIGHT, 10, "the load is up")

    def run(self):
        try:
            while not self.ended.wait(0.05):
                self.top_up()
        except Exception as e:
            self.failed = e

    def __enter__(self):
        self.c.since = self.c.plane.request(
            kind="PING_LOCATION", location=LOCATION, wait=30)["seq"]
        self.top_up()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        assert self.failed is None, self.failed


def daglet_or_skip():
    reason = harness.why_not("daglet")
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    daglet_or_skip()
    with harness.Bench(tmp_path_factory.mktemp("crash")) as bench:
        c = Crashed(bench)
        try:
            c.serving()
            c.ready()
            yield c
        except Exception:
            print(bench.outputs())
            raise


@pytest.fixture(scope="module")
def expected(crashed):
    return crashed.undisturbed()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_killed_twenty_times_and_stopped_once(crashed, expected, role):
    server = crashed.server()
    crashed.deaths.clear()
    times = []
    with Load(crashed) as load:
        for _ in range(KILLS):
            load.full()
            times.append(crashed.strike(role, signal.SIGKILL, BACK))
        load.full()
        stopped = crashed.strike(role, signal.SIGSTOP, REPLACED)
    crashed.settle()
    assert crashed.server() == server and harness.alive(server), "the code server is kept"
    print(f"\n{role}: back after {min(times):.2f} to {max(times):.2f} s, "
          f"stopped: replaced after {stopped:.1f} s")
    crashed.judge(expected)


# --- the whole agent ---------------------------------------------------------------------------


def test_everything_is_killed_at_once(crashed, expected):
    """Master and roles die by SIGKILL under load; the next agent answers all that was
    recorded and finds the code server."""
    server = crashed.server()
    crashed.deaths.clear()
    with Load(crashed) as load:
        for _ in range(3):
            load.full()
            roles = crashed.ready()
            crashed.deaths.append((time.time(), "agent"))
            for pid in (crashed.agent.pid, *roles.values()):
                os.kill(pid, signal.SIGKILL)
            crashed.agent.popen.wait()
            harness.until(lambda: not any(map(harness.alive, roles.values())), 5, "all died")
            crashed.start()
            crashed.ready()
            harness.until(lambda: crashed.server() == server, 20, "the code server is found")
    crashed.settle()
    crashed.judge(expected, everybody=True)


# --- runs --------------------------------------------------------------------------------------


def launch(crashed, count):
    return [crashed.plane.run_launch(job="marking_job", location=LOCATION)
            for _ in range(count)]


def judge_runs(crashed, launched):
    """Each was executed by one process, succeeded, and was answered once. Its tags are told
    after its start and may die with the launcher that wanted to tell them: counted."""
    untold = 0
    for one in launched:
        run = crashed.plane.run(run_id=one["run_id"], wait=120)
        assert run["status"] == "SUCCESS", run
        assert [e["type"] for e in run["events"]].count("PIPELINE_START") == 1
        pids = (crashed.marks / one["run_id"]).read_text().split()
        assert len(pids) == 1, f"executed by {pids}"
        untold += "process/pid" not in run["tags"]
        answer = crashed.plane.answer(id=one["request_id"], wait=60)
        assert answer["accepted"] == 1 and answer["rejected"] == 0
        assert answer["response"]["__class__"] == "DagsterCloudApiSuccess", answer
    print(f"\n{len(launched)} runs, {untold} without the tag of their process")


def test_runs_start_once_when_the_launcher_is_killed(crashed):
    launched = launch(crashed, 5)
    for _ in range(6):
        crashed.strike("launcher:process", signal.SIGKILL, BACK)
    crashed.settle()
    judge_runs(crashed, launched)


# --- every crash point -------------------------------------------------------------------------


def crash_points():
    binary = harness.daglet_binary()
    if harness.why_not("daglet"):
        return []
    shown = subprocess.run(
        [binary, "--list-crashpoints"], capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[0] for line in shown.splitlines() if line]


def obeyed():
    """Has this build crash points?"""
    here = harness.daglet_binary().parent
    ledger = next(p for p in (here / "daglet-ledger",
                              here.parent / "libexec" / "daglet" / "daglet-ledger") if p.exists())
    return b"DAGLET_AT" in ledger.read_bytes()


@pytest.fixture(scope="module")
def at(crashed):
    """crashed, and the agent as it was afterwards."""
    if not obeyed():
        pytest.skip("this build has no crash points (configure --enable-crashpoints)")
    yield crashed
    crashed.restart()
    crashed.ready()


@pytest.mark.parametrize("point", crash_points())
def test_a_role_dies_at(at, expected, point, tmp_path):
    """One process dies there; nobody else, and all is as if nothing had happened."""
    nth = 2 if point in ("INTENT", "STARTED") else 5
    at.deaths.clear()
    at.restart(DAGLET_AT=f"{point}:{nth}:KILL:{tmp_path}/died")
    at.ready(30)
    launched = launch(at, 2) if point in ("INTENT", "STARTED") else []
    at.since = at.plane.stats()["seq"]
    for kind, want in at.samples:
        at.plane.request(kind=kind, location=LOCATION, count=3, **want)
    harness.until((tmp_path / "died").exists, 30, f"somebody dies at {point}")
    at.settle()
    assert sum(r["restarts"] for r in harness.until(at.get, 5, "status")["roles"]) == 1
    print(f"\n{point}:", end="")
    _, lost, twice = at.judge(expected, everybody=True)
    assert not lost or point == "POPPED"
    assert not twice or point in ("UPLOADING", "UPLOADED")
    judge_runs(at, launched)
