"""Launching runs and evaluating sensors and schedules, as the control plane's daemons do it:
ask an agent (plan, tick), put the outcome into dagster's storages, and hand the run to an
agent. Everything that touches a storage runs in the storage threads."""

import time

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.origin import JobPythonOrigin
from dagster._core.remote_representation.external_data import RemoteJobSubsetResult
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.snap import ExecutionPlanSnapshot
from dagster._core.storage.dagster_run import DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import (
    PARTITION_NAME_TAG,
    RUN_KEY_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
)
from dagster._serdes import deserialize_value
from dagster._utils.error import SerializableErrorInfo

from . import kinds
from .bad import Bad

ANSWER_TIMEOUT = 60.0


class Runs:
    def __init__(self, plane):
        self.plane = plane

    # --- asking an agent ---

    async def ask(self, deployment, location, kind, want, timeout=ANSWER_TIMEOUT):
        """Enqueue a request, wait for its answer: (request id, response object)."""
        args = await self.plane.run_in(
            "read", kinds.build, self.plane, deployment, location, kind, want)
        id = self.enqueue(deployment, location, kind, args)[0]
        request = self.plane.requests.by_id[id]
        await self.plane.hub.until([("answer", id)], lambda: request.answers, timeout)
        if not request.answers:
            raise Bad(f"{kind} {id} was not answered within {timeout:g} s", 504)
        response = deserialize_value(request.answers[0].decode()).response
        return id, response

    def enqueue(self, deployment, location, kind, args, queue=None, **more):
        entry = self.plane.workspace.locations.get((deployment, location))
        if queue is None and entry is not None:
            queue = entry.queue
        return self.plane.requests.add(
            kind, args, deployment, self.plane.is_branch(deployment), queue, location, **more)

    async def told(self, deployment, location, kind, want, timeout=ANSWER_TIMEOUT):
        """Like ask(), but the object that the code server answered; its errors are raised."""
        id, response = await self.ask(deployment, location, kind, want, timeout)
        text = getattr(response, "serialized_response_or_error", None)
        if text is None:
            infos = getattr(response, "error_infos", None)
            raise Bad(infos[0].message if infos else f"{kind} was answered by {response}")
        return id, deserialize_value(text)

    def repository(self, deployment, location, want):
        found = self.plane.workspace.repositories(deployment, location)
        name = want.get("repository")
        for repository in found:
            if name in (None, repository.name):
                return repository
        raise Bad(f"location {location} has no repository {name}")

    # --- runs ---

    async def launch(self, deployment, location, want, timeout=ANSWER_TIMEOUT, enqueue=True):
        """Create a run and (enqueue) hand it to an agent: {run_id, request_id, plan_request}."""
        want = dict(want)
        repository = await self.plane.run_in(
            "read", self.repository, deployment, location, want)
        want["repository"] = repository.name
        snapshot = parent = None
        if want.get("assets") or want.get("ops"):
            _, subset = await self.told(
                deployment, location, "GET_SUBSET_EXTERNAL_PIPELINE_RESULT", want, timeout)
            if not isinstance(subset, RemoteJobSubsetResult) or not subset.success:
                raise Bad(f"no subset: {getattr(subset, 'error', subset)}")
            snapshot, parent = subset.job_data_snap.job, subset.job_data_snap.parent_job
            want["snapshot_id"] = snapshot.snapshot_id
        partition = want.get("partition")
        if partition:
            await self._with_partition(deployment, location, want, partition, timeout)
        plan_id, plan = await self.told(
            deployment, location, "GET_EXTERNAL_EXECUTION_PLAN", want, timeout)
        if not isinstance(plan, ExecutionPlanSnapshot):
            raise Bad(f"no execution plan: {getattr(plan, 'error', plan)}")
        run = await self.plane.run_in("write", self._create, deployment, location, repository,
                                      want, plan, snapshot, parent)
        request_id = self.enqueue(
            deployment, location, "LAUNCH_RUN", kinds.LaunchRunArgs(dagster_run=run)
        )[0] if enqueue else None
        self.plane.hub.touch("runs")
        return {"run_id": run.run_id, "request_id": request_id, "plan_request": plan_id}

    async def _with_partition(self, deployment, location, want, partition, timeout):
        for kind, field in (("GET_EXTERNAL_PARTITION_CONFIG", "run_config"),
                            ("GET_EXTERNAL_PARTITION_TAGS", "tags")):
            _, data = await self.told(deployment, location, kind, want, timeout)
            if not hasattr(data, field):
                raise Bad(f"{kind}: {getattr(data, 'error', data)}")
            want[field] = {**getattr(data, field), **(want.get(field) or {})}
        want["tags"][PARTITION_NAME_TAG] = partition

    def _create(self, deployment, location, repository, want, plan, snapshot, parent):
        instance = self.plane.instances.get(deployment)
        job_name = kinds.need(want, "job")
        if not repository.has_job(job_name):
            raise Bad(f"repository {repository.name} has no job {job_name}")
        job = repository.get_full_job(job_name)
        builder = kinds.Builder(self.plane, deployment, location, want)
        assets = kinds.keys_of(want.get("assets"))
        tags = {**job.tags, **(want.get("tags") or {})}
        if want.get("isolated") is False:
            tags["dagster/isolation"] = "disabled"
        run = instance.create_run(
            job_name=job_name, run_id=want.get("run_id"),
            run_config=want.get("run_config") or {}, status=DagsterRunStatus.NOT_STARTED,
            tags=tags, root_run_id=None, parent_run_id=None, step_keys_to_execute=None,
            execution_plan_snapshot=plan, job_snapshot=snapshot or job.job_snapshot,
            parent_job_snapshot=parent, asset_selection=assets, asset_check_selection=None,
            resolved_op_selection=set(want["ops"]) if want.get("ops") else None,
            op_selection=want.get("ops"), remote_job_origin=builder.job(),
            job_code_origin=JobPythonOrigin(job_name, repository.handle.get_python_origin()),
            asset_graph=repository.asset_graph)
        instance.report_dagster_event(
            DagsterEvent(event_type_value=DagsterEventType.PIPELINE_STARTING.value,
                         job_name=job_name), run.run_id)
        return instance.get_run_by_id(run.run_id)

    async def terminate(self, deployment, run_id):
        run = await self.plane.run_in(
            "read", self.plane.instances.get(deployment).get_run_by_id, run_id)
        if run is None:
            raise Bad(f"there is no run {run_id} in {deployment}")
        origin = run.remote_job_origin
        location = origin.repository_origin.code_location_origin.location_name
        id = self.enqueue(deployment, location, "TERMINATE_RUN",
                          kinds.TerminateRunArgs(dagster_run=run))[0]
        return {"request_id": id}

    def look(self, deployment, run_id, cursor=None):
        """Status, tags and events (after cursor) of a run."""
        instance = self.plane.instances.get(deployment)
        records = instance.get_run_records(limit=1, filters=RunsFilter(run_ids=[run_id]))
        if not records:
            raise Bad(f"there is no run {run_id} in {deployment}", 404)
        record = records[0]
        run = record.dagster_run
        page = instance.get_records_for_run(run_id, cursor=cursor, limit=1000)
        events = []
        for r in page.records:
            e = r.event_log_entry
            d = e.dagster_event
            events.append({
                "id": r.storage_id, "time": e.timestamp, "step": e.step_key, "level": e.level,
                "type": d.event_type_value if d else None, "pid": d.pid if d else None,
                "message": (d.message if d else None) or e.user_message,
            })
        return {
            "run_id": run_id, "job": run.job_name, "status": run.status.value,
            "finished": run.is_finished, "tags": dict(run.tags), "cursor": page.cursor,
            "created": record.create_timestamp.timestamp(), "start": record.start_time,
            "end": record.end_time, "events": events,
        }

    # --- ticks ---

    async def tick(self, deployment, location, type_, name, want, launch, timeout):
        """Evaluate a sensor or schedule and store the tick. With launch: start its runs."""
        repository = await self.plane.run_in(
            "read", self.repository, deployment, location, want)
        is_sensor = type_ == "sensor"
        if not (repository.has_sensor(name) if is_sensor else repository.has_schedule(name)):
            raise Bad(f"repository {repository.name} has no {type_} {name}")
        instigator = (repository.get_sensor(name) if is_sensor
                      else repository.get_schedule(name))
        want = {**want, "repository": repository.name, type_: name}
        state = await self.plane.run_in("write", self._state, deployment, instigator, is_sensor)
        if is_sensor and state.instigator_data is not None:
            want.setdefault("cursor", state.instigator_data.cursor)
            want.setdefault("last_run_key", state.instigator_data.last_run_key)
            want.setdefault("last_completion_time", state.instigator_data.last_tick_timestamp)
        started = time.time()
        kind = f"GET_EXTERNAL_{type_.upper()}_EXECUTION_DATA"
        id, response = await self.ask(deployment, location, kind, want, timeout)
        outcome = outcome_of(response)
        runs = []
        if launch and not isinstance(outcome, SerializableErrorInfo):
            for request in outcome.run_requests or ():
                runs.append(await self._launch_request(
                    deployment, location, repository, instigator, request, type_, timeout))
        return await self.plane.run_in(
            "write", self._store_tick, deployment, instigator, is_sensor, state, outcome,
            started, id, runs)

    async def _launch_request(self, deployment, location, repository, instigator, request,
                              type_, timeout):
        target = instigator.job_name if type_ == "schedule" else None
        if target is None:
            chosen = instigator.get_target(request.job_name)
            target = request.job_name or (chosen.job_name if chosen else None)
        tags = dict(request.tags or {})
        tags[SENSOR_NAME_TAG if type_ == "sensor" else SCHEDULE_NAME_TAG] = instigator.name
        if request.run_key:
            tags[RUN_KEY_TAG] = request.run_key
        launched = await self.launch(deployment, location, {
            "repository": repository.name, "job": target, "run_config": request.run_config,
            "tags": tags, "partition": request.partition_key,
            "assets": [k.path for k in request.asset_selection]
            if request.asset_selection else None,
        }, timeout)
        return launched["run_id"]

    def _state(self, deployment, instigator, is_sensor):
        storage = self.plane.instances.get(deployment).schedule_storage
        origin = instigator.get_remote_origin()
        state = storage.get_instigator_state(origin.get_id(), instigator.selector_id)
        if state is None:
            state = storage.add_instigator_state(InstigatorState(
                origin, InstigatorType.SENSOR if is_sensor else InstigatorType.SCHEDULE,
                InstigatorStatus.RUNNING,
                SensorInstigatorData(min_interval=instigator.min_interval_seconds)
                if is_sensor else
                ScheduleInstigatorData(cron_schedule=instigator.cron_schedule,
                                       start_timestamp=time.time())))
        return state

    def _store_tick(self, deployment, instigator, is_sensor, state, outcome, started, id, runs):
        storage = self.plane.instances.get(deployment).schedule_storage
        origin_id = instigator.get_remote_origin().get_id()
        failed = isinstance(outcome, SerializableErrorInfo)
        requests = [] if failed else list(outcome.run_requests or ())
        status = (TickStatus.FAILURE if failed
                  else TickStatus.SUCCESS if requests else TickStatus.SKIPPED)
        cursor = getattr(outcome, "cursor", None)
        tick = storage.create_tick(TickData(
            origin_id, instigator.name,
            InstigatorType.SENSOR if is_sensor else InstigatorType.SCHEDULE, status, started,
            run_ids=runs, run_keys=[r.run_key for r in requests if r.run_key],
            error=outcome if failed else None,
            skip_reason=None if failed else outcome.skip_message, cursor=cursor,
            selector_id=instigator.selector_id, end_timestamp=time.time(),
            run_requests=requests))
        if is_sensor and not failed:
            keys = [r.run_key for r in requests if r.run_key]
            old = state.instigator_data
            storage.update_instigator_state(state.with_data(SensorInstigatorData(
                last_tick_timestamp=started, last_run_key=keys[-1] if keys else (
                    old.last_run_key if old else None),
                min_interval=instigator.min_interval_seconds,
                cursor=cursor if cursor is not None else (old.cursor if old else None))))
        return {
            "tick_id": tick.tick_id, "status": status.value, "request_id": id,
            "skip_reason": None if failed else outcome.skip_message, "cursor": cursor,
            "error": outcome.message if failed else None, "run_ids": runs,
            "run_requests": [
                {"run_key": r.run_key, "job": r.job_name, "tags": dict(r.tags or {})}
                for r in requests],
        }


def outcome_of(response):
    """SensorExecutionData or ScheduleExecutionData, or the error that came instead."""
    text = getattr(response, "serialized_response_or_error", None)
    if text is None:
        infos = getattr(response, "error_infos", None)
        return infos[0] if infos else SerializableErrorInfo(str(response), [], None)
    value = deserialize_value(text)
    if isinstance(value, (SensorExecutionData, ScheduleExecutionData)):
        return value
    return value if isinstance(value, SerializableErrorInfo) else value.error
