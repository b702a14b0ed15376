"""How many tiny requests per second devplane itself can take, on one core.

    python ceiling.py HOME [COUNT] [CONNECTIONS]

Enqueues COUNT pings in the devplane that serves HOME, pops them all, uploads an answer for each
over CONNECTIONS connections. Prints what was reached and what devplane's processor time says
is the ceiling (the loader shares the machine; the processor time does not care)."""

import json
import os
import select
import socket
import ssl
import sys
import time
import zlib
from urllib.parse import urlsplit

from devplane.client import Client

POP = """
mutation GetUserCloudRequests($forBranchDeployments: Boolean $forFullDeployments: [String!],
    $agentQueues: [String]) {
  userCloudAgent {
    popUserCloudAgentRequests(forBranchDeployments: $forBranchDeployments,
        forFullDeployments: $forFullDeployments, agentQueues: $agentQueues) {
      requestId requestApi requestBody deploymentName isBranchDeployment
    }
  }
}"""
SUCCESS = {"__class__": "DagsterCloudApiSuccess", "thread_telemetry": {
    "__class__": "DagsterCloudApiThreadTelemetry",
    "submitted_to_executor_timestamp": 1700000000.1,
    "thread_end_handle_api_request_timestamp": 1700000000.3,
    "thread_start_run_timestamp": 1700000000.2}}


def headers(token, *more):
    return [f"Dagster-Cloud-Api-Token: {token}", "Dagster-Cloud-Version: 1.13.27",
            "Python-Version: 3.11.2", "User-Agent: ceiling", "Accept: */*",
            "Accept-Encoding: gzip, deflate", "Host: localhost", *more]


def message(line, fields, body):
    head = "\r\n".join([line, *fields, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


def pop_message(token):
    body = json.dumps({"query": POP, "variables": {
        "forBranchDeployments": False, "forFullDeployments": ["prod"], "agentQueues": [None]}})
    return message("POST /graphql HTTP/1.1", headers(
        token, "Dagster-Cloud-Scope: organization", "Content-Type: application/json"),
        body.encode())


def answer(id):
    return {"__class__": "DagsterCloudUploadApiResponse", "request_api": "PING_LOCATION",
            "request_id": id, "response": SUCCESS}


def upload_message(token, payload, part):
    boundary = "0123456789abcdef0123456789abcdef"
    body = (f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; '
            f'filename="{part}"\r\n\r\n').encode()
    body += zlib.compress(json.dumps(payload).encode()) + f"\r\n--{boundary}--\r\n".encode()
    return message("PUT /upload_api_response HTTP/1.1", headers(
        token, "Dagster-Cloud-Scope: deployment", "Dagster-Cloud-Deployment: prod",
        f"Content-Type: multipart/form-data; boundary={boundary}"), body)


def read_reply(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < size:
        body += sock.recv(65536)
    return head, body


def connect(url):
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname, parts.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    return sock


def processor_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drive(url, messages, connections):
    """Send all messages, one at a time per connection; all must be answered 200."""
    poll = select.epoll()
    socks = [connect(url) for _ in range(connections)]
    by_fd = {}
    todo, done = iter(messages), 0
    for sock in socks:
        one = next(todo, None)
        if one is not None:
            sock.sendall(one)
            by_fd[sock.fileno()] = sock
            poll.register(sock, select.EPOLLIN)
    while by_fd:
        for fd, _ in poll.poll():
            data = by_fd[fd].recv(65536)
            if not data.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"refused: {data[:400]!r}")
            done += 1
            one = next(todo, None)
            if one is None:
                poll.unregister(fd)
                del by_fd[fd]
            else:
                by_fd[fd].sendall(one)
    for sock in socks:
        sock.close()
    return done


def timed(name, pid, count, fn, *args):
    cpu, wall = processor_time(pid), time.monotonic()
    result = fn(*args)
    cpu, wall = processor_time(pid) - cpu, time.monotonic() - wall
    print(f"{name:32} {count / wall:9.0f} per s reached, {cpu / count * 1e6:6.0f} us each:"
          f" ceiling {count / cpu:9.0f} per s and core")
    return result


def pop_all(url, token, count):
    sock, text, ids = connect(url), pop_message(token), []
    while len(ids) < count:
        sock.sendall(text)
        found = json.loads(read_reply(sock)[1])["data"]["userCloudAgent"]
        ids += [r["requestId"] for r in found["popUserCloudAgentRequests"]]
    sock.close()
    return ids


def uploads(token, ids, batch):
    if batch == 1:
        return [upload_message(token, answer(i), "api_response.tmp") for i in ids]
    groups = [ids[i:i + batch] for i in range(0, len(ids), batch)]
    return [upload_message(token, {
        "__class__": "BatchDagsterCloudUploadApiResponse",
        "batch": [answer(i) for i in group]}, "api_response_batch.tmp") for group in groups]


def main():
    home = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    connections = int(sys.argv[3]) if len(sys.argv) > 3 else 8
    plane = Client.of_home(home)
    pid, url, token = plane.info["pid"], plane.url, plane.token
    for batch, name in ((1, "upload_api_response"), (32, "the same in batches of 32")):
        plane.queue_clear()
        plane.request(kind="PING_LOCATION", location="none", count=count)
        ids = timed("pop, ten requests each", pid, count // 10, pop_all, url, token, count)
        messages = uploads(token, ids, batch)
        timed(name, pid, count, drive, url, messages, connections)


if __name__ == "__main__":
    main()
