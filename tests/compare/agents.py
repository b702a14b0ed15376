"""Scenarios of the agent itself: its start, its end, its death, its configuration. Each runs one
kind of agent in a World and returns its figures; which rows show them is in rows.py."""

import os
import signal
import time

import harness
import light
from proxy import Proxy
from world import BEAT, POP, UPLOAD, Asking, Beyond


def restart(w):
    """SIGTERM, started again."""
    agent = w.ready("one", "two")
    before = set(w.servers())
    agent.stop(60)
    agent = w.agent()
    first, _ = w.well("one", 60, begun=agent.begun)
    w.well("two", 60)
    after = set(w.servers())
    time.sleep(10)  # the moment at which it is looked
    return {"first answer": first, "started": len(after - before),
            "idle servers": len(w.servers()) - 2}


def killed(w):
    """SIGKILL with calls under way, and just after ten launches were popped."""
    w.add("light", executable_path=str(light.worker(w.directory)))
    agent = w.ready("work", project="work")
    w.well("light", 90)
    ids = w.nap(w.pick(4, 2), 20)
    w.kill(agent)
    agent = w.agent()
    lost = w.unanswered(ids, 60)
    runs = [w.launch("tiny_job", "light", enqueue=False) for _ in range(10)]
    ids = [w.ask("LAUNCH_RUN", "light", run_id=run)[0] for run in runs]
    w.popped(ids)
    time.sleep(0.02)  # the moment at which it dies
    w.kill(agent)
    w.agent()
    w.within(lambda: all(light.started(w.marks, run) for run in runs), w.pick(40, 20))
    starts = [light.started(w.marks, run) for run in runs]
    return {"lost calls": lost, "lost runs": starts.count(0),
            "runs twice": sum(1 for n in starts if n > 1)}


def stopped(w):
    """SIGTERM when idle and with a call under way."""
    agent = w.ready("work", project="work")
    begun = time.monotonic()
    status = agent.stop(60)
    idle = time.monotonic() - begun
    agent = w.agent()
    w.well("work", 60, job="long_job")
    ids = w.nap(w.pick(20, 5))
    begun = time.monotonic()
    agent.stop(90)
    return {"idle": idle, "exit": abs(status), "busy": time.monotonic() - begun,
            "lost": w.unanswered(ids, 2)}


def stopped_while(w):
    """SIGTERM while a location loads, and while the control plane is silent."""
    agent = w.ready("tiny", COMPARE_IMPORT_SECONDS="40")
    w.add("slow", project="slow")
    harness.until(lambda: w.server_of("slow"), 30, "it loads")
    agent.send(signal.SIGTERM)
    loading = w.ends(agent, 90)
    if agent.running():
        agent.kill()
    w.plane.location_remove(name="slow", deployment=w.kind)
    agent = w.agent()
    w.well("tiny", 60)
    w.plane.fault_set(kind="blackhole")
    agent.send(signal.SIGTERM)
    silent = w.ends(agent, 90)
    w.plane.fault_clear()
    return {"loading": loading, "silent": silent}


# --- the control plane in trouble --------------------------------------------------------------


def refused(w):
    """The control plane refuses connections while three results become ready."""
    w.ready("work", project="work")
    ids = w.nap(10, 3)
    since = w.plane.calls(limit=1)["seq"]
    length = w.pick(60, 45)
    w.plane.fault_set(kind="refuse", seconds=600)
    time.sleep(length)
    back = time.time()
    w.plane.fault_clear()
    first = w.first_pop(since, wait=60)
    return {"lost": w.unanswered(ids, 30),
            "resumed": Beyond(60) if first is None else max(0.0, first - back)}


def silent(w):
    """The control plane says nothing for a while."""
    w.ready("tiny")
    w.plane.fault_set(kind="blackhole")
    time.sleep(w.pick(90, 20))
    since = w.plane.calls(limit=1)["seq"]
    back = time.time()
    w.plane.fault_clear()
    first = w.first_pop(since, wait=90)
    return {"resumed": Beyond(90) if first is None else max(0.0, first - back)}


