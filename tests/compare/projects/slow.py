"""Takes COMPARE_IMPORT_SECONDS to be imported."""

import os
import time

import dagster as dg

time.sleep(float(os.environ.get("COMPARE_IMPORT_SECONDS", "40")))


@dg.op
def nothing():
    pass


@dg.job
def slow_job():
    nothing()


defs = dg.Definitions(jobs=[slow_job])
