"""The storages that code servers and run workers use, against devplane: every operation of
runs, eventLogs and schedules that their real clients can send is sent and decoded by them."""

import json
import uuid

import dagster as dg
import harness
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.observe import observe
from dagster._core.errors import DagsterRunAlreadyExists
from dagster._core.event_api import (
    AssetRecordsFilter,
    EventRecordsFilter,
    PartitionKeyFilter,
    RunStatusChangeRecordsFilter,
)
from dagster._core.execution.backfill import (
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
)
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus, RunsFilter
from dagster._daemon.types import DaemonHeartbeat
from dagster._time import get_current_datetime


@dg.asset(check_specs=[dg.AssetCheckSpec("positive", asset="checked")],
          partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def checked():
    yield dg.MaterializeResult(data_version=dg.DataVersion("1"), check_results=[dg.AssetCheckResult(passed=True)])


@dg.observable_source_asset
def seen():
    return dg.DataVersion("7")


@dg.asset(deps=[checked])
def broken():
    raise ValueError("on purpose")


CHECKED, SEEN = dg.AssetKey("checked"), dg.AssetKey("seen")


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with harness.Bench(tmp_path_factory.mktemp("storages")) as bench:
        yield bench.devplane()


@pytest.fixture(scope="module")
def instance(plane, tmp_path_factory):
    """The instance of a run worker."""
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(
        harness.DAGSTER_YAML.format(url=plane.url, token=plane.token))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@pytest.fixture(scope="module")
def runs(instance):
    """One good partition, one observation, one failure."""
    good = dg.materialize([checked], instance=instance, partition_key="a")
    watched = observe([seen], instance=instance)
    bad = dg.materialize([broken], instance=instance, raise_on_error=False)
    assert good.success and watched.success and not bad.success
    return good.run_id, watched.run_id, bad.run_id


def test_runs(instance, runs):
    storage = instance.run_storage
    good, watched, bad = runs
    assert storage.has_run(good) and not storage.has_run(str(uuid.uuid4()))
    assert storage.get_run_by_id(str(uuid.uuid4())) is None
    assert storage.get_run_by_id(good).status == DagsterRunStatus.SUCCESS
    assert storage.get_run_by_id(bad).status == DagsterRunStatus.FAILURE
    failed = RunsFilter(statuses=[DagsterRunStatus.FAILURE])
    assert [r.run_id for r in storage.get_runs(failed)] == [bad]
    assert storage.get_run_ids(failed) == [bad]
    assert storage.get_runs_count() == 3
    assert [r.run_id for r in storage.get_runs(limit=1, ascending=True)] == [good]
    by_tag = RunsFilter(tags={"dagster/partition": ["a", "b"]})
    assert storage.get_run_ids(by_tag) == [good]
    records = storage.get_run_records(RunsFilter(
        run_ids=[good], created_after=get_current_datetime().replace(year=2020)))
    assert records[0].dagster_run.run_id == good and records[0].end_time > records[0].start_time
    assert storage.get_run_tag_keys()
    assert dict(storage.get_run_tags(["dagster/partition"])) == {"dagster/partition": {"a"}}
    storage.add_run_tags(good, {"k": "v"})
    assert storage.get_run_by_id(good).tags["k"] == "v"
    assert storage.get_run_group(good)[0] == good
    assert storage.get_run_partition_data(RunsFilter(run_ids=[good])) is not None
    run = storage.get_run_by_id(good)
    assert storage.has_job_snapshot(run.job_snapshot_id)
    assert storage.get_job_snapshot(run.job_snapshot_id).name == run.job_name
    assert storage.has_execution_plan_snapshot(run.execution_plan_snapshot_id)
    assert storage.get_execution_plan_snapshot(run.execution_plan_snapshot_id).steps
    storage.replace_job_origin(run, job_origin())
    assert storage.get_run_by_id(good).remote_job_origin == job_origin()


def repository_origin():
    return RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("etl"), "__repository__")


