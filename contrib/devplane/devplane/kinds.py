"""Arguments of requests, from names: the class that each kind wants, as the control plane would
fill it. `want` is a plain dict: repository, job, sensor, schedule, partition, partitions,
partition_set, ops, assets, run_config, run_id, cursor, last_run_key, last_completion_time,
timestamp, timezone, log_key, timeout, notebook, keys, snapshot_id."""

import time

from dagster._core.definitions.events import AssetKey
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._grpc.types import (
    ExecutionPlanSnapshotArgs,
    ExternalScheduleExecutionArgs,
    JobSubsetSnapshotArgs,
    NotebookPathArgs,
    PartitionArgs,
    PartitionNamesArgs,
    PartitionSetExecutionParamArgs,
    SensorExecutionArgs,
)
from dagster_cloud.api.dagster_cloud_api import (
    LaunchRunArgs,
    PingLocationArgs,
    RefreshComponentStateArgs,
    TerminateRunArgs,
)

from .bad import Bad
from .workspace import BadLocation


def need(want, name):
    if want.get(name) is None:
        raise Bad(f"this kind of request needs `{name}`")
    return want[name]


def keys_of(assets):
    return None if assets is None else {
        AssetKey(a.split("/") if isinstance(a, str) else a) for a in assets}


class Builder:
    """Builds the arguments of one request for one location."""

    def __init__(self, plane, deployment, location, want):
        self.plane, self.deployment = plane, deployment
        self.location, self.want = location, want

    def repository_name(self):
        name = self.want.get("repository")
        if name:
            return name
        if self.location is None:
            raise Bad("this kind of request needs a location")
        entry = self.plane.workspace.locations.get((self.deployment, self.location))
        if entry is None or entry.manifest is None:
            return "__repository__"
        return entry.manifest["repositories"][0]["name"]

    def location_origin(self):
        return RegisteredCodeLocationOrigin(self.location)

    def repository(self):
        return RemoteRepositoryOrigin(self.location_origin(), self.repository_name())

    def job(self):
        return RemoteJobOrigin(self.repository(), need(self.want, "job"))

    def snapshot_id(self):
        if self.want.get("snapshot_id"):
            return self.want["snapshot_id"]
        try:
            found = self.plane.workspace.repositories(self.deployment, self.location)
        except BadLocation:
            found = []
        for repository in found:
            if repository.name == self.repository_name():
                for ref in repository.repository_snap.job_refs or ():
                    if ref.name == self.want["job"]:
                        return ref.snapshot_id
        return "0" * 40

    def partition_set(self):
        return self.want.get("partition_set") or f"{need(self.want, 'job')}_partition_set"

    def run(self):
        run = self.plane.instances.get(self.deployment).get_run_by_id(need(self.want, "run_id"))
        if run is None:
            raise Bad(f"there is no run {self.want['run_id']} in {self.deployment}")
        return run

    # --- one method per kind ---

    def PING_LOCATION(self):
        return PingLocationArgs(location_name=self.location)

    def CHECK_FOR_WORKSPACE_UPDATES(self):
        return None

    def GET_EXTERNAL_EXECUTION_PLAN(self):
        return ExecutionPlanSnapshotArgs(
            job_origin=self.job(), op_selection=self.want.get("ops") or [],
            run_config=self.want.get("run_config") or {}, step_keys_to_execute=None,
            job_snapshot_id=self.snapshot_id(),
            asset_selection=keys_of(self.want.get("assets")))

    def GET_SUBSET_EXTERNAL_PIPELINE_RESULT(self):
        return JobSubsetSnapshotArgs(
            job_origin=self.job(), op_selection=self.want.get("ops"),
            asset_selection=keys_of(self.want.get("assets")), include_parent_snapshot=True)

    def _partition(self):
        return PartitionArgs(
            repository_origin=self.repository(), partition_set_name=self.partition_set(),
            partition_name=need(self.want, "partition"), job_name=self.want.get("job"))

    GET_EXTERNAL_PARTITION_CONFIG = _partition
    GET_EXTERNAL_PARTITION_TAGS = _partition

    def GET_EXTERNAL_PARTITION_NAMES(self):
        return PartitionNamesArgs(
            repository_origin=self.repository(), partition_set_name=self.partition_set(),
            job_name=self.want.get("job"))

    def GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA(self):
        names = self.want.get("partitions") or [need(self.want, "partition")]
        return PartitionSetExecutionParamArgs(
            repository_origin=self.repository(), partition_set_name=self.partition_set(),
            partition_names=names)

    def GET_EXTERNAL_SCHEDULE_EXECUTION_DATA(self):
        return ExternalScheduleExecutionArgs(
            repository_origin=self.repository(), instance_ref=None,
            schedule_name=need(self.want, "schedule"),
            scheduled_execution_timestamp=float(self.want.get("timestamp") or time.time()),
            scheduled_execution_timezone=self.want.get("timezone") or "UTC",
            log_key=self.want.get("log_key"), timeout=self.want.get("timeout"))

    def GET_EXTERNAL_SENSOR_EXECUTION_DATA(self):
        return SensorExecutionArgs(
            repository_origin=self.repository(), instance_ref=None,
            sensor_name=need(self.want, "sensor"), cursor=self.want.get("cursor"),
            last_run_key=self.want.get("last_run_key"),
            last_tick_completion_time=self.want.get("last_completion_time"),
            log_key=self.want.get("log_key"), timeout=self.want.get("timeout"))

    def GET_EXTERNAL_NOTEBOOK_DATA(self):
        return NotebookPathArgs(code_location_origin=self.location_origin(),
                                notebook_path=need(self.want, "notebook"))

    def LAUNCH_RUN(self):
        return LaunchRunArgs(dagster_run=self.run())

    def TERMINATE_RUN(self):
        return TerminateRunArgs(dagster_run=self.run())

    def REFRESH_COMPONENT_STATE(self):
        return RefreshComponentStateArgs(location_name=self.location,
                                         defs_state_keys=self.want.get("keys") or [])


KINDS = [name for name in vars(Builder) if name.isupper()]


def build(plane, deployment, location, kind, want):
    if kind not in KINDS:
        raise Bad(f"unknown kind {kind}; kinds: {', '.join(KINDS)}")
    return getattr(Builder(plane, deployment, location, want), kind)()
