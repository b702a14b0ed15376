"""The project of test_runs.py: runs that wait to be killed. Each says in $RUN_MARKS/<run id> which
processes it has."""

import atexit
import os
import signal
import subprocess
import time
from pathlib import Path

import dagster as dg


def mark(context, *pids):
    with open(Path(os.environ["RUN_MARKS"]) / context.run_id, "a", encoding="ascii") as f:
        f.write("".join(f"{pid}\n" for pid in pids))


@dg.op
def wait(context: dg.OpExecutionContext):
    print("these are", flush=True)
    print("its last words", flush=True)
    mark(context, os.getpid())
    time.sleep(600)


@dg.job(executor_def=dg.in_process_executor)
def waiting_job():
    wait()


@dg.op
def linger(context: dg.OpExecutionContext):
    mark(context, os.getpid())
    atexit.register(time.sleep, 600)


@dg.job(executor_def=dg.in_process_executor)
def lingering_job():
    """Succeeds, and its process does not end."""
    linger()


@dg.op
def be_deaf(context: dg.OpExecutionContext):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    out = Path(os.environ["RUN_MARKS"]) / f"{context.run_id}.daemon"
    subprocess.run(["/bin/sh", "-c", "(/usr/bin/env -i /usr/bin/setsid /bin/sh -c "
                    f"'echo $$ >{out}; exec sleep 1000' &)"], check=True)
    while not out.exists() or not out.read_text():
        time.sleep(0.02)
    mark(context, os.getppid(), os.getpid(), int(out.read_text()))
    time.sleep(600)


@dg.job(executor_def=dg.multiprocess_executor)
def deaf_job():
    """Its step hears no signal, and has a daemon."""
    be_deaf()


defs = dg.Definitions(jobs=[waiting_job, lingering_job, deaf_job])
