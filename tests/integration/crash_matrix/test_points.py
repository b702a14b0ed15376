"""One process dies at a crash point, or master and roles do; all is as if nothing had happened."""

import contextlib
import json
import os
import signal
import time

import harness
import pytest

from . import rows
from .rig import FULL, LOCATION, SEED, Rig, crash_steps, obeys

STEPS = crash_steps()
ALL = rows.every(STEPS)
CASES = ALL if FULL else rows.some(ALL, SEED)
LARGE = "x" * 300_000
#: a step that is not passed within this time is no part of what was done
PASSED = 30.0
#: while these die, popped bytes have nowhere to be yet
NOWHERE = {"POP.before", "POP.after", "KEEP.before"}


def ids(cases):
    return [str(c) for c in cases]


def of(life, hows=None, but=()):
    found = [c for c in CASES if c.life == life and c.how not in but
             and (hows is None or c.how in hows)]
    return pytest.mark.parametrize("case", found, ids=ids(found))


@pytest.fixture(scope="module")
def at(crashed, expected):
    if not obeys():
        pytest.skip("this build has no crash points (configure --enable-crashpoints)")
    print(f"\n{len(CASES)} of {len(ALL)} cases" + ("" if FULL else f", CRASH_SEED={SEED}"))
    crashed.expected = expected
    return crashed


class Case:
    """Around what is done: arm before, see who died after, and that nobody else did."""

    def __init__(self, rig, case):
        self.rig, self.case = rig, case
        self.also = set()  # roles that the test itself kills
        self.kept, self.died = set(), None

    def __enter__(self):
        rig = self.rig
        rig.deaths.clear()
        self.before = rig.ready()
        rig.since = rig.plane.stats()["seq"]
        rig.arm(self.case.point, self.case.nth, self.case.action)
        return self

    def kill(self, role):
        """Another death, that leads to the point."""
        self.also.add(role)
        self.rig.deaths.append((time.time(), role))
        os.kill(self.before[role], signal.SIGKILL)

    def passed(self):
        """Wait for the death, and for all roles to be back."""
        rig, case = self.rig, self.case
        self.died = rig.struck(PASSED, f"somebody comes to {case.point}")
        whole = case.action == "AGENT" or case.who == "master"
        rig.deaths.append((self.died, "agent" if whole else case.who))
        if whole:
            self.kept = rig.revive([p for p in self.before.values()])
            return
        gone = {self.before[r] for r in self.also}
        after = rig.ready(but=gone)
        if case.who == "daglet-run":
            assert self.changed(after) == set(), "a role died with a run's parent"
            return
        harness.until(lambda: {r.split(":")[0] for r in self.changed(rig.ready())} == {
            r.split(":")[0] for r in self.also} | {case.who}, 5,
            f"{case.who} dies, and nobody else")

    def markers(self):
        return set((self.rig.agent.home / ".daglet").rglob("runs/*.started"))

    def changed(self, after):
        return {r for r, pid in self.before.items() if after[r] != pid}

    def __exit__(self, kind, *_):
        self.rig.order.unlink(missing_ok=True)
        with contextlib.suppress(Exception):
            self.rig.plane.fault_clear()

    def judge(self, errors=()):
        rig, case = self.rig, self.case
        rig.settle()
        lost, twice = rig.judge(rig.expected, everybody=True, kept=self.kept, errors=errors,
                                quiet=True)
        poller = case.who == "poller" or "poller:queue" in self.also
        assert not lost or poller or case.action == "AGENT" or case.who == "master", \
            f"lost, and neither a poller nor the agent died: {lost[0]}"
        assert not twice or case.who == "reporter" or case.action == "AGENT" \
            or case.who == "master", "uploaded twice, and no reporter died"
        if poller and lost and case.action == "KILL" and case.point not in NOWHERE:
            # what had arrived is in the ledger's hands; what was on its way is gone
            arrived = min(a["pops"][0] for a in rig.answers() if a["pops"])
            tests = [t for t, r in rig.deaths if r == "poller:queue"]
            for a in lost:
                at = a["pops"][0]
                assert any(abs(t - at) < 0.2 for t in tests) or (
                    not tests and at > arrived and abs(self.died - at) < 0.2), \
                    f"it had arrived: {a}"


def ask(rig):
    for kind, want in rig.samples:
        rig.plane.request(kind=kind, location=LOCATION, **want)
    rig.plane.request(kind="CHECK_FOR_WORKSPACE_UPDATES")