def job_origin():
    return RemoteJobOrigin(repository_origin(), "some_job")


def test_adding_runs(instance):
    storage = instance.run_storage
    run = DagsterRun(job_name="j", run_id=str(uuid.uuid4()))
    storage.add_run(run)
    with pytest.raises(DagsterRunAlreadyExists):
        storage.add_run(run)
    old = DagsterRun(job_name="j", run_id=str(uuid.uuid4()), status=DagsterRunStatus.SUCCESS)
    storage.add_historical_run(old, get_current_datetime())
    assert storage.get_run_by_id(old.run_id).status == DagsterRunStatus.SUCCESS


def test_daemons_and_backfills(instance):
    storage = instance.run_storage
    storage.add_daemon_heartbeat(DaemonHeartbeat(1700000000.5, "SENSOR", "d", []))
    assert storage.get_daemon_heartbeats()["SENSOR"].daemon_id == "d"
    backfill = PartitionBackfill(
        backfill_id="bf", status=BulkActionStatus.REQUESTED, from_failure=False,
        tags={}, backfill_timestamp=1700000000.5, partition_names=["a"])
    storage.add_backfill(backfill)
    storage.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED))
    assert storage.get_backfill("bf").status == BulkActionStatus.COMPLETED
    done = BulkActionsFilter(statuses=[BulkActionStatus.COMPLETED])
    assert [b.backfill_id for b in storage.get_backfills(done)] == ["bf"]
    assert storage.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.FAILED])) == []


def test_events_of_runs(instance, runs):
    storage = instance.event_log_storage
    good, _, bad = runs
    connection = storage.get_records_for_run(good, limit=3)
    assert len(connection.records) == 3 and connection.has_more
    rest = storage.get_records_for_run(good, cursor=connection.cursor)
    assert rest.records[0].storage_id > connection.records[-1].storage_id
    newest = storage.get_records_for_run(good, limit=1, ascending=False)
    assert newest.records[0].storage_id == rest.records[-1].storage_id
    types = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_START}
    assert len(storage.get_records_for_run(good, of_type=types).records) == 2
    failure = storage.get_records_for_run(bad, of_type=dg.DagsterEventType.STEP_FAILURE)
    data = failure.records[0].event_log_entry.dagster_event.step_failure_data
    assert "on purpose" in data.error.to_string()
    stats = storage.get_stats_for_run(good)
    assert (stats.steps_succeeded, stats.materializations) == (1, 1) and stats.end_time
    (step,) = storage.get_step_stats_for_run(good)
    assert step.status.value == "SUCCESS" and step.materialization_events
    assert "a" in storage.get_asset_partitions_for_run(good)[CHECKED]
    assert storage.get_asset_keys_for_run(good) == {CHECKED}
    assert storage.get_maximum_record_id() >= rest.records[-1].storage_id
    assert storage.is_persistent and storage.is_asset_aware
    changed = storage.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=10)
    assert good in [r.run_id for r in changed.records]
    job = instance.get_run_by_id(bad).job_name
    for names, count in (([job], 1), (["other"], 0)):
        wanted = RunStatusChangeRecordsFilter(
            dg.DagsterEventType.RUN_FAILURE, after_timestamp=1.0, job_names=names)
        assert len(storage.fetch_run_status_changes(
            wanted, limit=10, ascending=True).records) == count


