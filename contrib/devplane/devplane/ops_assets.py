"""Root field `eventLogs`, part 2: assets, checks and dynamic partitions."""

from dagster._core.event_api import AssetRecordsFilter, PartitionKeyFilter
from dagster._core.definitions.asset_key import AssetCheckKey
from dagster._core.definitions.events import AssetKey
from dagster._core.events import DagsterEventType
from dagster._core.storage.partition_status_cache import AssetStatusCacheValue

from .bad import Bad
from .graphql import op
from .ops_events import key_of, shown_entry, shown_record, shown_records
from .ops_runs import tags_of


def storage(call):
    return call.instance.event_log_storage


def shown_cache(value):
    if value is None:
        return None
    return {
        "latestStorageId": value.latest_storage_id, "partitionsDefId": value.partitions_def_id,
        "serializedMaterializedPartitionSubset": value.serialized_materialized_partition_subset,
        "serializedFailedPartitionSubset": value.serialized_failed_partition_subset,
        "serializedInProgressPartitionSubset": value.serialized_in_progress_partition_subset,
        "earliestInProgressMaterializationEventId":
            value.earliest_in_progress_materialization_event_id,
    }


def shown_asset(call, record):
    """An AssetRecord; what SQLite does not keep in it is looked up."""
    entry = record.asset_entry
    events = storage(call)
    observed = entry.last_observation_record
    if observed is None and not events.asset_records_have_last_observation:
        found = events.fetch_observations(entry.asset_key, limit=1).records
        observed = found[0] if found else None
    planned = events.get_latest_planned_materialization_info(entry.asset_key)
    wiped = entry.asset_details.last_wipe_timestamp if entry.asset_details else None
    return {
        "storageId": record.storage_id,
        "assetEntry": {
            "assetKey": {"path": list(entry.asset_key.path)},
            "lastMaterializationRecord": shown_record(entry.last_materialization_record),
            "lastRunId": entry.last_run_id,
            "assetDetails": {"lastWipeTimestamp": wiped} if entry.asset_details else None,
            "cachedStatus": shown_cache(entry.cached_status),
            "lastObservationRecord": shown_record(observed),
            "lastPlannedMaterializationStorageId": planned.storage_id if planned else None,
            "lastPlannedMaterializationRunId": planned.run_id if planned else None,
        },
    }


@op("eventLogs.hasAssetKey")
def has_asset_key(call, assetKey):
    return storage(call).has_asset_key(key_of(assetKey))


@op("eventLogs.getAllAssetKeys")
def get_all_asset_keys(call):
    return [key.to_string() for key in storage(call).all_asset_keys()]


@op("eventLogs.getAssetRecords")
def get_asset_records(call, assetKeys=None):
    keys = [key_of(k) for k in assetKeys or ()] or None
    return [shown_asset(call, r) for r in storage(call).get_asset_records(keys)]


@op("eventLogs.getLatestMaterializationEvents")
def get_latest_materialization_events(call, assetKeys):
    found = storage(call).get_latest_materialization_events([key_of(k) for k in assetKeys])
    return [shown_entry(e) for e in found.values() if e is not None]


@op("eventLogs.getMaterializedPartitions")
def get_materialized_partitions(call, assetKey, beforeCursor=None, afterCursor=None):
    return sorted(storage(call).get_materialized_partitions(
        key_of(assetKey), before_cursor=beforeCursor, after_cursor=afterCursor))


def count_materializations(call, key, part, after):
    wanted = AssetRecordsFilter(asset_key=key, asset_partitions=[part], after_storage_id=after)
    count, cursor = 0, None
    while True:
        page = storage(call).fetch_materializations(wanted, limit=1000, cursor=cursor)
        count += len(page.records)
        cursor = page.cursor
        if not page.has_more:
            return count


@op("eventLogs.getMaterializationCountByPartition")
def get_materialization_count_by_partition(call, assetKeys, afterCursor=None):
    result = []
    for text in assetKeys:
        key = key_of(text)
        counts = {}
        for part in storage(call).get_materialized_partitions(key, after_cursor=afterCursor):
            counts[part] = count_materializations(call, key, part, afterCursor)
        result.append({"assetKey": key.to_string(), "materializationCountByPartition": [
            {"partition": p, "materializationCount": n} for p, n in sorted(counts.items())]})
    return result


