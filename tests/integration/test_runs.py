"""Runs through the whole agent: how they end is told within two seconds and never wrongly; what is
terminated is gone with all that it started; the death of the agent ends none of them."""

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import harness
import pytest

LOCATION = "runs"
TOLD = 2.0  # seconds from the end of a run to the heartbeat that says so
GRACE = 1
MANY = 20

pytestmark = pytest.mark.skipif(bool(harness.why_not("daglet")),
                                reason=str(harness.why_not("daglet")))


class Place:
    def __init__(self, bench):
        self.bench = bench
        self.plane = bench.devplane()
        self.marks = bench.directory / "marks"
        self.marks.mkdir()
        self.plane.secret_set(name="RUN_MARKS", value=str(self.marks))
        code = bench.directory / "code"
        code.mkdir()
        shutil.copy(harness.TESTS / "runs_defs.py", code / "definitions.py")
        self.plane.location_add(name=LOCATION, fields={
            "python_file": str(code / "definitions.py"), "working_directory": str(code)})
        home = bench.directory / "agent"
        home.mkdir()
        (home / "daglet.yaml").write_text(f"run_grace: {GRACE}\n")
        self.start()
        self.plane.location_wait(name=LOCATION, server="RUNNING", wait=120)
        self.args = None

    def start(self):
        self.agent = self.bench.agent("daglet", self.plane)

    def roles(self):
        """Pids of the agent's processes, but for runs and servers."""
        pid = self.agent.pid
        found = [pid]
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            comm = Path(f"/proc/{child}/comm").read_text().strip()
            if comm.startswith("daglet-") and comm != "daglet-run":
                found.append(int(child))
        return found

    def kill(self):
        """SIGKILL to everything that is the agent."""
        roles = self.roles()
        for pid in roles:
            os.kill(pid, signal.SIGKILL)
        self.agent.popen.wait()
        harness.until(lambda: not any(map(harness.alive, roles)), 5, "all died")

    def launch(self, job):
        return self.plane.run_launch(job=job, location=LOCATION)["run_id"]

    def pids(self, run_id, count=1):
        path = self.marks / run_id
        return harness.until(
            lambda: path.exists() and len(p := path.read_text().split()) == count
            and [int(pid) for pid in p], 120, "the run is at work")

    def trivial(self, script):
        """A run that is a shell script: its id. It runs once it has been answered."""
        if self.args is None:
            ended = self.plane.run_launch(job="lingering_job", location=LOCATION, enqueue=False)
            asked = self.plane.request(kind="LAUNCH_RUN", location=LOCATION,
                                       run_id=ended["run_id"])
            self.args = json.loads(
                self.plane.answer(id=asked["id"], wait=60)["body"])["request_args"]
            os.kill(self.pids(ended["run_id"])[0], signal.SIGKILL)
        id = self.plane.run_launch(job="waiting_job", location=LOCATION,
                                   enqueue=False)["run_id"]
        args = json.loads(json.dumps(self.args))
        args["pipeline_run"]["run_id"] = id
        origin = args["pipeline_run"]["pipeline_code_origin"]["repository_origin"]
        origin["entry_point"] = ["/bin/sh", "-c", script]
        answer = self.plane.request(kind="LAUNCH_RUN", location=LOCATION, args=args,
                                    wait=60)["answer"]
        assert answer["response"]["__class__"] == "DagsterCloudApiSuccess", answer
        return id

    def told(self, run_id, since=0.0, want=("FAILED", "SUCCESS", "NOT_FOUND"), limit=30.0):
        """(when it was heard, status) from the first heartbeat that says so."""
        def look():
            for h in self.plane.heartbeats(history=True, since=since)["heartbeats"]:
                for s in h["heartbeat"]["run_worker_statuses"]["statuses"]:
                    name = s["status_type"]["__enum__"].partition(".")[2]
                    if s["run_id"] == run_id and name in want:
                        return h["received"], {**s, "status": name}
            return None

        return harness.until(look, limit, f"{run_id} is one of {want}")

    def status(self, run_id, want):
        def look():
            run = self.plane.run(run_id=run_id)
            return run["status"] == want and run

        return harness.until(look, 30, f"run {run_id} is {want}")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with harness.Bench(tmp_path_factory.mktemp("runs")) as bench:
        try:
            yield Place(bench)
        except Exception:
            print(bench.outputs())
            raise


# --- how they end ------------------------------------------------------------------------------


def test_a_run_that_is_killed_is_told(place):
    run_id = place.launch("waiting_job")
    (pid,) = place.pids(run_id)
    now = time.time()
    os.kill(pid, signal.SIGKILL)
    heard, status = place.told(run_id)
    print(f"\nkilled: told after {heard - now:.2f} s")
    assert heard - now < TOLD
    assert status["status"] == "FAILED"
    assert status["message"].startswith("The run's process was killed by signal 9 (Killed).\n")
    assert "its last words" in status["message"]
    run = place.status(run_id, "FAILURE")
    assert any("killed by signal 9" in (e["message"] or "") for e in run["events"])