def test_assets(instance, runs):
    storage = instance.event_log_storage
    good = runs[0]
    assert storage.has_asset_key(CHECKED)
    assert set(storage.all_asset_keys()) >= {CHECKED, SEEN}
    (record,) = storage.get_asset_records([CHECKED])
    assert record.asset_entry.last_run_id == good
    assert record.asset_entry.last_materialization_record.run_id == good
    (record,) = storage.get_asset_records([SEEN])
    assert record.asset_entry.last_observation_record.run_id == runs[1]
    assert storage.get_latest_materialization_events([CHECKED])[CHECKED].run_id == good
    assert storage.get_materialized_partitions(CHECKED) == {"a"}
    assert storage.get_materialization_count_by_partition([CHECKED]) == {CHECKED: {"a": 1}}
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    assert set(storage.get_latest_storage_id_by_partition(CHECKED, kind)) == {"a"}
    tags = storage.get_latest_tags_by_partition(CHECKED, kind, ["dagster/data_version"])
    assert tags == {"a": {"dagster/data_version": "1"}}
    assert storage.get_latest_asset_partition_materialization_attempts_without_materializations(
        CHECKED) == {}
    found = storage.get_event_tags_for_asset(CHECKED, filter_tags={"dagster/data_version": "1"})
    assert found and all(tags["dagster/data_version"] == "1" for tags in found)
    assert storage.get_latest_planned_materialization_info(CHECKED).run_id == good
    assert storage.get_updated_data_version_partitions(CHECKED, ["a", "b"], 0) == {"a"}
    assert storage.get_asset_status_cache_values([(CHECKED, None)], None) == [None]
    (event,) = storage.get_event_records(EventRecordsFilter(
        kind, asset_key=CHECKED, asset_partitions=["a"], after_timestamp=1.0))
    assert event.run_id == good


def test_records_of_assets(instance, runs):
    storage = instance.event_log_storage
    found = storage.fetch_materializations(CHECKED, limit=1)
    assert found.records[0].partition_key == "a"
    assert storage.fetch_materializations(
        AssetRecordsFilter(CHECKED, asset_partitions=["b"]), limit=1).records == []
    assert storage.fetch_observations(SEEN, limit=1).records[0].run_id == runs[1]
    assert storage.fetch_planned_materializations(CHECKED, limit=5, ascending=True).records
    assert storage.fetch_failed_materializations(CHECKED, limit=5).records == []


def test_asset_checks(instance, runs):
    storage = instance.event_log_storage
    key = dg.AssetCheckKey(CHECKED, "positive")
    summary = storage.get_asset_check_summary_records([key])[key]
    assert summary.last_check_execution_record.run_id == runs[0]
    latest = storage.get_latest_asset_check_execution_by_key([key])
    assert latest[key].status.value == "SUCCEEDED"
    storage.get_latest_asset_check_execution_by_key([key], PartitionKeyFilter(key="a"))


def test_dynamic_partitions(instance):
    storage = instance.event_log_storage
    storage.add_dynamic_partitions("colors", ["red", "green", "blue"])
    assert storage.has_dynamic_partition("colors", "red")
    storage.delete_dynamic_partition("colors", "red")
    assert storage.get_dynamic_partitions("colors") == ["green", "blue"]
    page = storage.get_paginated_dynamic_partitions("colors", limit=1, ascending=True)
    assert page.results == ["green"] and page.has_more
    page = storage.get_paginated_dynamic_partitions(
        "colors", limit=1, ascending=True, cursor=page.cursor)
    assert page.results == ["blue"]


def test_pools(instance, runs):
    storage = instance.event_log_storage
    assert storage.get_pool_config().default_pool_limit is None
    storage.set_concurrency_slots("pool", 1)
    assert storage.get_concurrency_keys() == {"pool"}
    (limit,) = storage.get_pool_limits()
    assert (limit.name, limit.limit, limit.from_default) == ("pool", 1, False)
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    assert storage.claim_concurrency_slot("pool", one, "step").is_claimed
    assert storage.claim_concurrency_slot("pool", two, "step").slot_status.value == "BLOCKED"
    info = storage.get_concurrency_info("pool")
    assert [s.run_id for s in info.claimed_slots] == [one]
    assert two in [s.run_id for s in info.pending_steps]
    storage.free_concurrency_slot_for_step(one, "step")
    assert storage.check_concurrency_claim("pool", two, "step").assigned_timestamp
    assert storage.claim_concurrency_slot("pool", two, "step").is_claimed
    storage.free_concurrency_slots_for_run(two)
    assert storage.initialize_concurrency_limit_to_default("other") is True
    storage.delete_concurrency_limit("other")
    storage.delete_concurrency_limit("pool")
    assert storage.get_concurrency_keys() == set()
    with pytest.raises(dg.DagsterInvalidInvocationError):
        storage.set_concurrency_slots("pool", 100000)


