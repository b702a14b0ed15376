"""One open-source DagsterInstance per deployment, each in a home of its own.

Such a home is an ordinary DAGSTER_HOME: `DAGSTER_HOME=... dagster run list` and
`dagster-webserver` can be opened on it at any time.
"""

import os
import threading

from dagster import DagsterInstance

DAGSTER_YAML = """\
# written by devplane; open-source dagster on SQLite
telemetry:
  enabled: false
event_log_storage:
  module: dagster._core.storage.event_log
  class: ConsolidatedSqliteEventLogStorage
  config:
    base_dir: {home}/history
run_storage:
  module: dagster._core.storage.runs
  class: SqliteRunStorage
  config:
    base_dir: {home}/history
schedule_storage:
  module: dagster._core.storage.schedules
  class: SqliteScheduleStorage
  config:
    base_dir: {home}/schedules
"""


class Instances:
    def __init__(self, home):
        self.home = os.path.join(home, "deployments")
        self.instances = {}
        self.lock = threading.Lock()

    def path(self, deployment):
        return os.path.join(self.home, deployment)

    def get(self, deployment):
        with self.lock:
            instance = self.instances.get(deployment)
            if instance is None:
                instance = self.instances[deployment] = self._open(deployment)
            return instance

    def _open(self, deployment):
        path = self.path(deployment)
        os.makedirs(path, exist_ok=True)
        config = os.path.join(path, "dagster.yaml")
        if not os.path.exists(config):
            with open(config, "w", encoding="utf-8") as f:
                f.write(DAGSTER_YAML.format(home=path))
        return DagsterInstance.from_config(path)

    def log_path(self, deployment, log_key, io_type):
        """Where the web UI looks for a captured log."""
        extension = {"stdout": "out", "stderr": "err"}[io_type]
        manager = self.get(deployment).compute_log_manager
        return manager.get_captured_local_path(log_key, extension)

    def close(self):
        for instance in self.instances.values():
            instance.dispose()
        self.instances.clear()
