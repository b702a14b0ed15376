"""Root field `runs`: the run storage."""

import json
import traceback
from datetime import datetime, timezone

from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.execution.telemetry import RunTelemetryData
from dagster._core.remote_origin import RemoteJobOrigin
from dagster._core.snap import ExecutionPlanSnapshot, JobSnap
from dagster._core.snap.execution_plan_snapshot import create_execution_plan_snapshot_id
from dagster._core.storage.dagster_run import (
    DagsterRun,
    DagsterRunStatus,
    JobBucket,
    RunsFilter,
    TagBucket,
)
from dagster._core.storage.runs.sql_run_storage import SnapshotType
from dagster._daemon.types import DaemonHeartbeat
from dagster._serdes import deserialize_value, serialize_value

from .graphql import op


def when(timestamp):
    return None if timestamp is None else datetime.fromtimestamp(timestamp, tz=timezone.utc)


def tags_of(items):
    return {i["key"]: i["value"] if i.get("value") is not None else i["values"]
            for i in items or ()}


def runs_filter(value):
    if value is None:
        return None
    return RunsFilter(
        run_ids=value.get("runIds"), job_name=value.get("pipelineName"),
        statuses=[DagsterRunStatus(s) for s in value.get("statuses") or ()],
        tags=tags_of(value.get("tags")), snapshot_id=value.get("snapshotId"),
        updated_after=when(value.get("updatedAfter")),
        updated_before=when(value.get("updatedBefore")),
        created_after=when(value.get("createdAfter")),
        created_before=when(value.get("createdBefore")))


def bucket(value):
    if value is None:
        return None
    if value["bucketType"] == "job":
        return JobBucket(job_names=value["values"], bucket_limit=value.get("bucketLimit"))
    return TagBucket(tag_key=value["tagKey"], tag_values=value["values"],
                     bucket_limit=value.get("bucketLimit"))


def error_of(e):
    return {"message": str(e), "className": type(e).__name__,
            "stack": traceback.format_tb(e.__traceback__), "cause": None}


@op("runs.getRuns")
def get_runs(call, filters=None, cursor=None, limit=None, bucketBy=None, ascending=False):
    runs = call.instance.run_storage.get_runs(
        filters=runs_filter(filters), cursor=cursor, limit=limit, bucket_by=bucket(bucketBy),
        ascending=bool(ascending))
    return [serialize_value(run) for run in runs]


@op("runs.getRunIds")
def get_run_ids(call, filters=None, cursor=None, limit=None):
    return list(call.instance.run_storage.get_run_ids(
        filters=runs_filter(filters), cursor=cursor, limit=limit))


@op("runs.getRunsCount")
def get_runs_count(call, filters=None):
    return call.instance.run_storage.get_runs_count(filters=runs_filter(filters))


@op("runs.getRunById")
def get_run_by_id(call, runId):
    run = call.instance.get_run_by_id(runId)
    return None if run is None else serialize_value(run)


@op("runs.hasRun")
def has_run(call, runId):
    return call.instance.run_storage.has_run(runId)


@op("runs.hasPipelineSnapshot")
def has_pipeline_snapshot(call, pipelineSnapshotId):
    return call.instance.run_storage.has_job_snapshot(pipelineSnapshotId)


@op("runs.getPipelineSnapshot")
def get_pipeline_snapshot(call, pipelineSnapshotId):
    return serialize_value(call.instance.run_storage.get_job_snapshot(pipelineSnapshotId))


@op("runs.hasExecutionPlanSnapshot")
def has_execution_plan_snapshot(call, executionPlanSnapshotId):
    return call.instance.run_storage.has_execution_plan_snapshot(executionPlanSnapshotId)


@op("runs.getExecutionPlanSnapshot")
def get_execution_plan_snapshot(call, executionPlanSnapshotId):
    return serialize_value(
        call.instance.run_storage.get_execution_plan_snapshot(executionPlanSnapshotId))


@op("runs.getRunGroupOrError")
def get_run_group(call, runId):
    storage = call.instance.run_storage
    if not storage.has_run(runId):
        return {"__typename": "RunNotFoundError", "runId": runId}
    root, runs = storage.get_run_group(runId)
    return {"__typename": "SerializedRunGroup", "rootRunId": root,
            "serializedRuns": [serialize_value(run) for run in runs]}


@op("runs.getRunRecords")
def get_run_records(call, filters=None, limit=None, orderBy=None, ascending=False, cursor=None,
                    bucketBy=None):
    records = call.instance.run_storage.get_run_records(
        filters=runs_filter(filters), limit=limit, order_by=orderBy, ascending=bool(ascending),
        cursor=cursor, bucket_by=bucket(bucketBy))
    return [{
        "storageId": r.storage_id, "serializedPipelineRun": serialize_value(r.dagster_run),
        "createTimestamp": r.create_timestamp.timestamp(),
        "updateTimestamp": r.update_timestamp.timestamp(),
        "startTime": r.start_time, "endTime": r.end_time,
    } for r in records]