def test_a_run_that_crashes_is_told_with_its_last_lines(place):
    run_id = place.trivial("i=0; while [ $i -lt 300 ]; do echo line $i of many; i=$((i+1)); done;"
                           " date +%s.%N; exit 3")
    heard, status = place.told(run_id)
    assert status["status"] == "FAILED"
    first, *lines = status["message"].splitlines()
    assert first == "The run's process exited with code 3."
    assert lines[-2] == "line 299 of many" and 900 < len(status["message"]) <= 1000
    print(f"\ncrashed: told after {heard - float(lines[-1]):.2f} s")
    assert heard - float(lines[-1]) < TOLD
    place.status(run_id, "FAILURE")


def test_a_run_that_succeeded_is_never_failed(place):
    run_id = place.launch("lingering_job")
    (pid,) = place.pids(run_id)
    place.status(run_id, "SUCCESS")
    assert harness.alive(pid)
    os.kill(pid, signal.SIGKILL)
    _, status = place.told(run_id)
    assert status["status"] == "SUCCESS"
    assert status["message"] == ("The run's process was killed by signal 9 (Killed), "
                                 "after the run had ended.")
    assert place.plane.run(run_id=run_id)["status"] == "SUCCESS"


def test_nothing_is_said_while_the_control_plane_does_not_say(place):
    """It cannot be asked whether the run had ended: it is asked again."""
    run_id = place.trivial("until [ -e $RUN_GO ]; do sleep 0.02; done; exit 4".replace(
        "$RUN_GO", str(place.marks / "go")))
    place.told(run_id, want=("RUNNING",))
    fault = place.plane.fault_set(kind="status", status=500, match="runs.getRunRecords")["fault"]
    try:
        (place.marks / "go").touch()
        harness.until(lambda: place.plane.fault_list()["faults"][0]["hit"] >= 2, 60, "it is asked")
        assert not any(s["run_id"] == run_id and "RUNNING" not in s["status_type"]["__enum__"]
                       for h in place.plane.heartbeats()["heartbeats"]
                       for s in h["heartbeat"]["run_worker_statuses"]["statuses"])
    finally:
        place.plane.fault_clear(id=fault["id"])
    _, status = place.told(run_id, limit=60)
    assert (status["status"], status["message"]) == (
        "FAILED", "The run's process exited with code 4.")


# --- termination -------------------------------------------------------------------------------


def terminated(place, run_id, pids):
    answer = place.plane.run_terminate(run_id=run_id, wait=60)["answer"]
    assert answer["response"]["__class__"] == "DagsterCloudApiSuccess", answer
    harness.until(lambda: not any(map(harness.alive, pids)), 2 * GRACE + 5, "all are gone")
    return place.status(run_id, "CANCELED")


def test_a_deaf_step_and_its_daemon_are_gone(place):
    run_id = place.launch("deaf_job")
    terminated(place, run_id, place.pids(run_id, 3))


def test_what_was_started_before_the_launcher_died_can_be_terminated(place):
    run_id = place.launch("deaf_job")
    pids = place.pids(run_id, 3)
    place.kill()
    place.start()
    place.told(run_id, want=("RUNNING",), since=time.time())
    terminated(place, run_id, pids)


def test_a_run_that_has_ended_can_be_terminated(place):
    run_id = place.trivial("exit 5")
    place.status(run_id, "FAILURE")
    answer = place.plane.run_terminate(run_id=run_id, wait=60)["answer"]
    assert answer["response"]["__class__"] == "DagsterCloudApiSuccess", answer
    assert place.plane.run(run_id=run_id)["status"] == "FAILURE"


# --- the agent dies ----------------------------------------------------------------------------


def test_runs_in_flight_end_with_their_own_status(place):
    """Some while nobody is there, some afterwards; what ended before is told again."""
    before = place.trivial("echo before; exit 9")
    _, said = place.told(before)
    go, later = place.marks / "go-on", place.marks / "later"
    real = place.launch("waiting_job")
    (pid,) = place.pids(real)
    wait = "until [ -e {} ]; do sleep 0.1; done; exit {}"
    runs = {place.trivial(wait.format(go if code % 2 else later, code)): code
            for code in range(MANY - 1)}
    place.kill()
    go.touch()  # half of them end now
    markers = place.agent.home / ".daglet"
    harness.until(lambda: len([f for f in markers.rglob("runs/*.exit")
                               if f.stat().st_mtime >= go.stat().st_mtime]) >= MANY // 2 - 1,
                  30, "half of them have ended")
    back = time.time()
    place.start()
    later.touch()
    os.kill(pid, signal.SIGKILL)
    for run_id, code in runs.items():
        _, status = place.told(run_id, since=back)
        assert (status["status"], status["message"]) == (
            ("FAILED", f"The run's process exited with code {code}.") if code
            else ("SUCCESS", None))
    _, status = place.told(real, since=back)
    assert status["status"] == "FAILED" and "killed by signal 9" in status["message"]
    _, status = place.told(before, since=back)
    assert status["message"] == said["message"] == "The run's process exited with code 9.\nbefore\n"
    with contextlib.suppress(FileNotFoundError):
        assert not list(markers.rglob("runs/*.tmp"))
