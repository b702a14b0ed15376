"""The command `devplane`."""

import argparse
import json
import os
import sys
import time

from .client import Client, Failed

DEFAULT_TOKEN = "agent:devplane:token"


def parser():
    p = argparse.ArgumentParser(prog="devplane", description=__doc__)
    p.add_argument("--home", default=os.environ.get("DEVPLANE_HOME", "devplane-home"),
                   help="directory of the devplane (default: $DEVPLANE_HOME or devplane-home)")
    sub = p.add_subparsers(dest="command", required=True)

    s = sub.add_parser("serve", help="run the control plane")
    s.add_argument("--listen", default="127.0.0.1:3070", metavar="HOST:PORT",
                   help="port 0 takes a free one; see devplane.json in the home")
    s.add_argument("--home", default=argparse.SUPPRESS)
    s.add_argument("--deployment", action="append", metavar="NAME",
                   help="a full deployment (default: prod); may be given again")
    s.add_argument("--branch", action="append", metavar="NAME", help="a branch deployment")
    s.add_argument("--token", default=DEFAULT_TOKEN, help="the agent token (%(default)s)")
    s.add_argument("--tls-cert", metavar="FILE")
    s.add_argument("--tls-key", metavar="FILE")
    s.add_argument("--public-url", metavar="URL", help="what agents call it, if not the address")
    s.add_argument("--rtt", type=float, default=0.0, metavar="MS",
                   help="answer everything this much later")
    s.add_argument("--record", type=int, default=50000, metavar="N", help="calls to remember")
    s.add_argument("--bodies", action="store_true", help="remember the bodies of calls, too")
    s.add_argument("--keep", type=int, default=200000, metavar="N", help="requests to remember")
    s.add_argument("--log-level", default="info")

    s = sub.add_parser("location", help="code locations")
    what = s.add_subparsers(dest="what", required=True)
    for name in ("add", "update"):
        c = what.add_parser(name)
        c.add_argument("--deployment")
        c.add_argument("--no-notify", action="store_true",
                       help="do not tell agents to look (CHECK_FOR_WORKSPACE_UPDATES)")
        c.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                       help="a field of the location; the value is JSON or text")
        if name == "add":
            c.add_argument("path", help="a dagster_cloud.yaml")
            c.add_argument("--name", help="only this location of it")
        else:
            c.add_argument("name")
            c.add_argument("--path", help="read it again from this dagster_cloud.yaml")
    c = what.add_parser("remove")
    c.add_argument("name")
    c.add_argument("--deployment")
    c = what.add_parser("list")
    c.add_argument("--json", action="store_true")
    c = what.add_parser("wait", help="until it was uploaded and its code server runs")
    c.add_argument("name")
    c.add_argument("--deployment")
    c.add_argument("--server", default="RUNNING")
    c.add_argument("--wait", type=float, default=120.0)

    s = sub.add_parser("request", help="enqueue a request for an agent")
    s.add_argument("kind")
    s.add_argument("--location")
    s.add_argument("--deployment")
    s.add_argument("--queue")
    s.add_argument("--args", metavar="JSON", help="packed arguments, instead of the flags below")
    for flag in ("job", "sensor", "schedule", "partition", "notebook", "run-id", "repository",
                 "cursor"):
        s.add_argument(f"--{flag}")
    for flag in ("partitions", "assets", "ops", "keys"):
        s.add_argument(f"--{flag}", nargs="+")
    s.add_argument("--run-config", type=json.loads, metavar="JSON")
    s.add_argument("--count", type=int, default=1)
    s.add_argument("--wait", type=float, nargs="?", const=60.0, default=0.0,
                   help="print the answer, read back from the store")

    s = sub.add_parser("run", help="runs")
    what = s.add_subparsers(dest="what", required=True)
    c = what.add_parser("launch")
    c.add_argument("job")
    c.add_argument("--location", required=True)
    c.add_argument("--deployment")
    c.add_argument("--non-isolated", action="store_true")
    c.add_argument("--tags", nargs="+", default=[], metavar="KEY=VALUE")
    c.add_argument("--run-config", type=json.loads, metavar="JSON")
    c.add_argument("--partition")
    c.add_argument("--assets", nargs="+")
    c.add_argument("--ops", nargs="+")
    c.add_argument("--watch", action="store_true", help="watch it until it has finished")
    for name in ("terminate", "watch"):
        c = what.add_parser(name)
        c.add_argument("run_id")
        c.add_argument("--deployment")
        c.add_argument("--wait", type=float, default=600.0 if name == "watch" else 60.0)
    what.add_parser("list").add_argument("--deployment")

    s = sub.add_parser("tick", help="evaluate a sensor or schedule, store the tick")
    s.add_argument("type", choices=("sensor", "schedule"))
    s.add_argument("name")
    s.add_argument("--location", required=True)
    s.add_argument("--deployment")
    s.add_argument("--launch", action="store_true", help="start the runs that it asks for")

    s = sub.add_parser("secret", help="environment secrets")
    what = s.add_subparsers(dest="what", required=True)
    c = what.add_parser("set")
    c.add_argument("name")
    c.add_argument("value")
    c.add_argument("--deployment")
    c.add_argument("--locations", nargs="+", default=[])
    what.add_parser("list")
    what.add_parser("remove").add_argument("name")

    s = sub.add_parser("faults", help="faults on demand")
    what = s.add_subparsers(dest="what", required=True)
    c = what.add_parser("set")
    c.add_argument("kind")
    c.add_argument("settings", nargs="*", metavar="KEY=VALUE",
                   help="match, count, skip, probability, seconds, status, retry_after, ...")
    what.add_parser("clear").add_argument("id", nargs="?")
    what.add_parser("list")

    s = sub.add_parser("rtt", help="answer everything this much later")
    s.add_argument("ms", type=float)

    s = sub.add_parser("calls", help="what was called")
    for flag in ("op", "path", "method", "deployment", "run-id"):
        s.add_argument(f"--{flag}")
    s.add_argument("--status", type=int)
    s.add_argument("--since", type=int, default=0)
    s.add_argument("--limit", type=int, default=100)
    s.add_argument("--json", action="store_true")

    s = sub.add_parser("errors", help="violations, unimplemented operations, failures")
    s.add_argument("--kind", choices=("violation", "unimplemented", "failure"))
    sub.add_parser("heartbeats").add_argument("--json", action="store_true")
    s = sub.add_parser("answers", help="what was answered to a request")
    s.add_argument("request_id")
    s.add_argument("--wait", type=float, default=0.0)
    sub.add_parser("status")
    return p