@op("eventLogs.getLatestStorageIdByPartition")
def get_latest_storage_id_by_partition(call, assetKey, eventType, partitions=None,
                                       afterCursor=None):
    found = storage(call).get_latest_storage_id_by_partition(
        key_of(assetKey), DagsterEventType(eventType),
        set(partitions) if partitions is not None else None)
    return [{"partition": p, "storageId": i} for p, i in found.items()
            if afterCursor is None or i > afterCursor]


@op("eventLogs.getLatestTagsByPartition")
def get_latest_tags_by_partition(call, assetKey, eventType, tagKeys=None, assetPartitions=None,
                                 beforeCursor=None, afterCursor=None):
    found = storage(call).get_latest_tags_by_partition(
        key_of(assetKey), DagsterEventType(eventType), tagKeys or [],
        asset_partitions=assetPartitions, before_cursor=beforeCursor, after_cursor=afterCursor)
    return [{"partition": p, "key": k, "value": v}
            for p, tags in found.items() for k, v in tags.items()]


@op("eventLogs.getLatestAssetPartitionMaterializationAttemptsWithoutMaterializations")
def get_latest_attempts(call, assetKey, afterStorageId=None):
    events = storage(call)
    look = events.get_latest_asset_partition_materialization_attempts_without_materializations
    found = look(key_of(assetKey), after_storage_id=afterStorageId)
    return {p: list(pair) for p, pair in found.items()}


@op("eventLogs.getAssetEventTags")
def get_asset_event_tags(call, assetKey, filterTags=None, filterEventId=None):
    found = storage(call).get_event_tags_for_asset(
        key_of(assetKey), filter_tags=tags_of(filterTags) or None,
        filter_event_id=filterEventId)
    return [{"tags": [{"key": k, "value": v} for k, v in tags.items()]} for tags in found]


@op("eventLogs.getLatestPlannedMaterializationInfo")
def get_latest_planned_materialization_info(call, assetKey, partition=None):
    info = storage(call).get_latest_planned_materialization_info(key_of(assetKey), partition)
    return {"storageId": info.storage_id if info else None,
            "runId": info.run_id if info else None}


@op("eventLogs.getUpdatedDataVersionPartitions")
def get_updated_data_version_partitions(call, assetKey, partitions, afterStorageId):
    return sorted(storage(call).get_updated_data_version_partitions(
        key_of(assetKey), partitions, afterStorageId))


@op("eventLogs.getAssetStatusCacheValues")
def get_asset_status_cache_values(call, assetKeys):
    keys = [AssetKey(k["path"]) for k in assetKeys]
    found = {r.asset_entry.asset_key: r.asset_entry.cached_status
             for r in storage(call).get_asset_records(keys)} if keys else {}
    return [shown_cache(found.get(key)) for key in keys]


# --- records by asset --------------------------------------------------------------------------


def asset_filter(f):
    if set(f) <= {"assetKey"}:
        return key_of(f.get("assetKey"))
    return AssetRecordsFilter(
        asset_key=key_of(f.get("assetKey")), asset_partitions=f.get("assetPartitions"),
        after_timestamp=f.get("afterTimestamp"), before_timestamp=f.get("beforeTimestamp"),
        after_storage_id=f.get("afterStorageId"), before_storage_id=f.get("beforeStorageId"),
        storage_ids=f.get("storageIds"))


def fetcher(name, method):
    @op(f"eventLogs.{name}")
    def fetch(call, recordsFilter, limit=None, cursor=None, ascending=False):
        return shown_records(getattr(storage(call), method)(
            asset_filter(recordsFilter), limit=limit if limit is not None else 1000,
            cursor=cursor, ascending=bool(ascending)))


fetcher("fetchMaterializations", "fetch_materializations")
fetcher("fetchFailedMaterializations", "fetch_failed_materializations")
fetcher("fetchObservations", "fetch_observations")


@op("eventLogs.fetchPlannedMaterializations")
def fetch_planned_materializations(call, recordsFilter, limit=None, cursor=None,
                                   ascending=False):
    return shown_records(call.instance.fetch_planned_materializations(
        asset_filter(recordsFilter), limit=limit if limit is not None else 1000, cursor=cursor,
        ascending=bool(ascending)))


# --- asset checks ------------------------------------------------------------------------------


def shown_check_key(key):
    return {"assetKey": {"path": list(key.asset_key.path)}, "name": key.name}


