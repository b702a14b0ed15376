"""Roles and the whole agent die at random moments while requests come in, and twenty runs are in
flight; they keep running and end with their own status."""

import os
import random
import signal
import time

import harness

from .rig import BACK, FULL, ROLES, SEED
from .test_signals import Load

MOMENTS = 100 if FULL else 12
RUNS = 20 if FULL else 4


def start_runs(rig):
    """RUNS that wait for a word; every fourth will fail, every fifth is to be cancelled."""
    (rig.marks / "go").unlink(missing_ok=True)
    runs = []
    for i in range(RUNS):
        ends = "CANCELED" if i % 5 == 4 else "FAILURE" if i % 4 == 3 else "SUCCESS"
        tags = {"fails": "yes"} if ends == "FAILURE" else {}
        runs.append((rig.launch("waiting_job", tags=tags), ends))
    harness.until(lambda: all(rig.pids_of(run) for run, _ in runs), 240,
                  f"{RUNS} runs are in flight", step=0.5)
    return runs


def test_kills_at_random_moments(crashed, expected):
    draw = random.Random(SEED)
    server = crashed.server()
    crashed.deaths.clear()
    runs = start_runs(crashed)
    pids = {run["run_id"]: crashed.pids_of(run) for run, _ in runs}
    kept, began = set(), time.monotonic()
    with Load(crashed):
        for _ in range(MOMENTS):
            time.sleep(draw.random() * 0.5)  # the moment; not until all are well again
            victim = draw.choice([*ROLES, "agent"])
            roles = crashed.roles()
            if victim == "agent":
                roles = roles or crashed.ready()
                crashed.kill_agent()
                kept |= crashed.revive(roles.values())
            elif roles:
                crashed.deaths.append((time.time(), victim))
                os.kill(roles[victim], signal.SIGKILL)
        crashed.ready()
    print(f"\nCRASH_SEED={SEED}: {len(crashed.deaths)} of {MOMENTS} moments had a victim, in "
          f"{time.monotonic() - began:.0f} s")
    crashed.settle()
    assert {run["run_id"]: crashed.pids_of(run) for run, _ in runs} == pids
    assert all(harness.alive(int(p)) for those in pids.values() for p in those)
    for run, ends in runs:
        if ends == "CANCELED":
            crashed.plane.run_terminate(run_id=run["run_id"])
    harness.until(lambda: all(
        crashed.plane.run(run_id=run["run_id"])["status"] == ends
        for run, ends in runs if ends == "CANCELED"), 60, "what is to be cancelled is")
    (crashed.marks / "go").touch()
    for run, ends in runs:
        crashed.judge_run(run, ends)
    crashed.settle()
    harness.until(lambda: crashed.server() == server and crashed.servers() == [server], 20,
                  "the code server is kept, and no other is there")
    crashed.judge(expected, everybody=True, kept=kept)
    crashed.strike("launcher:process", signal.SIGKILL, BACK)