def main(argv=None):
    options = parser().parse_args(argv)
    if options.command == "serve":
        from .main import serve

        serve(options)
        return 0
    try:
        return COMMANDS[options.command](Client.of_home(options.home), options) or 0
    except (Failed, OSError) as e:
        print(f"devplane: {e}", file=sys.stderr)
        return 1


def show(value):
    print(json.dumps(value, indent=2))


def settings(items):
    found = {}
    for item in items:
        key, _, value = item.partition("=")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def given(options, *names):
    """The options of these names that were given, as keywords."""
    return {n: getattr(options, n) for n in names if getattr(options, n, None) is not None}


def location(plane, o):
    if o.what == "add":
        show(plane.location_add(path=os.path.abspath(o.path), fields=settings(o.set),
                                notify=not o.no_notify, **given(o, "deployment", "name")))
    elif o.what == "update":
        path = {"path": os.path.abspath(o.path)} if o.path else {}
        show(plane.location_update(name=o.name, fields=settings(o.set), notify=not o.no_notify,
                                   **path, **given(o, "deployment")))
    elif o.what == "remove":
        show(plane.location_remove(name=o.name, **given(o, "deployment")))
    elif o.what == "wait":
        show(plane.location_wait(name=o.name, server=o.server, wait=o.wait,
                                 **given(o, "deployment")))
    else:
        found = plane.location_list()["locations"]
        if o.json:
            show(found)
            return
        for one in found:
            state = "error" if one["error"] else "outdated" if one["outdated"] else "loaded"
            print(f"{one['deployment']}\t{one['name']}\t{state}\t{one['server'] or '-'}\t"
                  f"{','.join(one['repositories'])}")


def request(plane, o):
    want = given(o, "location", "deployment", "queue", "job", "sensor", "schedule", "partition",
                 "notebook", "run_id", "repository", "cursor", "partitions", "assets", "ops",
                 "keys", "run_config")
    if o.args:
        want["args"] = json.loads(o.args)
    result = plane.request(kind=o.kind, count=o.count, wait=o.wait, **want)
    if not o.wait:
        show(result)
        return 0
    answer = result["answer"]
    show({key: answer[key] for key in ("id", "api", "accepted", "response", "value")})
    return 0 if answer["response"]["__class__"] in (
        "DagsterCloudApiSuccess", "DagsterCloudApiGrpcResponse") else 2


