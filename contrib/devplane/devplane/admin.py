"""The JSON admin API: POST /devplane/VERB with a JSON object, a JSON object comes back.

The verbs are the functions below, their parameters are the object's keys. Where a verb takes
`wait` (seconds), it answers as soon as what it waits for is there, at the latest after that
time. Open to loopback and the local socket; others need the header X-Devplane-Admin.
"""

import asyncio
import ipaddress
import json
import logging
import os
import time

from dagster._serdes import unpack_value

from . import faults as fault
from . import kinds
from .bad import Bad
from .runs import Runs
from .server import json_reply
from .workspace import BadLocation, read_cloud_yaml

log = logging.getLogger("devplane")

VERBS = {}


def verb(fn):
    VERBS[fn.__name__] = fn
    return fn


class Admin:
    def __init__(self, plane):
        self.plane = plane
        self.runs = Runs(plane)
        self.started = time.time()

    def serve(self, request):
        return self._serve(request)

    async def _serve(self, request):
        if request.peer is not None:
            given = request.headers.get(b"x-devplane-admin", b"").decode()
            if not (ipaddress.ip_address(request.peer[0]).is_loopback
                    or given == self.plane.admin_token):
                return json_reply({"error": "not allowed"}, 403)
        name = request.path.rpartition("/")[2]
        fn = VERBS.get(name)
        if fn is None:
            return json_reply({"error": f"no verb {name}; verbs: {', '.join(sorted(VERBS))}"},
                              404)
        try:
            given = json.loads(request.body) if request.body else {}
            result = fn(self, **given)
            if asyncio.iscoroutine(result):
                result = await result
            return json_reply(result)
        except (Bad, BadLocation, fault.BadFault) as e:
            return json_reply({"error": str(e)}, getattr(e, "status", 400))
        except (TypeError, ValueError, KeyError) as e:
            log.exception("admin %s", name)
            return json_reply({"error": f"{name}: {type(e).__name__}: {e}"}, 400)
        except Exception as e:
            log.exception("admin %s", name)
            return json_reply({"error": f"{name}: {type(e).__name__}: {e}"}, 500)

    def deployment(self, name):
        name = name or self.plane.full[0]
        if not self.plane.known(name):
            raise Bad(f"there is no deployment {name}")
        return name


@verb
def status(admin):
    """What is served, since when, how much."""
    plane = admin.plane
    return {
        "pid": os.getpid(), "home": plane.home, "url": plane.base_url, "started": admin.started,
        "deployments": plane.full, "branches": plane.branches,
        "calls": plane.record.seq, "counts": {
            ",".join(names): n for names, n in plane.record.counts.most_common()},
        "bytes_in": plane.record.bytes_in, "connections": len(plane.server.connections),
        "requests": len(plane.requests.by_id), "waiting": plane.requests.waiting(),
        "popped": plane.requests.popped, "answered": plane.requests.answered,
        "accepted": plane.requests.accepted, "problems": len(plane.record.problems),
        "faults": plane.faults.list(), "rtt_ms": plane.rtt * 1000,
        "dagster_homes": {d: plane.instances.path(d) for d in plane.full + plane.branches},
    }


# --- locations ---------------------------------------------------------------------------------


def _check_for_updates(admin, deployment, queue):
    return admin.plane.requests.add(
        "CHECK_FOR_WORKSPACE_UPDATES", None, deployment, admin.plane.is_branch(deployment),
        queue)[0]


@verb
def location_add(admin, path=None, deployment=None, name=None, fields=None, notify=True):
    """Add the locations of a dagster_cloud.yaml (or only `name` of it), or one from `fields`.
    They are outdated; agents are told (notify) to look and upload."""
    deployment = admin.deployment(deployment)
    if path is not None:
        entries = read_cloud_yaml(path)
        if name is not None:
            if name not in entries:
                raise Bad(f"{path} has no location {name}")
            entries = {name: entries[name]}
        entries = {n: {**e, **(fields or {})} for n, e in entries.items()}
    elif name is not None and fields is not None:
        entries = {name: fields}
    else:
        raise Bad("give `path`, or `name` and `fields`")
    added = [admin.plane.workspace.put(deployment, n, e) for n, e in entries.items()]
    checks = []
    if notify:
        checks = [_check_for_updates(admin, deployment, q)
                  for q in dict.fromkeys(location.queue for location in added)]
    return {"locations": [location.describe() for location in added], "requests": checks}


