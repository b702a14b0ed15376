"""What the control plane makes of run worker statuses in heartbeats, as dagster's run monitoring
does: the run of a worker that is gone has failed, or is canceled where that was asked for, unless
its own events have ended it."""

import asyncio

from dagster._core.storage.dagster_run import DagsterRunStatus

GONE = ("FAILED", "NOT_FOUND", "UNKNOWN")
KEPT = 10000


class Monitor:
    def __init__(self, plane):
        self.plane = plane
        self.judged = {}
        self.tasks = set()

    def hear(self, deployment, heartbeat):
        """Called on the loop with a decoded AgentHeartbeat."""
        statuses = heartbeat.run_worker_statuses
        if statuses is None or not statuses.run_worker_monitoring_supported:
            return
        for s in statuses.statuses:
            name = s.status_type.value
            if name not in GONE or s.transient or s.run_id in self.judged:
                continue
            self.judged[s.run_id] = name
            if len(self.judged) > KEPT:
                del self.judged[next(iter(self.judged))]
            task = asyncio.ensure_future(self.judge(deployment, s.run_id, name, s.message))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def judge(self, deployment, run_id, name, message):
        if await self.plane.run_in("write", self.end, deployment, run_id, name, message):
            self.plane.hub.touch("runs")

    def end(self, deployment, run_id, name, message):
        instance = self.plane.instances.get(deployment)
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        text = f"Detected run worker status {name}: {message}"
        if run.status == DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, text)
        else:
            instance.report_run_failed(run, text)
        return True
