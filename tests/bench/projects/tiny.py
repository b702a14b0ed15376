"""The least that can be served."""

import dagster as dg


@dg.op
def nothing():
    pass


@dg.job
def tiny_job():
    nothing()


defs = dg.Definitions(jobs=[tiny_job])
