"""The project of test_crash.py: quick and slow things to ask for, and runs that leave their
process's id in $CRASH_MARKS/<run id>."""

import os
import time
from pathlib import Path

import dagster as dg


@dg.op
def leave_mark(context: dg.OpExecutionContext):
    with open(Path(os.environ["CRASH_MARKS"]) / context.run_id, "a", encoding="ascii") as f:
        f.write(f"{os.getpid()}\n")
    time.sleep(0.5)


@dg.op
def follow(context: dg.OpExecutionContext, before):
    context.log.info("after the mark")


@dg.job(executor_def=dg.in_process_executor)
def marking_job():
    follow(leave_mark())


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


defs = dg.Definitions(jobs=[marking_job, color_job], schedules=[daily], sensors=[slow_sensor])