def watch(plane, run_id, deployment, wait):
    """Print events as they come; exit code 0 for SUCCESS, 2 otherwise, 3 when time is up."""
    more = {"deployment": deployment} if deployment else {}
    cursor, end, shown_status = None, time.monotonic() + wait, None
    while True:
        left = end - time.monotonic()
        run = plane.run(run_id=run_id, cursor=cursor, until="events", wait=max(0, min(left, 30)),
                        **more)
        for e in run["events"]:
            at = time.strftime("%H:%M:%S", time.localtime(e["time"]))
            print(f"{at} {e['type'] or 'LOG'} {e['step'] or ''} {e['message'] or ''}".rstrip())
        cursor = run["cursor"]
        if run["finished"] and not run["events"]:
            print(f"-- {run['status']}")
            return 0 if run["status"] == "SUCCESS" else 2
        if run["status"] != shown_status and not run["finished"]:
            shown_status = run["status"]
            print(f"-- {shown_status}", flush=True)
        if left <= 0:
            return 3


def run(plane, o):
    if o.what == "launch":
        want = given(o, "deployment", "run_config", "partition", "assets", "ops")
        if o.non_isolated:
            want["isolated"] = False
        tags = dict(t.partition("=")[::2] for t in o.tags)
        launched = plane.run_launch(job=o.job, location=o.location, tags=tags, **want)
        if not o.watch:
            show(launched)
            return 0
        print(f"run {launched['run_id']}, request {launched['request_id']}")
        return watch(plane, launched["run_id"], o.deployment, 600.0)
    if o.what == "watch":
        return watch(plane, o.run_id, o.deployment, o.wait)
    if o.what == "terminate":
        show(plane.run_terminate(run_id=o.run_id, wait=o.wait, **given(o, "deployment")))
    else:
        for one in plane.runs(**given(o, "deployment"))["runs"]:
            print(f"{one['run_id']}\t{one['status']}\t{one['job']}")
    return 0


def tick(plane, o):
    result = plane.tick(type=o.type, name=o.name, location=o.location, launch=o.launch,
                        **given(o, "deployment"))
    show(result)
    return 2 if result["status"] == "FAILURE" else 0


def secret(plane, o):
    if o.what == "set":
        show(plane.secret_set(name=o.name, value=o.value, locations=o.locations,
                              **given(o, "deployment")))
    elif o.what == "remove":
        show(plane.secret_remove(name=o.name))
    else:
        show(plane.secret_list())


def faults(plane, o):
    if o.what == "set":
        show(plane.fault_set(kind=o.kind, **settings(o.settings)))
    elif o.what == "clear":
        show(plane.fault_clear(**given(o, "id")))
    else:
        show(plane.fault_list())


def calls(plane, o):
    found = plane.calls(**given(o, "op", "path", "method", "deployment", "run_id", "status",
                                "since", "limit"))["calls"]
    if o.json:
        show(found)
        return
    for c in found:
        at = time.strftime("%H:%M:%S", time.localtime(c["time"]))
        print(f"{c['seq']}\t{at}\t{c['seconds'] * 1000:.1f} ms\t{c['status']}\t{c['method']}\t"
              f"{','.join(c['operations'])}\t{c['deployment'] or '-'}\t{c['fault'] or ''}")


def heartbeats(plane, o):
    found = plane.heartbeats()
    if o.json:
        show(found)
        return
    for one in found["heartbeats"]:
        h = one["heartbeat"]
        servers = ", ".join(f"{s['location_name']} {s['server_status']['__enum__']}"
                            for s in h["code_server_heartbeats"])
        print(f"{one['deployment']}\t{h['agent_id']}\t{h['agent_label'] or '-'}\t{servers}")


COMMANDS = {
    "location": location, "request": request, "run": run, "tick": tick, "secret": secret,
    "faults": faults, "calls": calls, "heartbeats": heartbeats,
    "rtt": lambda plane, o: show(plane.rtt(ms=o.ms)),
    "errors": lambda plane, o: show(plane.problems(**given(o, "kind"))["problems"]),
    "answers": lambda plane, o: show(plane.answer(id=o.request_id, wait=o.wait)),
    "status": lambda plane, o: show(plane.status()),
}
