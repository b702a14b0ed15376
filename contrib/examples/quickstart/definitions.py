"""A small project with something of everything: what an agent can be asked about."""

import os
import time

import dagster as dg

HERE = os.path.dirname(os.path.abspath(__file__))


@dg.asset
def numbers(context: dg.AssetExecutionContext) -> list[int]:
    context.log.info("counting to ten")
    return list(range(1, 11))


@dg.asset
def total(context: dg.AssetExecutionContext, numbers: list[int]) -> dg.MaterializeResult:
    context.log.info("greeting from the environment: %s", os.environ.get("GREETING"))
    return dg.MaterializeResult(metadata={"total": sum(numbers)})


assets_job = dg.define_asset_job("assets_job", selection=["numbers", "total"])


@dg.op
def make_report(context: dg.OpExecutionContext) -> int:
    """Writes to both captured streams."""
    print("a line on stdout")
    context.log.info("pid %d", os.getpid())
    return 42


@dg.op
def send_report(context: dg.OpExecutionContext, report: int) -> None:
    context.log.info("report: %d", report)


@dg.job
def report_job():
    send_report(make_report())


@dg.job(tags={"dagster/isolation": "disabled"})
def shared_job():
    """Runs inside the code server, not in a process of its own."""
    send_report(make_report())


@dg.op
def fail_on_purpose():
    raise ValueError("this job always fails")


@dg.job
def failing_job():
    fail_on_purpose()


@dg.op(config_schema={"seconds": dg.Field(float, default_value=600.0)})
def sleep_long(context: dg.OpExecutionContext):
    end = time.monotonic() + context.op_config["seconds"]
    while time.monotonic() < end:
        time.sleep(0.05)


@dg.job
def long_job():
    """Sleeps until it is canceled."""
    sleep_long()


@dg.job(tags={"dagster/isolation": "disabled"})
def shared_long_job():
    sleep_long()


@dg.op(config_schema={"color": str})
def paint(context: dg.OpExecutionContext):
    context.log.info("painting in %s", context.op_config["color"])


@dg.static_partitioned_config(
    partition_keys=["red", "green", "blue", "broken"],
    tags_for_partition_key_fn=lambda key: {"color": _known(key)},
)
def color_config(partition_key: str):
    return {"ops": {"paint": {"config": {"color": _known(partition_key)}}}}


def _known(key):
    if key == "broken":
        raise ValueError("this partition has no color")
    return key


@dg.job(config=color_config)
def color_job():
    paint()


def _no_names(current_time=None):
    raise ValueError("these partitions cannot be listed")


@dg.dynamic_partitioned_config(partition_fn=_no_names)
def lost_config(partition_key: str):
    return {}


@dg.op
def do_nothing():
    pass


@dg.job(config=lost_config)
def lost_job():
    """Its partitions cannot be listed."""
    do_nothing()


@dg.schedule(job=report_job, cron_schedule="0 6 * * *")
def daily_report(context: dg.ScheduleEvaluationContext):
    return dg.RunRequest(
        run_key=None, tags={"scheduled": context.scheduled_execution_time.isoformat()})


@dg.schedule(job=report_job, cron_schedule="0 7 * * *")
def failing_schedule(context: dg.ScheduleEvaluationContext):
    raise ValueError("this schedule always fails")


@dg.sensor(job=report_job, minimum_interval_seconds=30)
def counting_sensor(context: dg.SensorEvaluationContext):
    """Asks for one run per evaluation and counts them in its cursor."""
    count = int(context.cursor or 0) + 1
    context.update_cursor(str(count))
    yield dg.RunRequest(run_key=f"count-{count}", tags={"count": str(count)})


@dg.sensor(job=report_job)
def quiet_sensor(context: dg.SensorEvaluationContext):
    return dg.SkipReason("nothing to do")


@dg.sensor(job=report_job)
def failing_sensor(context: dg.SensorEvaluationContext):
    raise ValueError("this sensor always fails")


@dg.sensor(job=report_job)
def slow_sensor(context: dg.SensorEvaluationContext):
    time.sleep(float(os.environ.get("SLOW_SENSOR_SECONDS", "30")))
    return dg.SkipReason("slept")


defs = dg.Definitions(
    assets=[numbers, total],
    jobs=[assets_job, report_job, shared_job, failing_job, long_job, shared_long_job, color_job,
          lost_job],
    schedules=[daily_report, failing_schedule],
    sensors=[counting_sensor, quiet_sensor, failing_sensor, slow_sensor],
)
