"""Requests for agents: queues, popping, and what was answered.

Popping is destructive, first in first out per (deployment, queue); at most LIMIT per full
deployment and LIMIT for all branch deployments together come out of one pop. Answers are kept
under the id of their request with a counter, so that "exactly once" can be asserted.
"""

import json
import time
import uuid
from collections import deque

from dagster._serdes import deserialize_value, serialize_value
from dagster_cloud.api.dagster_cloud_api import (
    BatchDagsterCloudUploadApiResponse,
    DagsterCloudApi,
    DagsterCloudApiRequest,
    DagsterCloudUploadApiResponse,
)

LIMIT = 10
LIFETIME = 600.0
TELEMETRY = {
    "__class__", "submitted_to_executor_timestamp", "thread_start_run_timestamp",
    "thread_end_handle_api_request_timestamp",
}


class AgentRequest:
    __slots__ = ("id", "seq", "api", "deployment", "is_branch", "queue", "location", "body",
                 "enqueued", "expires", "pops", "accepted", "rejected", "answers", "answered")

    def __init__(self, id, seq, api, deployment, is_branch, queue, location, body, expires):
        self.id, self.seq, self.api = id, seq, api
        self.deployment, self.is_branch, self.queue = deployment, is_branch, queue
        self.location, self.body, self.expires = location, body, expires
        self.enqueued = time.time()
        self.pops = []
        self.accepted = self.rejected = 0
        self.answers = []
        self.answered = None

    def item(self):
        return {
            "requestId": self.id, "requestApi": self.api, "requestBody": self.body,
            "deploymentName": self.deployment, "isBranchDeployment": self.is_branch,
        }

    def describe(self, full=False):
        shown = {
            "id": self.id, "seq": self.seq, "api": self.api, "deployment": self.deployment,
            "queue": self.queue, "location": self.location, "enqueued": self.enqueued,
            "expires": self.expires, "pops": self.pops, "accepted": self.accepted,
            "rejected": self.rejected, "answered": self.answered,
        }
        if full:
            shown["body"] = self.body
            shown["answers"] = [a.decode() for a in self.answers]
            if self.answers:
                shown["response"] = json.loads(self.answers[0], strict=False)["response"]
        return shown


class Refused(Exception):
    """An answer that cannot be accepted; the text says why."""


def _well_formed(answer):
    """True for the ordinary shapes, without the cost of building the real classes."""
    if answer.get("__class__") != "DagsterCloudUploadApiResponse":
        return False
    response = answer.get("response")
    if type(answer.get("request_api")) is not str or type(response) is not dict:
        return False
    telemetry = response.get("thread_telemetry")
    if telemetry is not None:
        if type(telemetry) is not dict or telemetry.keys() != TELEMETRY:
            return False
        if telemetry["__class__"] != "DagsterCloudApiThreadTelemetry" or not (
                type(telemetry["submitted_to_executor_timestamp"])
                is type(telemetry["thread_start_run_timestamp"])
                is type(telemetry["thread_end_handle_api_request_timestamp"]) is float):
            return False
    kind = response.get("__class__")
    if kind == "DagsterCloudApiSuccess":
        return len(response) <= 2
    if kind == "DagsterCloudApiGrpcResponse":
        return (len(response) <= 3
                and type(response.get("serialized_response_or_error")) is str)
    return False


