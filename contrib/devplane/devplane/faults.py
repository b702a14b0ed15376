"""Faults on demand: which calls they hit, how often, and what they do.

A fault is a plain dict:
  kind         one of KINDS
  match        a pattern (fnmatch) on the operation ("userCloudAgent.popUserCloudAgentRequests",
               "upload_api_response", ...), the document's name ("GetUserCloudRequests") or the
               path ("/graphql"); default "*"
  deployment   only calls of this deployment
  skip         leave the first N matching calls alone
  count        hit N calls, then be gone (absent: until cleared)
  probability  hit only this share of the matching calls
and what the kind needs: seconds, status, retry_after, body, share, message, timeout,
retry_interval, duplicates, process.
"""

import base64
import random
from fnmatch import fnmatchcase

from .server import Reply, json_reply

KINDS = {
    "refuse": "close the listener and all connections for `seconds`",
    "reset": "TCP reset instead of an answer (`process`: after having served it)",
    "delay": "answer `seconds` late",
    "blackhole": "never answer, keep the connection open (`process`: serve it all the same)",
    "status": "answer `status` with `body`, `retry_after` as header (503, 429, 401, 413 ...)",
    "maintenance": "answer a maintenance object {message, timeout, retry_interval}",
    "errors": "answer a GraphQL `errors` object with `message`",
    "lost": "serve it, then close the connection without an answer",
    "cut": "serve it, send `share` of the answer's body, close",
    "duplicate": "serve the pop, deliver its first `duplicates` requests once more later",
    "garbage": "answer with `body` (text, or `base64`) instead of serving it",
}


class BadFault(Exception):
    pass


class Faults:
    def __init__(self, seed=0):
        self.faults = {}
        self.next_id = 1
        self.random = random.Random(seed)

    def add(self, fault):
        if fault.get("kind") not in KINDS:
            raise BadFault(f"kind must be one of {', '.join(KINDS)}")
        id = str(self.next_id)
        self.next_id += 1
        self.faults[id] = {"match": "*", "skip": 0, "count": None, "probability": 1.0,
                           **fault, "id": id, "seen": 0, "hit": 0}
        return self.faults[id]

    def clear(self, id=None):
        if id is None:
            self.faults.clear()
        else:
            self.faults.pop(id, None)

    def list(self):
        return list(self.faults.values())

    def find(self, names, deployment):
        """The fault that hits this call, or None. Counts it."""
        for fault in self.faults.values():
            if not any(fnmatchcase(name, fault["match"]) for name in names):
                continue
            if fault.get("deployment") not in (None, deployment):
                continue
            fault["seen"] += 1
            if fault["seen"] <= fault["skip"]:
                continue
            if fault["count"] is not None and fault["hit"] >= fault["count"]:
                continue
            if fault["probability"] < 1.0 and self.random.random() >= fault["probability"]:
                continue
            fault["hit"] += 1
            return fault
        return None


def serves(fault):
    """Is the call served although the fault hits it?"""
    kind = fault["kind"]
    return kind in ("delay", "lost", "cut", "duplicate") or bool(fault.get("process"))


def instead(fault):
    """The reply of a fault that does not serve the call."""
    kind = fault["kind"]
    if kind == "status":
        headers = []
        if fault.get("retry_after") is not None:
            headers.append((b"Retry-After", str(fault["retry_after"]).encode()))
        return Reply(int(fault.get("status", 503)), _body(fault), b"text/plain", headers)
    if kind == "maintenance":
        return json_reply({"maintenance": {
            "message": fault.get("message", "devplane is under maintenance"),
            "timeout": fault.get("timeout", 3600),
            "retry_interval": fault.get("retry_interval", 1),
        }}, int(fault.get("status", 200)))
    if kind == "errors":
        return json_reply({"errors": [{"message": fault.get("message", "a fault")}]},
                          int(fault.get("status", 200)))
    if kind == "garbage":
        return Reply(int(fault.get("status", 200)), _body(fault))
    return Reply(how={"reset": "reset", "blackhole": "silence", "refuse": "reset"}[kind])


def after(fault, reply):
    """The reply of a call that was served although a fault hit it."""
    kind = fault["kind"]
    if kind == "delay":
        reply.delay = float(fault.get("seconds", 1.0))
    elif kind == "lost":
        reply.how = "close"
    elif kind == "reset":
        reply.how = "reset"
    elif kind == "blackhole":
        reply.how = "silence"
    elif kind == "cut":
        reply.how, reply.share = "cut", float(fault.get("share", 0.5))
    elif kind in ("status", "garbage", "errors", "maintenance"):
        return instead(fault)
    return reply


def _body(fault):
    if "base64" in fault:
        return base64.b64decode(fault["base64"])
    return str(fault.get("body", "")).encode()
