"""What code of users may do to an agent: sensors that take their time or hold the interpreter's
lock, runs that go on, start processes, or will not hear of SIGINT."""

import ctypes
import os
import signal
import time
from pathlib import Path

import dagster as dg


def leave_mark(context):
    marks = os.environ.get("COMPARE_MARKS")
    if marks:
        with open(Path(marks) / context.run_id, "a", encoding="ascii") as f:
            f.write(f"{os.getpid()}\n")


@dg.op
def wait_long(context: dg.OpExecutionContext):
    leave_mark(context)
    time.sleep(600)


@dg.op
def wait_deaf(context: dg.OpExecutionContext):
    """SIGINT does not end it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_mark(context)
    while True:
        time.sleep(600)


@dg.job(executor_def=dg.in_process_executor)
def long_job():
    wait_long()


@dg.job(executor_def=dg.in_process_executor)
def deaf_job():
    wait_deaf()


@dg.job(executor_def=dg.multiprocess_executor)
def steps_job():
    """Its step is a process of its own."""
    wait_long()


@dg.sensor(job=long_job)
def nap(context):
    """Sleeps for as many seconds as the cursor says."""
    time.sleep(float(context.cursor or 0))
    return dg.SkipReason("slept")


@dg.sensor(job=long_job)
def clutch(context):
    """Holds the interpreter's lock: nothing of this process goes on."""
    ctypes.PyDLL(None).sleep(int(context.cursor or 0))
    return dg.SkipReason("let go")


defs = dg.Definitions(jobs=[long_job, deaf_job, steps_job], sensors=[nap, clutch])