class Requests:
    def __init__(self, hub, store, problem, keep):
        self.hub, self.store, self.problem, self.keep = hub, store, problem, keep
        self.seq = 0
        self.by_id = {}
        self.queues = {}
        self.duplicates = 0
        self.answered = self.accepted = self.popped = 0
        self._load()

    def _load(self):
        for _, text in self.store.load("request"):
            d = json.loads(text)
            r = AgentRequest(d["id"], d["seq"], d["api"], d["deployment"], d["is_branch"],
                             d["queue"], d["location"], d["body"], d["expires"])
            r.enqueued = d["enqueued"]
            self.by_id[r.id] = r
            self.seq = max(self.seq, r.seq)
        for id, at in self.store.load("popped"):
            if id in self.by_id:
                self.by_id[id].pops.append(float(at))
        for r in self.by_id.values():
            if not r.pops:
                self._line(r).append(r)
        for key, text in self.store.load("answer"):
            r = self.by_id.get(key.rpartition("/")[0])
            if r is not None:
                r.answers.append(text.encode())
                r.accepted += 1
                r.answered = r.answered or r.enqueued

    def _save(self, r):
        self.store.put_json("request", r.id, {
            "id": r.id, "seq": r.seq, "api": r.api, "deployment": r.deployment,
            "is_branch": r.is_branch, "queue": r.queue, "location": r.location, "body": r.body,
            "expires": r.expires, "enqueued": r.enqueued,
        })

    def _line(self, r):
        return self.queues.setdefault((r.deployment, r.queue), deque())

    # --- in ---

    def add(self, api, args, deployment, is_branch=False, queue=None, location=None,
            count=1, lifetime=LIFETIME, body=None, first=False):
        """Enqueue `count` equal requests; `body` replaces the packed text (to send nonsense;
        @ID@ in it becomes the request's id). Returns their ids."""
        expires = time.time() + lifetime
        text = body
        if text is None:
            text = serialize_value(DagsterCloudApiRequest(
                request_id="@ID@", request_api=DagsterCloudApi[api], request_args=args,
                deployment_name=deployment, expire_at=expires, is_branch_deployment=is_branch))
        ids = []
        for _ in range(count):
            id = str(uuid.uuid4())
            self.seq += 1
            r = AgentRequest(id, self.seq, api, deployment, is_branch, queue, location,
                             text.replace("@ID@", id), expires)
            self.by_id[id] = r
            (self._line(r).appendleft if first else self._line(r).append)(r)
            self._save(r)
            ids.append(id)
        self._forget()
        return ids

    def _forget(self):
        """Keep about the newest `keep` requests; only answered ones are forgotten."""
        extra = len(self.by_id) - self.keep
        if extra <= self.keep // 20:
            return
        old = [r for r in self.by_id.values() if r.answered][:extra]
        for r in old:
            del self.by_id[r.id]
            self.store.delete("request", r.id)
            self.store.delete("popped", r.id)
            for n in range(len(r.answers)):
                self.store.delete("answer", f"{r.id}/{n + 1}")

    # --- pop ---

    def pop(self, full, branches, queues, limit=None):
        """Items for one pop: `full` names full deployments, `branches` says whether those of
        branch deployments are wanted, `queues` are the agent's (None is the default one)."""
        limit = LIMIT if limit is None else min(limit, LIMIT)
        queues = list(dict.fromkeys(queues))
        found = []
        for name in dict.fromkeys(full):
            self._take([self.queues.get((name, q)) for q in queues], limit, found, False)
        if branches:
            lines = [line for (_, q), line in self.queues.items() if q in queues]
            self._take(lines, limit, found, True)
        now = time.time()
        at = repr(now)
        for r in found:
            r.pops.append(now)
            self.store.put("popped", r.id, at)
        self.popped += len(found)
        if found and self.duplicates:
            for r in reversed(found[:self.duplicates]):
                self._line(r).appendleft(r)
            self.duplicates = max(0, self.duplicates - len(found))
        if found:
            self.hub.touch("pops")
        return [r.item() for r in found]

    @staticmethod
    def _take(lines, limit, found, is_branch):
        lines = [line for line in lines if line and line[0].is_branch == is_branch]
        taken = 0
        while lines and taken < limit:
            line = min(lines, key=lambda li: li[0].seq) if len(lines) > 1 else lines[0]
            found.append(line.popleft())
            taken += 1
            if not line:
                lines.remove(line)

    def waiting(self):
        return {f"{d}/{q or ''}": len(line) for (d, q), line in self.queues.items() if line}

    def clear(self):
        """Forget all that is queued and not yet popped."""
        for line in self.queues.values():
            for r in line:
                if not r.pops:
                    self.by_id.pop(r.id, None)
                    self.store.delete("request", r.id)
            line.clear()

    # --- out ---

    def answer(self, payload, deployment):
        """One upload's inflated payload: a single answer or a batch. Every accepted one is
        stored; raises Refused if any cannot be, after storing those that can."""
        try:
            value = json.loads(payload, strict=False)
        except ValueError as e:
            raise Refused(f"not JSON: {e}") from None
        if type(value) is not dict:
            raise Refused("not an object")
        if value.get("__class__") != "BatchDagsterCloudUploadApiResponse":
            self._accept(value, payload, deployment)
            return 1
        batch = value.get("batch")
        if type(batch) is not list:
            raise Refused("a batch without a list")
        if set(value) - {"__class__", "batch"}:
            self._decode(payload, BatchDagsterCloudUploadApiResponse)
        refusals = []
        for one in batch:
            try:
                self._accept(one, json.dumps(one).encode(), deployment)
            except Refused as e:
                refusals.append(str(e))
        if refusals:
            raise Refused("; ".join(refusals))
        return len(batch)

    @staticmethod
    def _decode(payload, cls):
        try:
            deserialize_value(payload.decode(), cls)
        except Exception as e:
            raise Refused(f"cannot be decoded as {cls.__name__}: {e}") from None

    def _accept(self, value, payload, deployment):
        if type(value) is not dict or type(value.get("request_id")) is not str:
            raise Refused("an answer without request_id")
        id = value["request_id"]
        r = self.by_id.get(id)
        try:
            if not _well_formed(value):
                self._decode(payload, DagsterCloudUploadApiResponse)
            if r is None:
                raise Refused(f"an answer to a request that was never made: {id}")
            if value["request_api"] != r.api:
                raise Refused(f"{id} asked {r.api}, the answer is to {value['request_api']}")
            if deployment != r.deployment:
                raise Refused(f"{id} is of deployment {r.deployment}, not of {deployment}")
            if not r.pops:
                raise Refused(f"{id} was never popped")
        except Refused as e:
            if r is not None:
                r.rejected += 1
            self.problem("violation", f"answer rejected: {e}", request_id=id)
            raise
        r.accepted += 1
        r.answers.append(payload)
        self.accepted += 1
        if r.answered is None:
            r.answered = time.time()
            self.answered += 1
        self.store.put("answer", f"{id}/{r.accepted}", payload)
        waiters = self.hub.waiters
        if waiters:
            self.hub.touch(("answer", id))
            self.hub.touch("answers")

    def stats(self, since=0, api=None):
        """Counts and times (ms, enqueue to answer and pop to answer) of requests after seq."""
        chosen = [r for r in self.by_id.values()
                  if r.seq > since and (api is None or r.api == api)]
        whole = sorted((r.answered - r.enqueued) * 1000 for r in chosen if r.answered)
        inner = sorted((r.answered - r.pops[0]) * 1000 for r in chosen if r.answered)
        spans = [r.answered for r in chosen if r.answered]
        return {
            "seq": self.seq, "requests": len(chosen),
            "popped": sum(1 for r in chosen if r.pops), "answered": len(whole),
            "duplicates": sum(1 for r in chosen if r.accepted > 1),
            "rejected": sum(r.rejected for r in chosen), "waiting": self.waiting(),
            "first_pop": min((r.pops[0] for r in chosen if r.pops), default=None),
            "last_answer": max(spans, default=None),
            "enqueue_to_answer_ms": quantiles(whole), "pop_to_answer_ms": quantiles(inner),
        }


def quantiles(values):
    if not values:
        return None
    def at(share):
        return round(values[min(len(values) - 1, int(len(values) * share))], 3)
    return {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0)}
