"""Root field `eventLogs`, part 3: pools (global concurrency limits)."""

from .graphql import op
from .ops_runs import error_of


def stamp(when):
    return None if when is None else when.timestamp()


def storage(call):
    return call.instance.event_log_storage


@op("eventLogs.getConcurrencyKeys")
def get_concurrency_keys(call):
    return sorted(storage(call).get_concurrency_keys())


@op("eventLogs.getPoolLimits")
def get_pool_limits(call):
    return [{"name": p.name, "limit": p.limit, "fromDefault": p.from_default}
            for p in storage(call).get_pool_limits()]


@op("eventLogs.getPoolConfig")
def get_pool_config(call):
    pools = call.instance.get_concurrency_config().pool_config
    granularity = pools.pool_granularity
    return {"poolGranularity": granularity.value if granularity else None,
            "defaultPoolLimit": pools.default_pool_limit,
            "opGranularityRunBuffer": pools.op_granularity_run_buffer}


@op("eventLogs.getConcurrencyInfo")
def get_concurrency_info(call, concurrencyKey):
    info = storage(call).get_concurrency_info(concurrencyKey)
    return {
        "concurrencyKey": info.concurrency_key, "slotCount": info.slot_count,
        "claimedSlots": [{"runId": s.run_id, "stepKey": s.step_key} for s in info.claimed_slots],
        "pendingSteps": [{
            "runId": s.run_id, "stepKey": s.step_key,
            "enqueuedTimestamp": stamp(s.enqueued_timestamp),
            "assignedTimestamp": stamp(s.assigned_timestamp), "priority": s.priority,
        } for s in info.pending_steps],
        "limit": info.limit, "usingDefaultLimit": info.using_default_limit,
    }


def claim(status):
    return {"slotStatus": status.slot_status.value, "priority": status.priority,
            "assignedTimestamp": stamp(status.assigned_timestamp),
            "enqueuedTimestamp": stamp(status.enqueued_timestamp)}


@op("eventLogs.getCheckConcurrencyClaim")
def check_concurrency_claim(call, concurrencyKey, runId, stepKey):
    return claim(storage(call).check_concurrency_claim(concurrencyKey, runId, stepKey))


@op("eventLogs.ClaimConcurrencySlot", where="write")
def claim_concurrency_slot(call, concurrencyKey, runId, stepKey, priority):
    return {"status": claim(storage(call).claim_concurrency_slot(
        concurrencyKey, runId, stepKey, priority))}


def tried(fn, *args):
    try:
        result = fn(*args)
    except Exception as e:
        return {"success": False, "error": error_of(e)}
    return {"success": True if result is None else bool(result), "error": None}


@op("eventLogs.SetConcurrencySlots", where="write")
def set_concurrency_slots(call, concurrencyKey, num):
    return tried(storage(call).set_concurrency_slots, concurrencyKey, num)


@op("eventLogs.DeleteConcurrencyLimit", where="write")
def delete_concurrency_limit(call, concurrencyKey):
    return tried(storage(call).delete_concurrency_limit, concurrencyKey)


@op("eventLogs.InitializeConcurrencyLimit", where="write")
def initialize_concurrency_limit(call, concurrencyKey):
    return tried(storage(call).initialize_concurrency_limit_to_default, concurrencyKey)


@op("eventLogs.FreeConcurrencySlotsForRun", where="write")
def free_concurrency_slots_for_run(call, runId):
    storage(call).free_concurrency_slots_for_run(runId)
    return {"success": True}


@op("eventLogs.FreeConcurrencySlotForStep", where="write")
def free_concurrency_slot_for_step(call, runId, stepKey):
    storage(call).free_concurrency_slot_for_step(runId, stepKey)
    return {"success": True}
