"""What was called, by whom, how it ended; violations of the protocol; and waiting for changes."""

import asyncio
import base64
import logging
import threading
import time
from collections import Counter, deque
from fnmatch import fnmatchcase

log = logging.getLogger("devplane")

TOKEN = b"dagster-cloud-api-token"


class Hub:
    """Wakes those who wait for a topic to change. touch() may be called from any thread."""

    def __init__(self):
        self.waiters = {}
        self.loop = None
        self.thread = None

    def attach(self, loop):
        self.loop, self.thread = loop, threading.get_ident()

    def touch(self, topic):
        if self.loop is None:
            return
        if threading.get_ident() == self.thread:
            self._wake(topic)
        else:
            self.loop.call_soon_threadsafe(self._wake, topic)

    def _wake(self, topic):
        for future in self.waiters.pop(topic, ()):
            if not future.done():
                future.set_result(None)

    async def until(self, topics, look, timeout, pause=0.0):
        """Call look() now and after each change; its first truthy value, else the last one.
        A costly look() is called at most once per `pause` seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while True:
            value = look()
            if value or loop.time() >= end:
                return value
            future = loop.create_future()
            for topic in topics:
                self.waiters.setdefault(topic, []).append(future)
            try:
                await asyncio.wait_for(future, end - loop.time())
                if pause:
                    await asyncio.sleep(pause)
            except asyncio.TimeoutError:
                pass


class Record:
    """Every call, in order, the newest `limit` of them, and counters over all of them."""

    def __init__(self, hub, limit, bodies=False):
        self.hub, self.bodies = hub, bodies
        self.calls = deque(maxlen=limit)
        self.problems = deque(maxlen=limit)
        self.counts = Counter()
        self.seq = 0
        self.bytes_in = 0

    def call(self, request, operations, status, variables, fault, detail=None):
        self.seq += 1
        now = time.time()
        self.calls.append((self.seq, request.started, now - request.started, request.method,
                           request.path, request.query_string, operations, status,
                           request.headers, variables, fault, len(request.body), detail,
                           request.body if self.bodies else None))
        self.counts[operations] += 1
        self.bytes_in += len(request.body)
        if "calls" in self.hub.waiters:
            self.hub.touch("calls")

    def problem(self, kind, text, **where):
        """kind: "violation" (the client broke the protocol), "unimplemented", "failure"."""
        log.warning("%s: %s %s", kind, text, where or "")
        self.problems.append({"kind": kind, "time": time.time(), "text": text, **where})
        self.hub.touch("problems")

    def select(self, op=None, path=None, method=None, status=None, deployment=None, since=0,
               run_id=None, limit=None):
        found = []
        for item in reversed(self.calls):
            if item[0] <= since:
                break
            call = describe(item)
            if op and not any(fnmatchcase(name, op) for name in call["operations"]):
                continue
            if path and not fnmatchcase(call["path"], path):
                continue
            if method and call["method"] != method:
                continue
            if status and call["status"] != int(status):
                continue
            if deployment and call["deployment"] != deployment:
                continue
            if run_id and run_id not in str(call["variables"]):
                continue
            found.append(call)
            if limit and len(found) >= limit:
                break
        found.reverse()
        return found

    def clear(self):
        self.calls.clear()
        self.problems.clear()
        self.counts.clear()


def describe(item):
    (seq, started, took, method, path, query, operations, status, headers, variables, fault,
     size, detail, body) = item
    plain = {k.decode("latin-1"): v.decode("latin-1") for k, v in headers.items() if k != TOKEN}
    return {
        "seq": seq, "time": started, "seconds": round(took, 6), "method": method, "path": path,
        "query": query.decode("latin-1"), "operations": list(operations), "status": status,
        "scope": plain.get("dagster-cloud-scope"),
        "deployment": plain.get("dagster-cloud-deployment"), "headers": plain,
        "variables": variables, "fault": fault, "size": size, "detail": detail,
        "body": base64.b64encode(body).decode() if body else None,
    }
