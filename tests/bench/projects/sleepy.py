"""Sensors that take their time: BENCH_SENSOR_SECONDS, by default 30."""

import os
import time

import dagster as dg


@dg.op
def nothing():
    pass


@dg.job
def tiny_job():
    nothing()


@dg.sensor(job=tiny_job)
def sleepy(context):
    time.sleep(float(os.environ.get("BENCH_SENSOR_SECONDS", "30")))
    return dg.SkipReason("slept")


defs = dg.Definitions(jobs=[tiny_job], sensors=[sleepy])