@op("runs.getRunTags")
def get_run_tags(call, jsonTagKeys, valuePrefix=None, limit=None):
    tags = call.instance.run_storage.get_run_tags(
        tag_keys=json.loads(jsonTagKeys), value_prefix=valuePrefix, limit=limit)
    return [{"key": key, "values": sorted(values)} for key, values in tags]


@op("runs.getRunTagKeys")
def get_run_tag_keys(call):
    return list(call.instance.run_storage.get_run_tag_keys())


@op("runs.getDaemonHeartbeats")
def get_daemon_heartbeats(call):
    heartbeats = call.instance.run_storage.get_daemon_heartbeats()
    return json.dumps({key: serialize_value(h) for key, h in heartbeats.items()})


@op("runs.getBackfills")
def get_backfills(call, status=None, cursor=None, limit=None, filters=None):
    wanted = None
    if filters is not None:
        wanted = BulkActionsFilter(
            statuses=[BulkActionStatus(s) for s in filters.get("statuses") or ()] or None,
            created_after=when(filters.get("createdAfter")),
            created_before=when(filters.get("createdBefore")),
            selector_id=filters.get("selectorId"))
    elif status is not None:
        wanted = BulkActionsFilter(statuses=[BulkActionStatus(status)])
    found = call.instance.run_storage.get_backfills(filters=wanted, cursor=cursor, limit=limit)
    return [serialize_value(b) for b in found]


@op("runs.getBackfill")
def get_backfill(call, backfillId):
    found = call.instance.run_storage.get_backfill(backfillId)
    return None if found is None else serialize_value(found)


@op("runs.getRunPartitionData")
def get_run_partition_data(call, runsFilter):
    found = call.instance.run_storage.get_run_partition_data(runs_filter(runsFilter))
    return [serialize_value(d) for d in found]


@op("runs.addRun", where="write")
def add_run(call, serializedPipelineRun):
    try:
        call.instance.run_storage.add_run(deserialize_value(serializedPipelineRun, DagsterRun))
    except Exception as e:
        return {"ok": False, "error": error_of(e)}
    return {"ok": True, "error": None}


@op("runs.addHistoricalRun", where="write")
def add_historical_run(call, serializedPipelineRun, runCreationTime):
    try:
        call.instance.run_storage.add_historical_run(
            deserialize_value(serializedPipelineRun, DagsterRun), when(runCreationTime))
    except Exception as e:
        return {"ok": False, "error": error_of(e)}
    return {"ok": True, "error": None}


@op("runs.addRunTags", where="write")
def add_run_tags(call, runId, jsonNewTags):
    call.instance.add_run_tags(runId, json.loads(jsonNewTags))
    return {"ok": True}


@op("runs.addPipelineSnapshot", where="write")
def add_pipeline_snapshot(call, serializedPipelineSnapshot, snapshotId=None):
    snapshot = deserialize_value(serializedPipelineSnapshot, JobSnap)
    add_snapshot(call, snapshotId or snapshot.snapshot_id, snapshot, SnapshotType.PIPELINE)
    return {"ok": True}


@op("runs.addExecutionPlanSnapshot", where="write")
def add_execution_plan_snapshot(call, serializedExecutionPlanSnapshot, snapshotId=None):
    snapshot = deserialize_value(serializedExecutionPlanSnapshot, ExecutionPlanSnapshot)
    id = snapshotId or create_execution_plan_snapshot_id(snapshot)
    add_snapshot(call, id, snapshot, SnapshotType.EXECUTION_PLAN)
    return {"ok": True, "snapshotId": id}


def add_snapshot(call, id, snapshot, type_):
    """Stored under the client's id: a release that packs in another way computes another one."""
    call.instance.run_storage._add_snapshot(id, snapshot, type_)


@op("runs.addDaemonHeartbeat", where="write")
def add_daemon_heartbeat(call, serializedDaemonHeartbeat):
    call.instance.run_storage.add_daemon_heartbeat(
        deserialize_value(serializedDaemonHeartbeat, DaemonHeartbeat))
    return {"ok": True}


@op("runs.addRunTelemetry", where="write")
def add_run_telemetry(call, serializedTelemetry, serializedTags):
    """Open-source storage has no place for telemetry: it is checked and stays in `calls`."""
    deserialize_value(serializedTelemetry, RunTelemetryData)
    deserialize_value(serializedTags)
    return {"ok": True}


@op("runs.addBackfill", where="write")
def add_backfill(call, serializedPartitionBackfill):
    call.instance.run_storage.add_backfill(
        deserialize_value(serializedPartitionBackfill, PartitionBackfill))
    return {"ok": True}


@op("runs.updateBackfill", where="write")
def update_backfill(call, serializedPartitionBackfill):
    call.instance.run_storage.update_backfill(
        deserialize_value(serializedPartitionBackfill, PartitionBackfill))
    return {"ok": True}


@op("runs.mutateJobOrigin", where="write")
def mutate_job_origin(call, runId, serializedJobOrigin):
    run = call.instance.get_run_by_id(runId)
    call.instance.run_storage.replace_job_origin(
        run, deserialize_value(serializedJobOrigin, RemoteJobOrigin))
    return {"ok": True}
