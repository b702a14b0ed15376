"""A client that speaks to devplane as an agent does, by hand: for tests of devplane itself."""

import http.client
import json
import ssl
import zlib
from urllib.parse import urlsplit

POP = """
mutation GetUserCloudRequests($forBranchDeployments: Boolean, $forFullDeployments: [String!],
    $agentQueues: [String]) {
  userCloudAgent {
    popUserCloudAgentRequests(forBranchDeployments: $forBranchDeployments,
        forFullDeployments: $forFullDeployments, agentQueues: $agentQueues) {
      requestId requestApi requestBody deploymentName isBranchDeployment
    }
  }
}"""
WORKSPACE = """
query WorkspaceEntries($deploymentNames: [String!]!, $includeAllServerlessDeployments: Boolean!,
    $agentQueues: [String]) {
  deployments(deploymentNames: $deploymentNames,
      includeAllServerlessDeployments: $includeAllServerlessDeployments) {
    deploymentName isBranchDeployment
    workspaceEntries(agentQueues: $agentQueues) {
      locationName serializedDeploymentMetadata hasOutdatedData hasLoadError metadataTimestamp
    }
  }
}"""
HEARTBEAT = """
mutation AddAgentHeartbeats($serializedAgentHeartbeats: [AgentHeartbeatInput!],
    $serializedErrors: [String!]) {
  userCloudAgent {
    addAgentHeartbeats(serializedAgentHeartbeats: $serializedAgentHeartbeats,
        serializedErrors: $serializedErrors) { ok }
  }
}"""


def success(id, api="PING_LOCATION", submitted=1700000000.1):
    return {
        "__class__": "DagsterCloudUploadApiResponse", "request_api": api, "request_id": id,
        "response": {"__class__": "DagsterCloudApiSuccess", "thread_telemetry": {
            "__class__": "DagsterCloudApiThreadTelemetry",
            "submitted_to_executor_timestamp": submitted,
            "thread_end_handle_api_request_timestamp": 1700000000.3,
            "thread_start_run_timestamp": 1700000000.2}}}


class Wire:
    """One connection; `extra` headers go on every call."""

    def __init__(self, plane, timeout=10.0, **extra):
        parts = urlsplit(plane.url)
        self.token = plane.token
        self.extra = extra
        if parts.scheme == "https":
            self.connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout,
                context=ssl._create_unverified_context())
        else:
            self.connection = http.client.HTTPConnection(
                parts.hostname, parts.port, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def raw(self, method, path, body=b"", **headers):
        """(status, body, headers) of a call with exactly these headers."""
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, response.read(), response.headers

    def call(self, method, path, body=b"", deployment=None, **headers):
        scope = {"Dagster-Cloud-Scope": "organization"} if deployment is None else {
            "Dagster-Cloud-Scope": "deployment", "Dagster-Cloud-Deployment": deployment}
        return self.raw(method, path, body, **{
            "Dagster-Cloud-Api-Token": self.token, **scope, **self.extra, **headers})

    def graphql(self, query, deployment=None, headers=(), **variables):
        status, body, _ = self.call(
            "POST", "/graphql", json.dumps({"query": query, "variables": variables}),
            deployment, **{"Content-Type": "application/json", **dict(headers)})
        return status, json.loads(body)

    def pop(self, full=("prod",), branches=False, queues=(None,)):
        _, body = self.graphql(POP, forFullDeployments=list(full),
                               forBranchDeployments=branches, agentQueues=list(queues))
        return body["data"]["userCloudAgent"]["popUserCloudAgentRequests"]

    def multipart(self, method, path, name, content, deployment="prod", **headers):
        boundary = "d4ce0f1a7c5b4a0b9d4ce0f1a7c5b4a0"
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; '
                f'filename="{name}"\r\n\r\n').encode()
        body += content + f"\r\n--{boundary}--\r\n".encode()
        return self.call(method, path, body, deployment, **{
            "Content-Type": f"multipart/form-data; boundary={boundary}", **headers})

    def answer(self, value, deployment="prod", name="api_response.tmp"):
        return self.multipart("PUT", "/upload_api_response", name,
                              zlib.compress(json.dumps(value).encode()), deployment)[:2]