def shown_execution(record):
    if record is None:
        return None
    return {
        "assetCheckKey": shown_check_key(record.key), "id": record.id, "runId": record.run_id,
        "status": record.status.value,
        "event": None if record.event is None else shown_entry(record.event),
        "createTimestamp": record.create_timestamp,
        "partition": getattr(record, "partition", None),
    }


@op("eventLogs.getAssetCheckSummaryRecord")
def get_asset_check_summary_record(call, assetCheckKeys=()):
    keys = [AssetCheckKey.from_user_string(k) for k in assetCheckKeys or ()]
    found = storage(call).get_asset_check_summary_records(keys)
    return [{
        "assetCheckKey": shown_check_key(r.asset_check_key),
        "lastCheckExecutionRecord": shown_execution(r.last_check_execution_record),
        "lastCompletedCheckExecutionRecord":
            shown_execution(r.last_completed_check_execution_record),
        "lastRunId": r.last_run_id,
    } for r in found.values()]


@op("eventLogs.getLatestAssetCheckExecutionByKey")
def get_latest_asset_check_execution_by_key(call, assetCheckKeys, partitionFilter=None):
    keys = [AssetCheckKey.from_user_string(k) for k in assetCheckKeys]
    wanted = None if partitionFilter is None else PartitionKeyFilter(
        key=partitionFilter.get("key"))
    found = storage(call).get_latest_asset_check_execution_by_key(keys, wanted)
    return [shown_execution(r) for r in found.values()]


# --- wiping, caching ---------------------------------------------------------------------------


@op("eventLogs.WipeAsset", where="write")
def wipe_asset(call, assetKey):
    storage(call).wipe_asset(key_of(assetKey))
    return {"ok": True}


@op("eventLogs.WipeAssetPartitions", where="write")
def wipe_asset_partitions(call, assetKey, partitionKeys):
    try:
        storage(call).wipe_asset_partitions(key_of(assetKey), partitionKeys)
    except NotImplementedError as e:
        raise Bad(f"open-source dagster cannot do this: {e}") from None
    return {"ok": True}


@op("eventLogs.WipeAssetCachedStatusData", where="write")
def wipe_asset_cached_status(call, assetKey):
    storage(call).wipe_asset_cached_status(key_of(assetKey))
    return {"ok": True}


@op("eventLogs.UpdateAssetCachedStatusData", where="write")
def update_asset_cached_status_data(call, assetKey, cacheValues):
    c = cacheValues
    storage(call).update_asset_cached_status_data(key_of(assetKey), AssetStatusCacheValue(
        latest_storage_id=c["latestStorageId"], partitions_def_id=c.get("partitionsDefId"),
        serialized_materialized_partition_subset=c.get("serializedMaterializedPartitionSubset"),
        serialized_failed_partition_subset=c.get("serializedFailedPartitionSubset"),
        serialized_in_progress_partition_subset=c.get("serializedInProgressPartitionSubset"),
        earliest_in_progress_materialization_event_id=c.get(
            "earliestInProgressMaterializationEventId")))
    return {"ok": True}


# --- dynamic partitions ------------------------------------------------------------------------


@op("eventLogs.getDynamicPartitions")
def get_dynamic_partitions(call, partitionsDefName):
    return list(storage(call).get_dynamic_partitions(partitionsDefName))


@op("eventLogs.getPaginatedDynamicPartitions")
def get_paginated_dynamic_partitions(call, partitionsDefName, limit, ascending, cursor=None):
    page = storage(call).get_paginated_dynamic_partitions(
        partitionsDefName, limit=limit, ascending=ascending, cursor=cursor)
    return {"results": list(page.results), "hasMore": page.has_more, "cursor": page.cursor}


@op("eventLogs.hasDynamicPartition")
def has_dynamic_partition(call, partitionsDefName, partitionKey):
    return storage(call).has_dynamic_partition(partitionsDefName, partitionKey)


@op("eventLogs.AddDynamicPartitions", where="write")
def add_dynamic_partitions(call, partitionsDefName, partitionKeys):
    storage(call).add_dynamic_partitions(partitionsDefName, partitionKeys)
    return {"ok": True}


@op("eventLogs.DeleteDynamicPartition", where="write")
def delete_dynamic_partition(call, partitionsDefName, partitionKey):
    storage(call).delete_dynamic_partition(partitionsDefName, partitionKey)
    return {"ok": True}
