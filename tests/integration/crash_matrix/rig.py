"""devplane, a daglet on a project of its own that obeys orders to die, and a look inside."""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import harness

HERE = Path(__file__).resolve().parent
LOCATION = "crash"
PATIENCE = float(os.environ.get("CRASH_PATIENCE") or 1)
FULL = os.environ.get("CRASH_MATRIX") == "full"
SEED = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(1 << 31))
BACK = 1.0 * PATIENCE      # a killed role is ready again
REPLACED = 10.0 * PATIENCE  # a stopped one
#: what was popped is in the ledger by then
ON_ITS_WAY = 0.5
#: how long before the death of a process a pop or an upload may have been under way
AROUND = 5.0

ROLES = ("ledger", "poller:queue", "poller:workspace", "launcher:process", "reporter", "status")


def samples(notebook):
    """Kinds of all lanes, each with one answer whenever it is asked."""
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


def is_error(text):
    return json.loads(text, strict=False)["response"]["__class__"] == "DagsterCloudApiErrorResponse"


def crash_steps():
    """What the binary knows: [{name, who, kind, subject, lives, what}]."""
    if harness.why_not("daglet"):
        return []
    shown = subprocess.run([harness.daglet_binary(), "--list-crashpoints"],
                           capture_output=True, text=True, check=True).stdout
    keys = ("name", "who", "kind", "subject", "lives", "what")
    steps = [dict(zip(keys, line.split("\t"), strict=True)) for line in shown.splitlines()]
    for one in steps:
        one["lives"] = one["lives"].split(",")
    return steps


def obeys():
    """Has this build crash points?"""
    here = harness.daglet_binary().parent
    ledger = next(p for p in (here / "daglet-ledger",
                              here.parent / "libexec" / "daglet" / "daglet-ledger") if p.exists())
    return b"DAGLET_AT" in ledger.read_bytes()


