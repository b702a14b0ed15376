"""What the agent asks over GraphQL: deployments and workspace, pop, heartbeats, agents; and what
code servers ask beside the storages: secrets and the state of components."""

import json
import time

from dagster._serdes import deserialize_value, serialize_value
from dagster_cloud.api.dagster_cloud_api import AgentHeartbeat, TimestampedError
from dagster_shared.serdes.objects.models.defs_state_info import (
    DefsKeyStateInfo,
    DefsStateInfo,
)

from .bad import Bad
from .graphql import op

HEARTBEATS_KEPT = 200


class Agents:
    """Heartbeats: the newest per (agent, deployment), and a history."""

    def __init__(self, hub):
        self.hub = hub
        self.newest = {}
        self.history = []
        self.errors = {}

    def add(self, deployment, text, heartbeat):
        self.newest[heartbeat.agent_id, deployment] = {
            "received": time.time(), "deployment": deployment, "heartbeat": json.loads(text),
            "text": text,
        }
        self.history.append(self.newest[heartbeat.agent_id, deployment])
        del self.history[:-HEARTBEATS_KEPT]

    def add_errors(self, texts):
        """The errors of the newest heartbeat mutation that brought some."""
        self.errors = {"received": time.time(), "errors": [json.loads(t) for t in texts]}

    def since(self, when):
        return sorted({agent for (agent, _), h in self.newest.items() if h["received"] >= when})

    def server_status(self, deployment, location):
        """Status of a code server in the newest heartbeat of that deployment, or None."""
        found = [h for (_, d), h in self.newest.items() if d == deployment]
        if not found:
            return None
        newest = max(found, key=lambda h: h["received"])
        for server in newest["heartbeat"]["code_server_heartbeats"]:
            if server["location_name"] == location:
                return server["server_status"]["__enum__"].partition(".")[2]
        return None


@op("deploymentInfo", where="loop", scope="any")
def deployment_info(call):
    name = call.deployment or call.plane.full[0]
    return {"deploymentName": name, "deploymentType": "DEV"}


@op("deployments", where="loop", scope="any")
def deployments(call, deploymentNames=None, includeAllServerlessDeployments=False):
    plane = call.plane
    names = plane.full + plane.branches if deploymentNames is None else deploymentNames
    return [
        Deployment(plane, name) for name in dict.fromkeys(names) if plane.known(name)
    ]


class Deployment(dict):
    """A deployment whose workspace entries are picked with the arguments of the field."""

    def __init__(self, plane, name):
        super().__init__(deploymentName=name, isBranchDeployment=plane.is_branch(name))
        self.plane = plane

    def call(self, field, arguments):
        if field == "workspaceEntries":
            return self.plane.workspace.entries(
                self["deploymentName"], arguments.get("agentQueues"))
        return self[field]


@op("agents", where="loop", scope="organization")
def agents(call, heartbeatedSince=0.0):
    return [{"id": id, "status": "RUNNING"} for id in call.plane.agents.since(heartbeatedSince)]


@op("userCloudAgent.popUserCloudAgentRequests", where="loop", scope="organization")
def pop(call, limit=None, forBranchDeployments=False, forFullDeployments=(), agentQueues=None):
    return call.plane.requests.pop(
        forFullDeployments or (), bool(forBranchDeployments),
        [None] if agentQueues is None else agentQueues, limit)


@op("userCloudAgent.addAgentHeartbeats", where="loop", scope="organization")
def add_heartbeats(call, serializedAgentHeartbeats=(), serializedErrors=()):
    plane = call.plane
    decoded = []
    for item in serializedAgentHeartbeats or ():
        if not plane.known(item["deploymentName"]):
            raise Bad(f"a heartbeat for an unknown deployment {item['deploymentName']}")
        decoded.append((item, strict(item["serializedAgentHeartbeat"], AgentHeartbeat)))
    for text in serializedErrors or ():
        strict(text, TimestampedError)
    for item, heartbeat in decoded:
        plane.agents.add(item["deploymentName"], item["serializedAgentHeartbeat"], heartbeat)
        plane.monitor.hear(item["deploymentName"], heartbeat)
    if serializedErrors:
        plane.agents.add_errors(serializedErrors)
    plane.hub.touch("heartbeats")
    return {"ok": True}


def strict(text, cls):
    try:
        return deserialize_value(text, cls)
    except Exception as e:
        raise Bad(f"cannot be decoded as {cls.__name__}: {e}") from None


@op("scopedSecrets", where="loop")
def scoped_secrets(call, locationName=None):
    found = []
    for name, secret in call.plane.secrets.items():
        if secret["deployment"] not in (None, call.deployment):
            continue
        if secret["locations"] and locationName not in secret["locations"]:
            continue
        found.append({"secretName": name.partition("/")[2] or name,
                      "secretValue": secret["value"], "locationNames": secret["locations"]})
    return found


def defs_state_info(plane, deployment):
    state = plane.defs_state.get(deployment)
    if not state:
        return None
    return DefsStateInfo(info_mapping={
        key: None if item is None else DefsKeyStateInfo(
            version=item["version"], create_timestamp=item["create_timestamp"])
        for key, item in state.items()
    })


@op("latestDefsStateInfo", where="loop")
def latest_defs_state_info(call):
    info = defs_state_info(call.plane, call.deployment)
    return None if info is None else serialize_value(info)


@op("defsState.setLatestDefsStateVersion", where="loop")
def set_latest_defs_state_version(call, key, version=None):
    state = call.plane.defs_state.setdefault(call.deployment, {})
    state[key] = None if version is None else {
        "version": version, "create_timestamp": time.time()}
    call.plane.store.put_json("defs_state", call.deployment, state)
    call.plane.hub.touch("defs_state")
    return {"ok": True}