@of("request")
def test_a_request_is_answered_whoever_dies(at, case):
    server = at.server()
    with Case(at, case) as c:
        if case.how == "large":
            want = {"sensor": "large_sensor", "cursor": LARGE}
            kind = "GET_EXTERNAL_SENSOR_EXECUTION_DATA"
            large = at.plane.request(kind=kind, location=LOCATION, **want)["id"]
            c.passed()
            at.settle()
            one = at.plane.answer(id=large)
            if one["accepted"]:
                assert one["value"]["cursor"] == LARGE + "!"
            else:  # popped, and died with the agent before it was recorded
                assert case.action == "AGENT" and case.nth == 1 and large not in c.kept
            at.since = at.plane.stats()["seq"]
        elif case.how == "ask":
            ask(at)
            c.passed()
        elif case.how == "poller dies":
            c.kill("poller:queue")
            ask(at)
            c.passed()
        elif case.how == "ledger dies":
            ask(at)
            c.kill("ledger")
            c.passed()
        elif case.how == "ledger dies at work":
            at.plane.request(kind="GET_EXTERNAL_SENSOR_EXECUTION_DATA", location=LOCATION,
                             count=40, sensor="slow_sensor", cursor="41")
            harness.until(lambda: "working" in at.states(), 10, "calls are under way", step=0.01)
            c.kill("ledger")
            c.passed()
        elif case.how == "ledger dies at delivery":
            at.plane.fault_set(kind="delay", match="upload_api_response", seconds=1.0, count=20)
            ask(at)
            harness.until(lambda: "delivering" in at.states(), 10, "uploads hang", step=0.01)
            c.kill("ledger")
            c.passed()
        elif case.how == "refuse":
            at.plane.fault_set(kind="status", match="upload_api_response", status=400,
                               process=True, count=1)
            ask(at)
            c.passed()
        else:
            raise AssertionError(case.how)
        c.judge()
    harness.until(lambda: at.server() == server, 20, "the code server is kept")


# --- a location --------------------------------------------------------------------------------


def one_server(rig, but=None):
    """pid of the only code server, which serves and is not BUT."""
    def look():
        pid = rig.server()
        return pid and pid != but and rig.servers() == [pid] and pid

    return harness.until(look, 60, "one server serves, and no other is left", step=0.1)


@of("location", but=("wake",))
def test_a_location_is_served_by_one_server_whoever_dies(at, case):
    before = one_server(at)
    if case.how == "orphan dies":  # one that this master's launcher started
        at.plane.location_update(name=LOCATION)
        before = one_server(at, but=before)
    errors = ()
    with Case(at, case) as c:
        if case.how == "deploy":
            at.plane.location_update(name=LOCATION)
        elif case.how == "ledger dies":
            c.kill("ledger")
        elif case.how == "launcher dies":
            c.kill("launcher:process")
        elif case.how == "orphan dies":
            at.order.rename(at.order.with_suffix(".later"))
            c.kill("launcher:process")
            at.ready(but=[c.before["launcher:process"]])
            harness.until(lambda: at.server() == before, 20, "the code server is found")
            at.order.with_suffix(".later").rename(at.order)
            os.kill(before, signal.SIGKILL)
            errors = tuple(kind for kind, _ in at.samples)
        else:
            assert case.how == "look"
        c.passed()
        ask(at)
        c.judge(errors)
    new = case.how in ("deploy", "orphan dies")
    after = one_server(at, but=before if new else None)
    assert new or after == before, "the code server is kept"
    wanted = at.plane.location_list(full=True)["locations"][0]
    harness.until(lambda: not at.plane.location_list(full=True)["locations"][0]["outdated"], 30,
                  f"the definitions are uploaded: {wanted}")


@pytest.fixture(scope="module")
def sleepy(at, tmp_path_factory):
    """An agent whose servers start when they are asked for."""
    with harness.Bench(tmp_path_factory.mktemp("sleepy")) as bench:
        rig = Rig(bench, more="""\
  config:
    server_ttl:
      full_deployments: {enabled: true, ttl_seconds: 7200}
""")
        rig.ready()
        kind, want = rig.samples[0]
        rig.plane.request(kind=kind, location=LOCATION, wait=60, **want)
        yield rig


@of("location", ("wake",))
def test_a_sleeping_location_is_woken_whoever_dies(sleepy, case):
    """The control plane is asked for deployments that are awake."""
    with Case(sleepy, case) as c:
        c.kill("ledger")
        c.passed()
    kind, want = sleepy.samples[3]
    sleepy.plane.request(kind=kind, location=LOCATION, wait=60, **want)
    one_server(sleepy)


# --- a run -------------------------------------------------------------------------------------


def killed_parent(case):
    """What may come of a run whose own parent or worker is killed there."""
    if case.who != "daglet-run" or case.action != "KILL":
        return False
    return "dead" if case.point in ("MARKER.after", "EXEC.before") else \
        case.point in ("FORK.before", "FORK.after", "MARKER.before")