def test_ticks(instance):
    storage = instance.schedule_storage
    origin = RemoteInstigatorOrigin(repository_origin(), "watcher")
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING,
                            SensorInstigatorData(cursor="1"))
    assert storage.get_instigator_state(origin.get_id(), origin.get_selector().get_id()) is None
    storage.add_instigator_state(state)
    storage.update_instigator_state(state.with_data(SensorInstigatorData(cursor="2")))
    selector = origin.get_selector().get_id()
    assert storage.get_instigator_state(
        origin.get_id(), selector).instigator_data.cursor == "2"
    (found,) = storage.all_instigator_state(
        instigator_type=InstigatorType.SENSOR, instigator_statuses={InstigatorStatus.RUNNING})
    assert found.instigator_name == "watcher"
    tick = storage.create_tick(TickData(
        origin.get_id(), "watcher", InstigatorType.SENSOR, TickStatus.STARTED, 1700000000.5,
        selector_id=selector))
    storage.update_tick(tick.with_status(TickStatus.SUCCESS))
    (tick,) = storage.get_ticks(origin.get_id(), selector, statuses=[TickStatus.SUCCESS],
                                after=1.0)
    assert tick.timestamp == 1700000000.5


def test_component_state(instance, plane, tmp_path):
    storage = instance.defs_state_storage
    assert storage.get_latest_defs_state_info() is None
    (tmp_path / "state").write_text("the state")
    storage.upload_state_from_path("some/key", "v1", tmp_path / "state")
    info = storage.get_latest_defs_state_info()
    assert info.info_mapping["some/key"].version == "v1"
    storage.download_state_to_path("some/key", "v1", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "the state"
    assert "some/key" in json.dumps(plane.defs_state())


@pytest.mark.parametrize("env", [
    {"DAGSTER_CLOUD_STORE_EVENT_OVER_HTTP": "1"}, {"DAGSTER_EVENT_BATCH_SIZE": "5"},
    {"DAGSTER_CLOUD_STORE_EVENT_OVER_HTTP": "1", "DAGSTER_EVENT_BATCH_SIZE": "5"},
])
def test_other_ways_of_storing_events(instance, plane, monkeypatch, env):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    since = plane.calls(limit=1)["seq"]
    result = dg.materialize([checked], instance=instance, partition_key="b")
    assert result.success
    assert instance.get_run_by_id(result.run_id).status == DagsterRunStatus.SUCCESS
    stored = len(instance.all_logs(result.run_id))
    path = "/store_events" if "DAGSTER_CLOUD_STORE_EVENT_OVER_HTTP" in env else "/graphql"
    calls = plane.calls(since=since, path=path, method="POST")["calls"]
    assert calls and stored > 8


def test_wiping(instance, runs):
    storage = instance.event_log_storage
    storage.wipe_asset_cached_status(CHECKED)
    storage.upgrade()
    storage.reindex_assets()
    storage.enable_secondary_index("x", "y")
    instance.wipe_assets([SEEN])
    assert not storage.has_asset_key(SEEN)
    storage.delete_events(runs[2])
    assert storage.get_records_for_run(runs[2]).records == []
    storage.wipe()
    assert storage.get_records_for_run(runs[0]).records == []


def test_nothing_was_unimplemented(plane):
    assert plane.unimplemented() == []
    failures = plane.problems(kind="failure")["problems"]
    assert failures == []
