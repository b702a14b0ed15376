"""The project of the crash matrix: quick and slow things to ask for, and runs that leave their
process's id in $CRASH_MARKS/<run id>."""

import os
import time
from pathlib import Path

import dagster as dg

MARKS = Path(os.environ["CRASH_MARKS"])


def mark(context):
    with open(MARKS / context.run_id, "a", encoding="ascii") as f:
        f.write(f"{os.getpid()}\n")


@dg.op
def leave_mark(context: dg.OpExecutionContext):
    mark(context)


@dg.op
def follow(context: dg.OpExecutionContext, before):
    context.log.info("after the mark")


@dg.job(executor_def=dg.in_process_executor)
def marking_job():
    follow(leave_mark())


@dg.op
def wait_for_go(context: dg.OpExecutionContext):
    """Until somebody writes `go`; runs with the tag `fails` fail then."""
    mark(context)
    while not (MARKS / "go").exists():
        time.sleep(0.1)
    if context.run.tags.get("fails"):
        raise ValueError("told to fail")


@dg.job(executor_def=dg.in_process_executor)
def waiting_job():
    wait_for_go()


@dg.static_partitioned_config(partition_keys=["red", "green", "blue"],
                              tags_for_partition_key_fn=lambda key: {"color": key})
def color_config(partition_key: str):
    return {}


@dg.job(config=color_config, executor_def=dg.in_process_executor)
def color_job():
    leave_mark()


@dg.schedule(job=marking_job, cron_schedule="0 6 * * *")
def daily(context: dg.ScheduleEvaluationContext):
    return dg.RunRequest(
        run_key=None, tags={"scheduled": context.scheduled_execution_time.isoformat()})


@dg.sensor(job=marking_job)
def slow_sensor(context: dg.SensorEvaluationContext):
    time.sleep(0.25)
    context.update_cursor(str(int(context.cursor or 0) + 1))
    return dg.SkipReason("slept")


@dg.sensor(job=marking_job)
def large_sensor(context: dg.SensorEvaluationContext):
    """What comes in goes out: a body and an answer that are files in the spool."""
    context.update_cursor((context.cursor or "") + "!")
    return dg.SkipReason("said")


defs = dg.Definitions(jobs=[marking_job, waiting_job, color_job], schedules=[daily],
                      sensors=[slow_sensor, large_sensor])
