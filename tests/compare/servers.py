"""Scenarios of code servers and runs; see agents.py."""

import os
import signal
import sys
import time

import harness
from world import Beyond

GONE = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(600)"


def redeploy(w):
    """A location is deployed anew while another one loads, and while another one's server
    stands still."""
    w.ready("tiny", "other", COMPARE_IMPORT_SECONDS=str(w.pick(40, 15)))
    w.add("slow", project="slow")
    harness.until(lambda: w.server_of("slow"), 60, "it loads")
    loading = w.update("tiny")
    assert w.loads("slow") == 0 or isinstance(loading, Beyond) or w.kind == "python", "too late"
    w.served_within("slow", 120)
    pid = w.server_of("other")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(w.pick(20, 5))  # the agent's own looks at it are under way
    stuck = w.update("tiny")
    return {"loading": loading, "stuck": stuck}


def slow_start(w):
    """The agent starts with a quick location and one that takes a minute."""
    length = w.pick(60, 15)
    w.add("slow", project="slow")
    w.add("tiny")
    agent = w.agent(COMPARE_IMPORT_SECONDS=str(length))
    first, _ = w.well("tiny", length + 40, begun=agent.begun)
    beats = w.plane.heartbeats(history=True, count=1, wait=30)["heartbeats"]
    return {"first answer": first,
            "first heartbeat": beats[0]["received"] - agent.begun if beats else Beyond(100)}


def exits(w):
    """A code server that ends when it imports its code."""
    w.ready("tiny")
    w.add("exits", project="exits")
    return {"told": w.within(lambda: w.loads("exits"), w.pick(120, 20))}


def _again(w, job="tiny_job", wait=None):
    again, errors = w.well("one", wait or w.pick(120, 30), job=job)
    return {"again": again, "errors": errors}


def server_killed(w):
    w.ready("one")
    os.kill(w.server_of("one"), signal.SIGKILL)
    return _again(w)


def server_stopped(w):
    w.ready("one")
    os.kill(w.server_of("one"), signal.SIGSTOP)
    return _again(w)


def server_stuck(w):
    """Something in it holds the interpreter's lock."""
    w.ready("one", project="work")
    w.nap(900, location="one", sensor="clutch")
    time.sleep(1)  # the sensor has it by then
    return _again(w, "long_job")


def beside_a_pex(w):
    """A PEX location's server and another location's server die; the time-out for servers that
    do not answer is 20 s."""
    w.add("pexed", pex_metadata={"pex_tag": "files=source-x.pex", "python_version": "3.11"})
    w.ready("one", DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_REDEPLOY_TIMEOUT="20")
    w.served_within("pexed", 60)
    for pid, line in harness.marked(w.bench.test_id).items():
        if " pex grpc" in line:
            os.kill(pid, signal.SIGKILL)
    os.kill(w.server_of("one"), signal.SIGKILL)
    return _again(w)


def health_threads(w):
    """Threads that four servers that stand still take, with health checks limited to one."""
    names = ["a", "b", "c", "d"]
    agent = w.ready(*names, DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_MAX_WORKERS="1")
    time.sleep(5)
    before = most = w.threads(agent)
    for name in names:
        os.kill(w.server_of(name), signal.SIGSTOP)
    end = time.monotonic() + w.pick(40, 25)
    while time.monotonic() < end:
        most = max(most, w.threads(agent))
        time.sleep(0.05)
    return {"threads": most - before}


# --- runs --------------------------------------------------------------------------------------


def _told(w, run):
    """Does the newest heartbeat, or the run itself, say that it failed?"""
    for h in w.plane.heartbeats(deployment=w.kind)["heartbeats"]:
        told = h["heartbeat"].get("run_worker_statuses") or {}
        for one in told["statuses"] if isinstance(told, dict) and told else ():
            if run in str(one) and "FAILED" in str(one):
                return True
    return w.plane.run(run_id=run, deployment=w.kind)["status"] == "FAILURE"


def _kill_worker(w, limit):
    run, step = w.launched("steps_job")
    (worker,) = [p for p in w.run_processes(run)
                 if "execute_run" in w.told_to(p) and p != step]
    os.kill(worker, signal.SIGKILL)
    told = w.within(lambda: _told(w, run), limit, step=0.2)
    time.sleep(2)
    return {"told": told, "left": sum(1 for p in w.run_processes(run) if p != worker)}


def run_killed(w):
    """A run's worker is killed; its step is a process of its own."""
    w.ready("work", project="work")
    return _kill_worker(w, w.pick(60, 20))


def run_killed_beside(w):
    """The same while a run that is not isolated is under way in the code server."""
    w.ready("work", project="work")
    w.launched("long_job", isolated=False)
    return _kill_worker(w, w.pick(60, 20))


def terminate_deaf(w):
    """A run that ignores SIGINT is terminated."""
    w.ready("work", project="work")
    run, _ = w.launched("deaf_job")
    w.plane.run_terminate(run_id=run, deployment=w.kind)
    return {"gone": w.within(lambda: not w.run_processes(run), w.pick(90, 45), step=0.2)}


def terminate_other(w):
    """A run has ended and its pid belongs to somebody else when it is terminated."""
    w.ready("work", project="work")
    run, _ = w.launched("long_job")
    for pid in w.run_processes(run):
        os.kill(pid, signal.SIGKILL)
    harness.until(lambda: not w.run_processes(run), 20, "the run is dead")
    other = harness.Process([sys.executable, "-c", GONE], w.bench.test_id,
                            w.directory / "other.log")
    w.bench.processes.append(other)
    w.set_tag(run, "process/pid", str(other.pid))
    request = w.plane.run_terminate(run_id=run, deployment=w.kind)["request_id"]
    w.unanswered([request], 60)
    return {"signalled": 0 if isinstance(w.ends(other, 3), Beyond) else 1}
