"""Root field `eventLogs`, part 1: storing events and reading those of runs.

Storing an event also moves the status of its run (DagsterInstance.handle_new_event), as the
clients expect of the control plane.
"""

import json

from dagster._core.event_api import (
    EventLogCursor,
    EventRecordsFilter,
    RunStatusChangeRecordsFilter,
)
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.definitions.events import AssetKey
from dagster._core.execution.plan.handle import StepHandle
from dagster._core.definitions.dependency import NodeHandle
from dagster._core.execution.stats import StepEventStatus
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._serdes import deserialize_value, serialize_value
from dagster._utils.error import SerializableErrorInfo

from .bad import Bad
from .graphql import op


# --- shapes ------------------------------------------------------------------------------------


def error_from(value):
    if value is None:
        return None
    return SerializableErrorInfo(message=value["message"], stack=value["stack"],
                                 cls_name=value.get("clsName"),
                                 cause=error_from(value.get("cause")))


def dagster_event_from(value):
    if value is None:
        return None
    step, node, tags = (value.get(k) for k in ("stepHandleKey", "solidHandleId", "loggingTags"))
    data = value.get("eventSpecificData")
    return DagsterEvent(
        event_type_value=value["eventTypeValue"], job_name=value["pipelineName"],
        step_handle=None if step is None else StepHandle.parse_from_key(step),
        node_handle=None if node is None else NodeHandle.from_string(node),
        step_kind_value=value.get("stepKindValue"),
        logging_tags=None if tags is None else json.loads(tags),
        event_specific_data=None if data is None else deserialize_value(data),
        message=value.get("message"), pid=value.get("pid"), step_key=value.get("stepKey"))


def entry_from(value):
    """The EventLogEntry of an EventLogEntryInput."""
    try:
        return EventLogEntry(
            error_info=error_from(value.get("errorInfo")), level=value["level"],
            user_message=value["userMessage"], run_id=value["runId"],
            timestamp=float(value["timestamp"]), step_key=value.get("stepKey"),
            job_name=value.get("pipelineName"),
            dagster_event=dagster_event_from(value.get("dagsterEvent")))
    except Exception as e:
        raise Bad(f"not an event: {type(e).__name__}: {e}") from None


def shown_entry(entry):
    return {
        "errorInfo": None if entry.error_info is None else serialize_value(entry.error_info),
        "level": entry.level, "userMessage": entry.user_message, "runId": entry.run_id,
        "timestamp": entry.timestamp, "stepKey": entry.step_key, "pipelineName": entry.job_name,
        "dagsterEvent":
            None if entry.dagster_event is None else serialize_value(entry.dagster_event),
    }


def shown_record(record):
    if record is None:
        return None
    return {"storageId": record.storage_id, "eventLogEntry": shown_entry(record.event_log_entry)}


def shown_records(result):
    return {"records": [shown_record(r) for r in result.records], "cursor": result.cursor,
            "hasMore": result.has_more}


def type_of(value):
    return None if value is None else DagsterEventType(value)


def key_of(text):
    key = None if text is None else AssetKey.from_db_string(text)
    if text is not None and key is None:
        raise Bad(f"not an asset key: {text}")
    return key


# --- storing -----------------------------------------------------------------------------------


def store_events(plane, deployment, entries, idempotency_key):
    """Store events in order; the same Idempotency-Key stores only once."""
    if not plane.first_time((deployment, idempotency_key)):
        return
    instance = plane.instances.get(deployment)
    for entry in entries:
        if entry.run_id != RUNLESS_RUN_ID and not instance.has_run(entry.run_id):
            raise Bad(f"there is no run {entry.run_id} in {deployment}")
        instance.handle_new_event(entry)


def _store(call, entries):
    key = call.headers.get(b"idempotency-key")
    if key is None or call.headers.get(b"x-event-write") != b"true":
        raise Bad("StoreEvent needs the headers Idempotency-Key and X-Event-Write: true")
    store_events(call.plane, call.deployment, entries, key.decode("latin-1"))
    return {"ok": True}


@op("eventLogs.StoreEvent", where="write")
def store_event(call, eventRecord):
    return _store(call, [entry_from(eventRecord)])


@op("eventLogs.StoreEventBatch", where="write")
def store_event_batch(call, eventRecords):
    return _store(call, [entry_from(e) for e in eventRecords])


@op("eventLogs.DeleteEvents", where="write")
def delete_events(call, runId):
    call.instance.event_log_storage.delete_events(runId)
    return {"ok": True}


@op("eventLogs.Upgrade", where="write")
def upgrade(call):
    call.instance.upgrade()
    return {"ok": True}


@op("eventLogs.Reindex", where="write")
def reindex(call):
    storage = call.instance.event_log_storage
    storage.reindex_events(print_fn=lambda _: None)
    storage.reindex_assets(print_fn=lambda _: None)
    return {"ok": True}


@op("eventLogs.Wipe", where="write")
def wipe(call):
    call.instance.event_log_storage.wipe()
    return {"ok": True}