def down_at_start(w):
    """It is not there when the agent starts."""
    w.add("tiny")
    w.plane.fault_set(kind="refuse", seconds=600)
    agent = w.agent()
    lived = w.ends(agent, w.pick(210, 15))
    w.plane.fault_clear()
    back = time.time()
    first = w.first_pop(wait=30 if agent.running() else 0.1)
    return {"lived": lived, "resumed": Beyond(30) if first is None else first - back}


def refused_at_start(w):
    """It answers 401, or 500, when the agent starts."""
    found = {}
    for status in (401, 500):
        w.plane.fault_set(kind="status", status=status)
        agent = w.agent(name=f"agent-{status}")
        found[f"lived {status}"] = w.ends(agent, 15)
        since = w.plane.calls(limit=1)["seq"]
        w.plane.fault_clear()
        first = w.first_pop(since, wait=45 if agent.running() else 0.1)
        found[f"polls {status}"] = 0 if first is None else 1
        if agent.running():
            agent.kill()
    return found


def upload_refused(w):
    """One upload of an answer is refused."""
    w.ready("tiny")
    found = {}
    for status in (500, 401, 502):
        w.plane.fault_set(kind="status", status=status, match=UPLOAD, count=1)
        ids = w.ask("PING_LOCATION", "tiny")
        found[f"lost {status}"] = w.unanswered(ids, 40)
        w.plane.fault_clear()
    return found


def pop_broken(w):
    """The answer to a pop of ten requests is cut in the middle, or does not come at all."""
    found = {}
    w.add("tiny")
    for kind in ("cut", "lost"):
        ids = w.ask("PING_LOCATION", "tiny", count=10)
        w.plane.fault_set(kind=kind, match=POP, count=1)
        agent = w.agent(name=f"agent-{kind}")
        w.popped(ids)
        found[kind] = w.unanswered(ids, 30)
        w.kill(agent)
        w.plane.fault_clear()
    return found


def hangs(w):
    """One workspace query, one heartbeat takes 15 seconds."""
    w.ready("tiny")
    found = {}
    for name, match in (("workspace", "deployments"), ("heartbeat", BEAT)):
        fault = w.plane.fault_set(kind="delay", match=match, seconds=15, count=1)["fault"]["id"]
        with Asking(w, "tiny") as asking:
            harness.until(lambda: any(f["id"] == fault and f["hit"]
                                      for f in w.plane.fault_list()["faults"]), 90, name)
            time.sleep(16)
        found[name] = asking.worst()
        w.plane.fault_clear()
    return found


def retry_after(w):
    """429 with Retry-After: 8 once, then two resets: how long until it asks again well."""
    w.ready("tiny")
    since = w.plane.calls(limit=1)["seq"]
    w.plane.fault_set(kind="status", status=429, retry_after=8, match=POP, count=1)
    w.plane.fault_set(kind="reset", match=POP, count=2)
    harness.until(lambda: sum(f["hit"] for f in w.plane.fault_list()["faults"]) == 3, 90,
                  "all three hit")
    begun = w.plane.calls(op=POP, since=since, status=429)["calls"][0]
    first = w.first_pop(begun["seq"], wait=90)
    return {"asks again": Beyond(90) if first is None else first - begun["time"]}


# --- what comes with the requests --------------------------------------------------------------


def bad_request(w):
    """One request of a pop cannot be decoded; a launch before it, good ones around it."""
    w.add("light", executable_path=str(light.worker(w.directory)))
    agent = w.agent()
    w.well("light", 90)
    run = w.launch("tiny_job", "light", enqueue=False)
    w.kill(agent)
    ids = w.ask("LAUNCH_RUN", "light", run_id=run)
    ids += w.ask("PING_LOCATION", "light", count=3)
    w.ask("GET_EXTERNAL_PARTITION_NAMES", "light", body=UNKNOWN_ARGUMENTS)
    ids += w.ask("PING_LOCATION", "light", count=4)
    w.agent(name="another")
    lost = w.unanswered(ids, 30)
    w.within(lambda: light.started(w.marks, run) > 3, 10)
    return {"lost": lost, "workers": light.started(w.marks, run)}


UNKNOWN_ARGUMENTS = (
    '{"__class__": "DagsterCloudApiRequest", "request_id": "@ID@", "request_api": {"__enum__":'
    ' "DagsterCloudApi.GET_EXTERNAL_PARTITION_NAMES"}, "request_args": {"__class__":'
    ' "NoSuchArgs", "location_name": "light"}, "deployment_name": "prod", "expire_at":'
    ' 4000000000.0, "is_branch_deployment": false}')


