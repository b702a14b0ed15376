"""All scenarios by name: what runs, over what, and whether anybody may run beside it."""

import re
import time
from dataclasses import dataclass
from typing import Callable

import agents
import harness
import measure
import parts
import servers
import table
from world import World

#: What makes the Python agent fastest.
TUNED = {
    "DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS": "0.001",
    "DAGSTER_CLOUD_AGENT_MAX_THREADPOOL_WORKERS": "40",
    "DAGSTER_CLOUD_AGENT_UPLOAD_API_RESPONSE_BATCHING_ENABLED": "true",
}
KINDS = ("python", "daglet")


@dataclass(frozen=True)
class Scenario:
    run: Callable  # (World) -> {figure: value}
    long: float = 30.0  # about how many seconds, to start the long ones first
    tls: bool = False


@dataclass(frozen=True)
class Benched:
    """A part of the bench: both agents, nobody beside them."""
    run: Callable  # (Bench) -> None; its table is read


def idle(bench):
    bench.counts = (0, 1, 10)
    bench.idle()


def latency(bench):
    bench.rates = ((20, bench.pick(10, 4)), (50, bench.pick(8, 4)))
    bench.latency()


def tuned(bench):
    """The flood with all that environment variables allow, and idle with the same."""
    bench.env = TUNED
    bench.flood()
    values = {}
    with bench.rig("tuned-idle") as rig:
        for kind in KINDS:
            rig.start(kind, **TUNED)
            rig.plane.calls(op=parts.POP, count=1, wait=60)
            time.sleep(bench.pick(5, 3))
            clock = measure.Clock(rig.pids(kind))
            time.sleep(bench.pick(10, 4))
            values[kind] = clock.share()
            rig.stop(kind)
    bench.put("idle", "% of a core", values)


def code_servers(bench):
    """One code server of each agent."""
    values = {}
    with bench.rig("server") as rig:
        for kind in KINDS:
            rig.start(kind)
            rig.locations(kind, ["tiny"])
            time.sleep(bench.pick(8, 4))
            pids = [pid for pid, line in harness.marked(rig.bench.test_id).items()
                    if " api grpc" in line]
            values[kind] = measure.memory(pids)[0]
            rig.stop(kind)
    bench.put("code server", "MB", values)


def idle_and_servers(bench):
    idle(bench)
    code_servers(bench)


def benched(part, quick, directory):
    """{kind: {figure: value}} of a part of the bench."""
    results = table.Table()
    bench = parts.Bench(directory, results, quick, list(KINDS))
    part(bench)
    found = {kind: {} for kind in KINDS}
    for row in results.rows:
        name = re.sub(r"( sensors) of \d+ s", r"\1", row["name"])  # quick or not
        for kind in KINDS:
            if kind in row:
                found[kind][name] = row[kind]
    for values in found.values():
        if "threads, 10 locations" in values:
            values["threads added"] = (values["threads, 10 locations"]
                                       - values["threads, 0 locations"])
    return found


def played(scenario, kind, quick, directory):
    """{figure: value} of a scenario with one kind of agent."""
    with World(kind, directory, quick, scenario.tls) as world:
        try:
            return scenario.run(world)
        except Exception:
            print("\n".join(f"--- {p.log.name}\n{p.output(1500)}"
                            for p in world.bench.processes), flush=True)
            raise


BENCHED = {
    "bench start": Benched(parts.Bench.start),
    "bench idle": Benched(idle_and_servers),
    "bench flood": Benched(parts.Bench.flood),
    "bench tuned": Benched(tuned),
    "bench latency": Benched(latency),
    "bench sensors": Benched(parts.Bench.sensors),
}

SCENARIOS = {
    "restart": Scenario(agents.restart),
    "killed": Scenario(agents.killed, 90),
    "stopped": Scenario(agents.stopped, 50),
    "stopped while": Scenario(agents.stopped_while, 150),
    "refused": Scenario(agents.refused, 100),
    "silent": Scenario(agents.silent, 130),
    "down at start": Scenario(agents.down_at_start, 220),
    "refused at start": Scenario(agents.refused_at_start, 60),
    "upload refused": Scenario(agents.upload_refused, 90),
    "pop broken": Scenario(agents.pop_broken, 70),
    "hangs": Scenario(agents.hangs, 80),
    "retry after": Scenario(agents.retry_after, 40),
    "bad request": Scenario(agents.bad_request, 60),
    "replicas": Scenario(agents.replicas, 80),
    "proxied": Scenario(agents.proxied),
    "unverified": Scenario(agents.unverified, 30, tls=True),
    "token option": Scenario(agents.token_option, 20),
    "not allowed": Scenario(agents.not_allowed, 40),
    "readiness": Scenario(agents.readiness),
    "leftovers": Scenario(agents.leftovers, 100),
    "redeploy": Scenario(servers.redeploy, 200),
    "slow start": Scenario(servers.slow_start, 80),
    "exits": Scenario(servers.exits, 130),
    "server killed": Scenario(servers.server_killed, 130),
    "server stopped": Scenario(servers.server_stopped, 130),
    "server stuck": Scenario(servers.server_stuck, 130),
    "beside a pex": Scenario(servers.beside_a_pex, 130),
    "health threads": Scenario(servers.health_threads, 50),
    "run killed": Scenario(servers.run_killed, 80),
    "run killed beside": Scenario(servers.run_killed_beside, 80),
    "terminate deaf": Scenario(servers.terminate_deaf, 100),
    "terminate other": Scenario(servers.terminate_other, 30),
}