@op("eventLogs.EnableSecondaryIndex", where="write")
def enable_secondary_index(call, name, runId=None):
    call.instance.event_log_storage.enable_secondary_index(name)
    return {"ok": True}


# --- reading -----------------------------------------------------------------------------------


@op("eventLogs.isPersistent", where="loop")
def is_persistent(call):
    return True


@op("eventLogs.isAssetAware", where="loop")
def is_asset_aware(call):
    return True


@op("eventLogs.getMaximumRecordId")
def get_maximum_record_id(call):
    return call.instance.event_log_storage.get_maximum_record_id()


@op("eventLogs.getRecordsForRun")
def get_records_for_run(call, runId, cursor=None, ofType=None, ofTypes=None, limit=None,
                        ascending=True):
    wanted = {DagsterEventType(t) for t in ofTypes} if ofTypes else type_of(ofType)
    return shown_records(call.instance.event_log_storage.get_records_for_run(
        runId, cursor=cursor, of_type=wanted, limit=limit, ascending=ascending is not False))


@op("eventLogs.getAssetPartitionsForRun")
def get_asset_partitions_for_run(call, runId, ofTypes=None, includePartitions=True):
    wanted = {DagsterEventType(t) for t in ofTypes} if ofTypes else None
    storage = call.instance.event_log_storage
    if includePartitions is False:
        return [{"assetKey": key.to_string(), "partitions": None}
                for key in storage.get_asset_keys_for_run(runId, wanted)]
    found = storage.get_asset_partitions_for_run(runId, wanted)
    return [{"assetKey": key.to_string(), "partitions": sorted(parts, key=str)}
            for key, parts in found.items()]


@op("eventLogs.getStatsForRun")
def get_stats_for_run(call, runId):
    s = call.instance.event_log_storage.get_stats_for_run(runId)
    return {
        "runId": s.run_id, "stepsSucceeded": s.steps_succeeded, "stepsFailed": s.steps_failed,
        "materializations": s.materializations, "expectations": s.expectations,
        "enqueuedTime": s.enqueued_time, "launchTime": s.launch_time,
        "startTime": s.start_time, "endTime": s.end_time,
    }


@op("eventLogs.getStepStatsForRun")
def get_step_stats_for_run(call, runId, stepKeys=None):
    found = call.instance.event_log_storage.get_step_stats_for_run(runId, step_keys=stepKeys)
    return [{
        "runId": s.run_id, "stepKey": s.step_key,
        "status": None if s.status is None else StepEventStatus(s.status).name,
        "startTime": s.start_time, "endTime": s.end_time,
        "materializationEvents": [serialize_value(e) for e in s.materialization_events],
        "expectationResults": [serialize_value(e) for e in s.expectation_results],
        "attempts": s.attempts, "attemptsList": [serialize_value(a) for a in s.attempts_list],
        "markers": [serialize_value(m) for m in s.markers],
    } for s in found]


@op("eventLogs.getEventRecords")
def get_event_records(call, eventRecordsFilter=None, limit=None, ascending=False):
    f = eventRecordsFilter or {}
    if f.get("eventType") is None:
        raise Bad("eventRecordsFilter.eventType is needed")
    records = call.instance.event_log_storage.get_event_records(
        EventRecordsFilter(
            event_type=type_of(f["eventType"]), asset_key=key_of(f.get("assetKey")),
            asset_partitions=f.get("assetPartitions"),
            after_cursor=f.get("afterCursor"), before_cursor=f.get("beforeCursor"),
            after_timestamp=f.get("afterTimestamp"), before_timestamp=f.get("beforeTimestamp"),
            storage_ids=f.get("storageIds")),
        limit=limit, ascending=bool(ascending))
    return [shown_record(r) for r in records]


@op("eventLogs.getRunStatusChangeEventRecords")
def get_run_status_change_event_records(call, recordsFilter, limit=None, cursor=None,
                                        ascending=False):
    f = recordsFilter
    wanted = RunStatusChangeRecordsFilter(
        event_type=type_of(f.get("eventType")), after_timestamp=f.get("afterTimestamp"),
        before_timestamp=f.get("beforeTimestamp"), after_storage_id=f.get("afterStorageId"),
        before_storage_id=f.get("beforeStorageId"), storage_ids=f.get("storageIds"))
    limit = 1000 if limit is None else limit
    names = f.get("jobNames")
    found = []
    while True:
        page = call.instance.event_log_storage.fetch_run_status_changes(
            wanted, limit=limit, cursor=cursor, ascending=bool(ascending))
        # SQLite cannot filter by job: it is done here, page by page
        found += [r for r in page.records
                  if names is None or r.event_log_entry.job_name in names]
        cursor = page.cursor
        if not page.has_more or len(found) >= limit:
            break
    records = found[:limit]
    if len(found) > limit:
        cursor = EventLogCursor.from_storage_id(records[-1].storage_id).to_string()
    return {"records": [shown_record(r) for r in records], "cursor": cursor,
            "hasMore": page.has_more or len(found) > limit}