@of("run")
def test_a_run_is_executed_once_whoever_dies(at, case):
    status = "SUCCESS"
    server = at.server()
    go = at.marks / "go"
    go.unlink(missing_ok=True)
    if case.how == "launch":  # devplane asks for its plan first: that is no step of it
        run = at.launch(enqueue=False)
    with Case(at, case) as c:
        if case.how == "launch":
            run["request_id"] = at.plane.request(
                kind="LAUNCH_RUN", location=LOCATION, run_id=run["run_id"])["id"]
        else:
            at.order.rename(at.order.with_suffix(".later"))
            run = at.launch("waiting_job")
            harness.until(lambda: at.pids_of(run), 60, "the run waits")
            at.plane.answer(id=run["request_id"], wait=30)
            if case.how == "launcher dies":
                at.order.with_suffix(".later").rename(at.order)
                c.kill("launcher:process")
            elif case.how == "orphan ends":
                c.kill("launcher:process")
                at.ready(but=[c.before["launcher:process"]])
                at.order.with_suffix(".later").rename(at.order)
                go.touch()
            else:
                assert case.how == "terminate"
                at.order.with_suffix(".later").rename(at.order)
                ended = at.plane.run_terminate(run_id=run["run_id"])["request_id"]
                status = "CANCELED"
        c.passed()
        go.touch()
        at.judge_run(run, status, killed_parent(case))
        if case.how == "terminate":
            answer = at.plane.answer(id=ended, wait=60)
            assert answer["response"]["__class__"] == "DagsterCloudApiSuccess", answer
        at.since = at.plane.stats()["seq"]  # devplane asked for the plan of its job
        ask(at)
        c.judge()
    harness.until(lambda: at.server() == server, 20, "the code server is kept")
    harness.until(lambda: not left_runs(at), 20, "no process of a run is left")


def left_runs(rig):
    return [line for line in harness.marked(rig.bench.test_id).values()
            if "daglet-run" in line or "execute_run" in line]


def handle_stages(rig):
    """{run id: stage} in the store of a dead agent."""
    return {key: stage for what, key, stage in rig.stored("SELECT what, key, stage FROM handle")
            if what == 1}


@pytest.mark.parametrize("point", ["PARENT.after", "LAUNCHER_HANDLE.before"])
def test_no_run_passes_the_gate_before_its_handle_is_committed(at, point):
    """The agent dies while the worker stands at the gate: the worker goes, having done nothing."""
    case = rows.Case("run", point.split(".")[0], point.split(".")[1], 1, "launcher", "launch",
                     "AGENT")
    with Case(at, case) as c:
        before = c.markers()
        run = at.launch()
        c.died = at.struck(PASSED, point)
        harness.until(lambda: at.is_dead(c.before.values()), 10, "all roles end")
        harness.until(lambda: not left_runs(at) or c.markers() - before, 10,
                      "the worker is gone, or has begun")
        assert handle_stages(at)[run["run_id"]] == 0, "an intent is all that is stored"
        assert not c.markers() - before, "it began before its handle was committed"
        at.revive(())
        at.judge_run(run)
        at.settle()


@pytest.mark.parametrize("store", ["kept", "lost"])
def test_a_run_that_ended_unseen_is_not_started_again(at, store):
    """The agent dies when the gate is open, and the run's processes die before anybody is back.
    Where the store is lost too, its marker is all that says that it began, when the control
    plane asks for it again."""
    case = rows.Case("run", "GATE", "after", 1, "launcher", "launch", "AGENT")
    (at.marks / "go").unlink(missing_ok=True)
    with Case(at, case) as c:
        run = at.launch("waiting_job")
        c.died = at.struck(PASSED, case.point)
        harness.until(lambda: at.pids_of(run), 60, "the run is executed")
        for pid, line in harness.marked(at.bench.test_id).items():
            if "daglet-run" in line:
                os.kill(pid, signal.SIGKILL)
        for pid in at.pids_of(run):
            os.kill(int(pid), signal.SIGKILL)
        harness.until(lambda: not left_runs(at), 10, "its processes are gone")
        harness.until(lambda: at.is_dead(c.before.values()), 10, "all roles end")
        asked = run["request_id"]
        if store == "lost":
            for file in (at.agent.home / ".daglet").rglob("state.db*"):
                file.unlink()
            asked = at.plane.request(kind="LAUNCH_RUN", location=LOCATION,
                                     run_id=run["run_id"])["id"]
        at.start()
        at.ready()
        answer = at.plane.answer(id=asked, wait=60)
        assert answer["accepted"] and not answer["rejected"]
        at.settle()
        harness.until(lambda: not left_runs(at), 10, "nothing is started again")
        assert len(at.pids_of(run)) == 1, "executed twice"
        said = json.dumps(at.plane.run(run_id=run["run_id"])["events"])
        assert said.count("Started process for run") == 1, "executed twice"