@verb
def location_update(admin, name, deployment=None, path=None, fields=None, replace=False,
                    notify=True):
    """New metadata for a location: a newer timestamp, outdated. With `fields` these are
    changed (with `replace`: all others dropped), with `path` it is read again."""
    deployment = admin.deployment(deployment)
    location = admin.plane.workspace.get(deployment, name)
    if path is not None:
        new = read_cloud_yaml(path)[name]
    elif replace:
        new = {}
    else:
        new = location.fields
    admin.plane.workspace.put(deployment, name, {**new, **(fields or {})})
    checks = [_check_for_updates(admin, deployment, location.queue)] if notify else []
    return {"location": location.describe(), "requests": checks}


@verb
def location_remove(admin, name, deployment=None):
    deployment = admin.deployment(deployment)
    admin.plane.workspace.get(deployment, name)
    admin.plane.workspace.remove(deployment, name)
    return {"removed": name}


@verb
def location_list(admin, deployment=None, full=False):
    found = [location for (d, _), location in admin.plane.workspace.locations.items()
             if deployment in (None, d)]
    shown = []
    for location in found:
        one = location.describe(full)
        one["server"] = admin.plane.agents.server_status(location.deployment, location.name)
        shown.append(one)
    return {"locations": shown}


@verb
async def location_wait(admin, name, deployment=None, loads=1, server=None, wait=60.0):
    """Wait until a location was uploaded (well or as an error) `loads` times, and (server) its
    code server has that status (STARTING, RUNNING, FAILED) in the newest heartbeat."""
    deployment = admin.deployment(deployment)
    plane = admin.plane

    def look():
        location = plane.workspace.locations.get((deployment, name))
        if location is None or location.loads < loads:
            return None
        status = plane.agents.server_status(deployment, name)
        if server is not None and status != server:
            return None
        return {**location.describe(True), "server": status}

    found = await plane.hub.until(["locations", "heartbeats"], look, wait)
    if not found:
        location = plane.workspace.get(deployment, name)
        raise Bad(f"location {name}: loads {location.loads}, server "
                  f"{plane.agents.server_status(deployment, name)} after {wait:g} s", 504)
    return found


# --- requests ----------------------------------------------------------------------------------


@verb
async def request(admin, kind, location=None, deployment=None, queue=None, args=None, body=None,
                  count=1, lifetime=600.0, first=False, wait=0.0, **want):
    """Enqueue a request. Its arguments come from names (kinds.py), from packed JSON `args`, or
    the whole packed text is given as `body` (@ID@ in it becomes the id)."""
    deployment = admin.deployment(deployment)
    plane = admin.plane
    packed = None
    if body is None:
        if args is not None:
            packed = unpack_value(args)
        else:
            packed = await plane.run_in(
                "read", kinds.build, plane, deployment, location, kind, want)
    ids = admin.runs.enqueue(deployment, location, kind, packed, queue, count=count,
                             lifetime=lifetime, body=body, first=first)
    result = {"id": ids[0], "ids": ids, "seq": plane.requests.seq}
    if wait:
        result["answer"] = await answer(admin, ids[0], wait)
    return result


@verb
async def answer(admin, id, wait=0.0, accepted=1):
    """A request and what was answered, read from the store of answers."""
    one = admin.plane.requests.by_id.get(id)
    if one is None:
        raise Bad(f"no request {id}", 404)
    await admin.plane.hub.until(
        [("answer", id)], lambda: one.accepted >= accepted, wait)
    if wait and one.accepted < accepted:
        raise Bad(f"{one.api} {id} has {one.accepted} answers after {wait:g} s"
                  f" (popped {len(one.pops)} times)", 504)
    shown = one.describe(True)
    if "response" in shown:
        shown["value"] = _inner(shown["response"])
    return shown


def _inner(response):
    """The code server's own answer: parsed if it is JSON, else the text."""
    text = response.get("serialized_response_or_error")
    if text is None:
        return None
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return text


@verb
async def answers(admin, ids, wait=0.0, full=False):
    """Many requests at once; waits until all are answered."""
    by_id = admin.plane.requests.by_id
    await admin.plane.hub.until(
        ["answers"], lambda: all(by_id[i].accepted for i in ids), wait, pause=0.01)
    return {"answers": [by_id[i].describe(full) for i in ids]}


