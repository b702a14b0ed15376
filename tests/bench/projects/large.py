"""A repository whose snapshot has BENCH_MEGABYTES (90) megabytes, in sensors' descriptions."""

import os
import random

import dagster as dg

MEGABYTES = int(os.environ.get("BENCH_MEGABYTES", "90"))
WORDS = ("table view model source run asset job daily hourly customer order total key "
         "partition region column value joined counted checked written").split()


@dg.op
def nothing():
    pass


@dg.job
def tiny_job():
    nothing()


def described(number):
    """Some text of a megabyte that compresses as text does."""
    choose = random.Random(number)
    text = " ".join(choose.choices(WORDS, k=180_000))[:1_000_000]

    @dg.sensor(job=tiny_job, name=f"sensor_{number}", description=text)
    def one(context):
        return dg.SkipReason("nothing")

    return one


defs = dg.Definitions(jobs=[tiny_job], sensors=[described(n) for n in range(MEGABYTES)])