def replicas(w):
    """Two agents on one deployment; one is killed while both have calls, and started again."""
    w.add("work", project="work")
    one = w.agent(name="one")
    other = w.agent(name="other")
    w.well("work", 90, job="long_job")
    for agent in (one, other):
        w.polled(agent)
    harness.until(lambda: len(w.servers()) >= 2, 60, "both have a server")
    servers = len(w.servers())
    ids = w.nap(w.pick(5, 2), 20)
    w.kill(one)
    w.agent(name="one")
    return {"lost": w.unanswered(ids, 60), "servers": servers}


# --- configuration -----------------------------------------------------------------------------


def proxied(w):
    """Only a proxy may be used: calls that came without it."""
    with Proxy() as proxy:
        since = w.plane.calls(limit=1)["seq"]
        w.ready("tiny", config=f"  proxies:\n    http: {proxy.url}\n    https: {proxy.url}")
        run = w.launch("tiny_job", "tiny")
        w.plane.run(run_id=run, deployment=w.kind, wait=60)
        calls = w.plane.calls(since=since)["calls"]
        w.everything_ends()
    direct = [c for c in calls if "via" not in c["headers"]]
    assert len(direct) < len(calls), "nothing went through the proxy"
    return {"direct": len(direct)}


def unverified(w):
    """`verify: false` and a certificate that nobody vouches for: is a location served?"""
    w.add("tiny")
    w.agent(config="  verify: false", REQUESTS_CA_BUNDLE="")
    return {"not served": 0 if w.served_within("tiny", 40) else 1}


def token_option(w):
    """`agent run HOME --agent-token TOKEN`, as it is documented."""
    kind = "python" if w.kind == "python" else "daglet-as-dagster-cloud"
    home = w.directory / "with-token"
    home.mkdir()
    text = harness.DAGSTER_YAML.replace("  agent_token: {token}\n", "")
    (home / "dagster.yaml").write_text(
        text.format(url=w.plane.url).replace("deployment: prod", f"deployment: {w.kind}"))
    argv = [*harness.agent_command(kind, w.directory, home), "--agent-token", w.plane.token]
    w.bench.processes.append(
        harness.Process(argv, w.bench.test_id, f"{home}.log", cwd=home))
    return {"refused": 0 if w.first_pop(wait=20) else 1}


def not_allowed(w):
    """Lines in the log in half a minute about a location that is not in the allow list."""
    agent = w.ready("tiny", more=f"allowed_full_deployment_locations:\n  {w.kind}: [tiny]\n")
    w.add("other")
    time.sleep(3)
    before = lines_about(agent, "other")
    time.sleep(w.pick(30, 12))
    return {"lines": lines_about(agent, "other") - before}


def lines_about(agent, word):
    return sum(1 for line in agent.output(10 ** 7).splitlines() if word in line)


def readiness(w):
    """Is it said to be ready before the first server was even started? Calls take 600 ms."""
    w.add("tiny")
    w.plane.rtt(ms=600)
    said = w.directory / "said"
    said.mkdir()
    w.agent(more="  config:\n    requires_healthcheck: true\n",
            DAGSTER_CLOUD_AGENT_SENTINEL_DIR=str(said))
    ready = said / "finished_initial_reconciliation_sentinel.txt"
    harness.until(ready.exists, 90, "it says that it is ready", step=0.005)
    return {"too early": 0 if w.server_of("tiny") else 1}


def leftovers(w):
    """Files and sockets that a few deploys of one location leave, once the old servers have
    ended; its server is killed before each."""
    agent = w.ready("tiny", RUNTIME_DIRECTORY=str(w.temp))
    w.well("tiny", 60)
    before = sum(1 for _ in w.temp.rglob("*"))
    for _ in range(w.pick(5, 2)):
        os.kill(w.server_of("tiny"), signal.SIGKILL)
        w.update("tiny")
    w.within(lambda: len(w.servers()) == 1, 120)
    assert agent.running()
    return {"files": max(0, sum(1 for _ in w.temp.rglob("*")) - before)}