@verb
def requests(admin, since=0, api=None, unanswered=False, limit=1000):
    """Requests (without bodies) after a sequence number."""
    found = [r for r in admin.plane.requests.by_id.values() if r.seq > since
             and api in (None, r.api) and not (unanswered and r.answered)]
    return {"requests": [r.describe() for r in found[:limit]], "total": len(found)}


@verb
async def stats(admin, since=0, api=None, answered=None, wait=0.0):
    """Counts and times of requests after a sequence number; waits until `answered` are."""
    plane = admin.plane
    if answered is not None:
        base = plane.requests
        await plane.hub.until(["answers"], lambda: _answered_since(base, since, answered), wait,
                             pause=0.05)
    return plane.requests.stats(since, api)


def _answered_since(base, since, count):
    if base.answered < count:
        return False
    return sum(1 for r in base.by_id.values() if r.seq > since and r.answered) >= count


@verb
def queue_clear(admin):
    """Forget everything that is queued and was not popped."""
    admin.plane.requests.clear()
    return {}


@verb
async def feed(admin, kind, location=None, deployment=None, rate=None, depth=None, seconds=None,
               total=None, queue=None, **want):
    """A steady load from inside: `rate` requests per second, or keep `depth` in the queue;
    until `seconds` or `total`. Answers when the last one is enqueued."""
    deployment = admin.deployment(deployment)
    plane = admin.plane
    args = await plane.run_in("read", kinds.build, plane, deployment, location, kind, want)
    loop = asyncio.get_running_loop()
    since, begin, sent = plane.requests.seq, loop.time(), 0
    while (seconds is None or loop.time() - begin < seconds) and (
            total is None or sent < total):
        if rate is not None:
            more = int((loop.time() - begin) * rate) + 1 - sent
        else:
            more = depth - sum(len(line) for line in plane.requests.queues.values())
        if total is not None:
            more = min(more, total - sent)
        if more > 0:
            admin.runs.enqueue(deployment, location, kind, args, queue, count=more)
            sent += more
        await asyncio.sleep(0.002 if rate is None or rate > 100 else 0.2 / rate)
    return {"since": since, "sent": sent, "seconds": loop.time() - begin}


# --- runs and ticks ----------------------------------------------------------------------------


@verb
async def run_launch(admin, job, location, deployment=None, timeout=60.0, wait=0.0,
                     enqueue=True, **want):
    """Create a run and hand it to an agent; `isolated=False`, `tags`, `run_config`,
    `partition`, `assets`, `ops`, `run_id`. With `wait`: until it has finished. Without
    `enqueue` it is only created: request(kind="LAUNCH_RUN", run_id=...) hands it out."""
    deployment = admin.deployment(deployment)
    launched = await admin.runs.launch(
        deployment, location, {**want, "job": job}, timeout, enqueue)
    if wait:
        launched["run"] = await run(admin, launched["run_id"], deployment, wait=wait)
    return launched


@verb
async def run_terminate(admin, run_id, deployment=None, wait=0.0):
    deployment = admin.deployment(deployment)
    result = await admin.runs.terminate(deployment, run_id)
    if wait:
        result["answer"] = await answer(admin, result["request_id"], wait)
    return result


@verb
async def run(admin, run_id, deployment=None, cursor=None, wait=0.0, until="finished"):
    """A run with its events (after cursor). Waits until it has finished, until it has the
    status `until`, or (until="events") until there are events after the cursor."""
    deployment = admin.deployment(deployment)
    plane = admin.plane
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while True:
        seen = plane.hub.loop.create_future()
        plane.hub.waiters.setdefault("runs", []).append(seen)
        shown = await plane.run_in("read", admin.runs.look, deployment, run_id, cursor)
        reached = (shown["finished"] or shown["status"] == until
                   or (until == "events" and shown["events"]))
        if reached or loop.time() >= end:
            shown["reached"] = bool(reached)
            return shown
        try:
            await asyncio.wait_for(seen, end - loop.time())
        except asyncio.TimeoutError:
            pass


