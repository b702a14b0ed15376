"""Root field `schedules`: the schedule storage."""

from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    TickData,
    TickStatus,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._serdes import deserialize_value, serialize_value

from .graphql import op


@op("schedules.jobStates")
def job_states(call, repositoryOriginId=None, repositorySelectorId=None, jobType=None,
               statuses=None):
    states = call.instance.schedule_storage.all_instigator_state(
        repository_origin_id=repositoryOriginId, repository_selector_id=repositorySelectorId,
        instigator_type=None if jobType is None else InstigatorType(jobType),
        instigator_statuses={InstigatorStatus(s) for s in statuses} if statuses else None)
    return [serialize_value(s) for s in states]


@op("schedules.jobState")
def job_state(call, jobOriginId, selectorId=None):
    state = call.instance.schedule_storage.get_instigator_state(jobOriginId, selectorId)
    return None if state is None else serialize_value(state)


@op("schedules.jobTicks")
def job_ticks(call, jobOriginId, selectorId=None, before=None, after=None, limit=None,
              statuses=None):
    ticks = call.instance.schedule_storage.get_ticks(
        jobOriginId, selectorId, before=before, after=after, limit=limit,
        statuses=[TickStatus(s) for s in statuses] if statuses else None)
    return [serialize_value(t) for t in ticks]


@op("schedules.addJobState", where="write")
def add_job_state(call, serializedJobState):
    call.instance.schedule_storage.add_instigator_state(
        deserialize_value(serializedJobState, InstigatorState))
    return {"ok": True}


@op("schedules.updateJobState", where="write")
def update_job_state(call, serializedJobState):
    call.instance.schedule_storage.update_instigator_state(
        deserialize_value(serializedJobState, InstigatorState))
    return {"ok": True}


@op("schedules.createJobTick", where="write")
def create_job_tick(call, serializedJobTickData):
    tick = call.instance.schedule_storage.create_tick(
        deserialize_value(serializedJobTickData, TickData))
    return {"tickId": tick.tick_id}


@op("schedules.updateJobTick", where="write")
def update_job_tick(call, tickId, serializedJobTickData):
    call.instance.schedule_storage.update_tick(
        InstigatorTick(tickId, deserialize_value(serializedJobTickData, TickData)))
    return {"ok": True}