class Rig:
    """Other tests' rigs of their own look inside with it, too."""
    more = ""     # of dagster.yaml
    agent = None
    order = None  # the file of orders, if any

    def __init__(self, bench, more="", locations=(LOCATION,)):
        self.bench = bench
        self.more = more
        self.plane = bench.devplane()
        self.marks = bench.directory / "marks"
        self.marks.mkdir()
        self.order = bench.directory / "order"
        self.done = bench.directory / "order.done"
        self.plane.secret_set(name="CRASH_MARKS", value=str(self.marks))
        code = bench.directory / "code"
        code.mkdir()
        shutil.copy(HERE / "project.py", code / "definitions.py")
        for name in locations:
            self.plane.location_add(name=name, fields={
                "python_file": str(code / "definitions.py"), "working_directory": str(code)})
        self.start()
        self.notebook = self.agent.home / "notebook.ipynb"
        shutil.copy(harness.EXAMPLES / "quickstart" / "notebook.ipynb", self.notebook)
        self.samples = samples(self.notebook)
        self.deaths = []  # (wall clock, role)
        self.since = 0

    # --- the agent ---

    def start(self, **env):
        """Code servers get threads for sixteen calls at once."""
        if self.agent:
            self.bench.processes.remove(self.agent)
        if self.order:
            env["DAGLET_AT"] = f"@{self.order}"
        self.agent = self.bench.agent(
            "daglet", self.plane, more=self.more, DAGSTER_GRPC_MAX_WORKERS="16", **env)

    def serving(self, name=LOCATION):
        self.plane.location_wait(name=name, server="RUNNING", wait=120)

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
                 for r in shown["roles"] if r["role"] != "master"}
        return found if len(found) == len(ROLES) else None

    def ready(self, timeout=60, but=()):
        """All roles' pids, once all are ready; `but` are pids that must be gone."""
        return harness.until(
            lambda: (r := self.roles()) and not set(but) & set(r.values()) and r, timeout,
            "all roles are ready", step=0.01)

    def pending(self):
        """How many requests the ledger holds, or None."""
        shown = self.get("/requests")
        return shown.get("count") if shown else None

    def states(self):
        """States of the requests that the ledger holds."""
        shown = self.get("/requests")
        return [r["state"] for r in shown["requests"]] if shown else []

    def server(self):
        """pid of the only location's serving code server, as the agent says it."""
        shown = self.get()
        for s in (shown or {}).get("servers", ()):
            if s["state"] == "serving":
                return int(s["handle"])
        return None

    def servers(self):
        """All code servers that live, as the system says it."""
        return [pid for pid, line in harness.marked(self.bench.test_id).items()
                if " api grpc" in line or "code-server" in line]

    # --- deaths ---

    def arm(self, point, nth, action):
        self.done.unlink(missing_ok=True)
        aside = self.order.with_suffix(".new")
        aside.write_text(f"{point}:{nth}:{action}\n")
        aside.rename(self.order)

    def struck(self, limit, what):
        """Wait until somebody obeys; when that was, by the wall clock."""
        try:
            harness.until(self.done.exists, limit, what, step=0.005)
        finally:
            self.order.unlink(missing_ok=True)
        return self.done.stat().st_ctime

    def is_dead(self, roles):
        return self.agent.popen.poll() is not None and not any(map(harness.alive, roles))

    def kill_agent(self):
        """Master and roles at once; servers and runs stay."""
        os.killpg(self.agent.pid, signal.SIGKILL)
        self.deaths.append((time.time(), "agent"))

    def stored(self, sql):
        """Rows of the store of a dead agent."""
        found = next((self.agent.home / ".daglet").rglob("state.db"))
        with tempfile.TemporaryDirectory(dir=self.bench.directory) as copy:
            for name in ("state.db", "state.db-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(found.with_name(name), copy)
            with contextlib.closing(sqlite3.connect(f"{copy}/state.db")) as db:
                return db.execute(sql).fetchall()

    def recorded(self):
        """Ids of all requests in it."""
        return {row[0] for row in self.stored(
            "SELECT request_id FROM request UNION SELECT request_id FROM tombstone")}

    def revive(self, roles):
        """After the death of all: what the store holds; the agent is started again."""
        harness.until(lambda: self.is_dead(roles), 10, "all roles end with their master")
        kept = self.recorded()
        self.start()
        self.ready()
        return kept

    def strike(self, role, number, limit):
        """Signal a role; it is replaced within the limit, and nobody else is. How long it
        took, in seconds."""
        before = self.ready()
        time.sleep(random.random() * 0.2)  # not always at the same moment of its life
        pid = before[role]
        begin = time.monotonic()
        self.deaths.append((time.time(), role))
        os.kill(pid, number)
        after = self.ready(limit + 10, but=[pid])
        took = time.monotonic() - begin
        assert {r: p for r, p in after.items() if r != role} == {
            r: p for r, p in before.items() if r != role}, f"not only {role} was replaced"
        assert took <= limit, f"{role} was back after {took:.2f} s only"
        return took

    # --- answers ---

    def settle(self, timeout=120):
        """Wait until all is answered, or what is not is nowhere: neither queued nor in the
        ledger, and not on its way from one to the other."""
        since = None

        def idle():
            nonlocal since
            if self.plane.stats(since=self.since)["waiting"] or self.pending() != 0:
                since = None
                return False
            if not self.plane.requests(since=self.since, unanswered=True, limit=0)["total"]:
                return True
            since = since or time.monotonic()
            return time.monotonic() - since > ON_ITS_WAY

        harness.until(idle, timeout, "all that was recorded is answered", step=0.03)

    def near(self, at, *roles):
        """Was one of these roles killed or stopped at about that time?"""
        return any(r.startswith(roles) and -AROUND < at - t < AROUND + REPLACED
                   for t, r in self.deaths)

    def answers(self, but=()):
        """All requests since `since`, but for some kinds."""
        asked = self.plane.requests(since=self.since, limit=1000000)["requests"]
        ids = [r["id"] for r in asked if r["api"] not in but]
        return [a for i in range(0, len(ids), 500)
                for a in self.plane.answers(ids=ids[i:i + 500], full=True)["answers"]]

    def judge(self, expected, everybody=False, kept=(), errors=(), quiet=False):
        """All answers since `since`; prints what was lost and what was uploaded twice. KEPT:
        ids that were in the store when everybody died. ERRORS: kinds that may be answered by
        an error. Returns the lost ones and how many were uploaded twice."""
        answers = self.answers(but=("LAUNCH_RUN", "TERMINATE_RUN"))
        lost = [a for a in answers if not a["accepted"]]
        twice = [a for a in answers if a["accepted"] > 1]
        failed = [a for a in answers if a["accepted"] and is_error(a["answers"][0])]
        if not quiet or lost or twice or failed:
            print(f"\n{len(answers)} requests, {len(lost)} popped and never recorded"
                  f"{self.ages(lost)}, {len(twice)} uploaded more than once, "
                  f"{len(failed)} answered by an error")
        wrong = [a for a in answers if a["rejected"] or any(
            meaning(t) != expected.get(a["api"]) for t in a["answers"]
            if not (a["api"] in errors and is_error(t)))]
        assert not wrong, f"{len(wrong)} wrong answers, the first: {wrong[0]}"
        for a in lost:
            assert a["pops"], f"never popped: {a}"
            assert a["id"] not in kept, f"recorded, and never answered: {a}"
            assert everybody or self.near(a["pops"][0], "poller:queue"), \
                f"lost, and no poller died then: {a}"
        for a in twice:
            assert len(set(a["answers"])) == 1, f"two different answers: {a}"
            assert everybody or self.near(a["answered"], "reporter"), \
                f"uploaded twice, and no reporter died then: {a}"
        return lost, len(twice)

    def ages(self, lost):
        """How long before a signal the lost ones were popped, in words."""
        ages = [min((t - a["pops"][0] for t, _ in self.deaths), key=abs)
                for a in lost if self.deaths]
        return f" ({1000 * min(ages):.0f} to {1000 * max(ages):.0f} ms before a death)" \
            if ages else ""

    def undisturbed(self):
        """{kind: answer} while nothing happens; two of each are equal."""
        found = {}
        for kind, want in self.samples + [("CHECK_FOR_WORKSPACE_UPDATES", None)]:
            where = {} if want is None else {"location": LOCATION}
            ids = self.plane.request(kind=kind, count=2, **where, **(want or {}))["ids"]
            one, two = self.plane.answers(ids=ids, wait=60, full=True)["answers"]
            assert one["accepted"] == two["accepted"] == 1
            found[kind] = meaning(one["answers"][0])
            assert meaning(two["answers"][0]) == found[kind]
            assert not is_error(one["answers"][0])
        return found

    # --- runs ---

    def launch(self, job="marking_job", **more):
        return self.plane.run_launch(job=job, location=LOCATION, **more)

    def pids_of(self, run):
        """The processes that executed it."""
        path = self.marks / run["run_id"]
        return path.read_text().split() if path.exists() else []

    def judge_run(self, one, status="SUCCESS", failure=False):
        """Executed by one process, ended with its own status, answered once. FAILURE: its own
        parent was killed: it may be that it was never started, and then the answer says so."""
        answer = self.plane.answer(id=one["request_id"], wait=60)
        assert answer["rejected"] == 0
        assert len(set(map(str, answer["answers"]))) == 1, f"two different answers: {answer}"
        pids = self.pids_of(one)
        if failure and answer["response"]["__class__"] == "DagsterCloudApiErrorResponse":
            assert not pids, f"executed by {pids}, and the answer is {answer}"
            return answer
        assert answer["response"]["__class__"] == "DagsterCloudApiSuccess", answer
        if failure == "dead":  # it was killed before it could say anything
            assert not pids, f"executed by {pids}"
            return answer
        run = self.plane.run(run_id=one["run_id"], wait=120)
        assert run["status"] == status, run
        assert [e["type"] for e in run["events"]].count("PIPELINE_START") == 1
        pids = self.pids_of(one)
        assert len(pids) == 1, f"executed by {pids}"
        harness.until(lambda: "process/pid" in self.plane.run(run_id=one["run_id"])["tags"], 30,
                      "the tag of the run's process is told")
        return answer