@verb
async def runs(admin, deployment=None, limit=100):
    deployment = admin.deployment(deployment)
    instance = admin.plane.instances.get(deployment)
    found = await admin.plane.run_in("read", lambda: instance.get_runs(limit=limit))
    return {"runs": [{"run_id": r.run_id, "job": r.job_name, "status": r.status.value,
                      "tags": dict(r.tags)} for r in found]}


@verb
async def tick(admin, type, name, location, deployment=None, launch=False, timeout=60.0, **want):
    """Evaluate a sensor or schedule now and store the tick."""
    if type not in ("sensor", "schedule"):
        raise Bad("type is sensor or schedule")
    return await admin.runs.tick(
        admin.deployment(deployment), location, type, name, want, launch, timeout)


# --- secrets and component state ---------------------------------------------------------------


@verb
def secret_set(admin, name, value, deployment=None, locations=()):
    """An environment secret, of one deployment or (None) of all, of some locations or all."""
    key = f"{deployment or ''}:{','.join(locations)}/{name}"
    admin.plane.secrets[key] = {
        "value": value, "deployment": deployment, "locations": list(locations)}
    admin.plane.store.put_json("secret", key, admin.plane.secrets[key])
    return {"name": name}


@verb
def secret_list(admin):
    return {"secrets": [{"name": key.partition("/")[2], "deployment": s["deployment"],
                         "locations": s["locations"]}
                        for key, s in admin.plane.secrets.items()]}


@verb
def secret_remove(admin, name):
    for key in [k for k in admin.plane.secrets if k.partition("/")[2] == name]:
        del admin.plane.secrets[key]
        admin.plane.store.delete("secret", key)
    return {}


@verb
def defs_state(admin, deployment=None):
    """Versions of component state that were set by setLatestDefsStateVersion."""
    return {"state": admin.plane.defs_state.get(admin.deployment(deployment), {})}


# --- faults ------------------------------------------------------------------------------------


@verb
async def fault_set(admin, **given):
    """Set a fault (faults.py says which). `refuse` acts at once, for `seconds`."""
    if given.get("kind") == "refuse":
        await admin.plane.server.refuse(given.get("seconds"))
        return {"fault": given}
    return {"fault": admin.plane.faults.add(given)}


@verb
async def fault_clear(admin, id=None):
    admin.plane.faults.clear(id)
    await admin.plane.server.accept()
    return {}


@verb
def fault_list(admin):
    return {"faults": admin.plane.faults.list(), "kinds": fault.KINDS,
            "listening": admin.plane.server.listener is not None}


@verb
def rtt(admin, ms):
    """A constant time before every answer (admin calls apart)."""
    admin.plane.rtt = ms / 1000.0
    return {"rtt_ms": ms}


# --- what happened -----------------------------------------------------------------------------


@verb
async def calls(admin, op=None, path=None, method=None, status=None, deployment=None, since=0,
                run_id=None, limit=None, count=None, wait=0.0):
    """Recorded calls, oldest first; waits until there are `count` of them."""
    record = admin.plane.record

    def look():
        return record.select(op, path, method, status, deployment, since, run_id, limit)

    if count is not None:
        await admin.plane.hub.until(["calls"], lambda: len(look()) >= count, wait, pause=0.02)
    return {"calls": look(), "seq": record.seq}


@verb
def problems(admin, kind=None):
    """Violations of the protocol, unimplemented operations, failures of devplane itself."""
    return {"problems": [p for p in admin.plane.record.problems if kind in (None, p["kind"])]}


@verb
def record_clear(admin):
    admin.plane.record.clear()
    return {"seq": admin.plane.record.seq}


@verb
async def heartbeats(admin, since=0.0, count=None, wait=0.0, history=False, deployment=None):
    """The newest heartbeat per (agent, deployment), or all of them (history)."""
    agents = admin.plane.agents

    def look():
        found = agents.history if history or count is not None else agents.newest.values()
        return [h for h in found if h["received"] > since
                and deployment in (None, h["deployment"])]

    if count is not None:
        await admin.plane.hub.until(["heartbeats"], lambda: len(look()) >= count, wait)
    return {"heartbeats": look(), "errors": agents.errors}


@verb
def snapshot(admin, sha1):
    """The text of an uploaded snapshot."""
    if not admin.plane.snapshots.has(sha1):
        raise Bad(f"no snapshot {sha1}", 404)
    return {"text": admin.plane.snapshots.read(sha1)}
