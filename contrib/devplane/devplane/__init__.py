"""A Dagster+ control plane for development and tests.

It stands where Dagster+ stands: agents pop requests from it and upload their answers, code
servers and run workers store their events in it. Runs, events, ticks and tags are kept by
open-source dagster's own SQLite storages, one DagsterInstance per deployment, so that
`dagster-webserver` opened on such a home shows them.
"""

__version__ = "0.1.0"
