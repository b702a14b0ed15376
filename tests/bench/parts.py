"""The parts of the bench: each measures one thing for one or both agents and puts rows down."""

import statistics
import subprocess
import sys
import threading
import time

import harness
import measure
from rig import Rig

POP = "*popUserCloudAgentRequests*"
DEVPLANE_BUSY = 90.0  # percent of a core; above it devplane may be the limit


class Bench:
    def __init__(self, directory, table, quick, agents):
        self.directory, self.table, self.quick = directory, table, quick
        self.agents = agents
        self.tls = False
        self.counts = (0, 1, 10, self.pick(50, 20))
        self.rates = ((5, self.pick(24, 8)), (50, self.pick(8, 4)))
        self.env = {}  # of the agents, for floods

    @property
    def scheme(self):
        return "TLS" if self.tls else "HTTP"

    def pick(self, full, quick):
        return quick if self.quick else full

    def rig(self, name):
        return Rig(self.directory / f"{name}-{self.scheme.lower()}", self.tls)

    def put(self, name, unit, values, target=None, **more):
        self.table.put(name, self.scheme, unit, values, target, **more)

    # --- start ---

    def start(self):
        """From the process's start to its first call and its first pop on the wire."""
        with self.rig("start") as rig:
            values, first, spent = {}, {}, {}
            for kind in self.agents:
                seen, called, took = [], [], []
                for _ in range(self.pick(5, 3) if kind == "daglet" else self.pick(3, 1)):
                    since = rig.plane.record_clear()["seq"]
                    agent = rig.start(kind)
                    calls = rig.plane.calls(op=POP, since=since, count=1, wait=60)["calls"]
                    rig.running(kind)
                    took.append(measure.spent(rig.pids(kind)))
                    seen.append((calls[0]["time"] - agent.begun) * 1000)
                    called.append((rig.plane.calls(since=since)["calls"][0]["time"]
                                   - agent.begun) * 1000)
                    rig.stop(kind)
                values[kind] = statistics.median(seen)
                first[kind] = statistics.median(called)
                spent[kind] = statistics.median(took)
            self.put("start to first call", "ms", first)
            self.put("start to first poll", "ms", values, ("<", 50))
            self.put("processor time of the start", "s", spent)

    # --- memory and idle processor time ---

    def idle(self):
        """0, 1, 10 locations on both agents at once, then 50 on daglet alone."""
        settle = self.pick(8, 4)
        last = self.counts[-1]
        with self.rig("idle") as rig:
            for kind in self.agents:
                rig.start(kind)
            begun = {kind: 0 for kind in self.agents}
            for count in self.counts:
                if self.tls and self.quick and count > 1:
                    break
                kinds = self.agents
                if count > 10:
                    rig.stop("python")
                    kinds = [kind for kind in kinds if kind == "daglet"]
                    if not kinds:
                        break
                self._grow(rig, kinds, begun, count)
                time.sleep(settle)
                memory = {kind: measure.memory(rig.pids(kind)) for kind in kinds}
                targets = {}
                if count == 50:
                    targets = {"PSS": ("<", 26 if self.tls else 20),
                               "private dirty": ("<", 14 if self.tls else 10)}
                for at, what in ((0, "PSS"), (1, "private dirty")):
                    self.put(f"memory, {count} locations, {what}", "MB",
                             {k: memory[k][at] for k in kinds}, targets.get(what))
                self.put(f"threads, {count} locations", "", {
                    k: sum(map(measure.threads, rig.pids(k))) for k in kinds})
                if "daglet" in kinds:
                    self.table.note(f"PSS, private dirty of each process, {count} locations, "
                                    f"{self.scheme}: {measure.names(rig.pids('daglet'))}")
                if self.tls and count != last:
                    continue
                seconds = self.pick(60 if count >= 10 else 20, 8)
                clocks = {kind: measure.Clock(rig.pids(kind)) for kind in kinds}
                time.sleep(seconds)
                self.put(f"idle processor time, {count} locations", "% of a core",
                         {kind: clocks[kind].share() for kind in kinds},
                         ("<", 0.3) if count == 50 else None)

    @staticmethod
    def _grow(rig, kinds, have, count, step=10):
        """Add locations up to `count`, a few at a time: each is a process that imports."""
        while any(have[kind] < count for kind in kinds):
            threads = []
            for kind in kinds:
                names = [f"l{n:02}" for n in range(have[kind], min(count, have[kind] + step))]
                have[kind] += len(names)
                threads.append(threading.Thread(target=rig.locations, args=(kind, names)))
                threads[-1].start()
            for thread in threads:
                thread.join()

    # --- requests ---

    def _ready(self, rig, kind, **env):
        rig.start(kind, **env)
        rig.locations(kind, ["tiny"])
        since = rig.plane.request(kind="PING_LOCATION", location="tiny", deployment=kind,
                                  wait=60)["seq"]
        return since

    def flood(self):
        """Pings without end, round trips of 1 and 50 ms."""
        with self.rig("flood") as rig:
            rows = {}
            for kind in self.agents:
                self._ready(rig, kind, **self.env)
                for rtt in (1, 50):
                    if rtt == 50 and (self.tls or self.env):
                        continue
                    rows.setdefault(rtt, {})[kind] = self._flood(rig, kind, rtt)
                rig.stop(kind)
            for rtt, by_kind in rows.items():
                self.put(f"requests per second, round trip {rtt} ms", "1/s",
                         {k: v["rate"] for k, v in by_kind.items()},
                         (">", 3000 if rtt == 1 else 1000))
                self.put(f"processor time per request, round trip {rtt} ms", "ms",
                         {k: v["cpu"] for k, v in by_kind.items()},
                         ("<", 0.25) if rtt == 1 else None)
                for kind, row in by_kind.items():
                    self.table.note(
                        f"devplane was busy for {row['plane']:.0f} % of a core under {kind}'s "
                        f"flood, {self.scheme}, round trip {rtt} ms" + (
                            ": it may have been the limit" if row["plane"] > DEVPLANE_BUSY
                            else ""))

    def _flood(self, rig, kind, rtt):
        plane = rig.plane
        plane.rtt(ms=rtt)
        warm = self.pick(2.0, 1.0)
        seconds = self.pick(10.0, 4.0)
        stop = threading.Thread(target=plane.feed, kwargs=dict(
            kind="PING_LOCATION", location="tiny", deployment=kind, depth=2000,
            seconds=warm + seconds + 1.0))
        stop.start()
        time.sleep(warm)
        clock = measure.Clock(rig.pids(kind))
        plane_clock = measure.Clock([plane.pid])
        before, begun = plane.status()["accepted"], time.monotonic()
        time.sleep(seconds)
        answered, took = plane.status()["accepted"] - before, time.monotonic() - begun
        spent, busy = clock.seconds(), plane_clock.share()
        stop.join()
        plane.queue_clear()
        plane.rtt(ms=0)
        time.sleep(1.0)  # what was popped is answered
        rig.running(kind)
        return {"rate": answered / took, "cpu": 1000 * spent / max(1, answered), "plane": busy}

    def latency(self):
        """Requests one after the other, and a steady 5 and 50 per second."""
        with self.rig("latency") as rig:
            rig.plane.rtt(ms=1)
            rows, single = {}, {}
            for kind in self.agents:
                self._ready(rig, kind)
                single[kind] = self._one_by_one(rig, kind)
                for rate, seconds in self.rates:
                    feed = rig.plane.feed(kind="PING_LOCATION", location="tiny",
                                          deployment=kind, rate=rate, seconds=seconds)
                    stats = rig.settled(feed["since"], 60)
                    rows.setdefault(rate, {})[kind] = stats
                rig.stop(kind)
            for at in ("p50", "p99"):
                self.put(f"enqueue to answer one at a time, {at}", "ms",
                         {k: v["enqueue_to_answer_ms"][at] for k, v in single.items()})
            for rate, stats in rows.items():
                for at in ("p50", "p99"):
                    self.put(f"enqueue to answer at {rate}/s, {at}", "ms",
                             {k: v["enqueue_to_answer_ms"][at] for k, v in stats.items()},
                             ("<", 60) if (rate, at) == (5, "p50") else None)
                self.put(f"popped to answer at {rate}/s, p99", "ms",
                         {k: v["pop_to_answer_ms"]["p99"] for k, v in stats.items()})

    def _one_by_one(self, rig, kind):
        since = rig.plane.stats()["seq"]
        for n in range(self.pick(40, 15)):
            time.sleep(0.037 * (n % 7))  # at no fixed time of a polling interval
            rig.plane.request(kind="PING_LOCATION", location="tiny", deployment=kind, wait=30)
        return rig.plane.stats(since=since)

    def sensors(self):
        """Pings while 20 sensors take 30 s each."""
        length = self.pick(30, 10)
        with self.rig("sensors") as rig:
            rig.plane.rtt(ms=1)
            values = {}
            for kind in self.agents:
                self._ready(rig, kind, BENCH_SENSOR_SECONDS=str(length))
                rig.locations(kind, ["sleepy"], "sleepy")
                rig.plane.request(kind="GET_EXTERNAL_SENSOR_EXECUTION_DATA", location="sleepy",
                                  sensor="sleepy", deployment=kind, count=20)
                time.sleep(3.0)
                since = rig.plane.feed(kind="PING_LOCATION", location="tiny", deployment=kind,
                                       rate=2, seconds=length / 2)["since"]
                values[kind] = self._pings(rig, since, length * 1.5)
                rig.stop(kind)
            for at in ("p50", "p99"):
                self.put(f"ping behind 20 sensors of {length} s, {at}", "ms",
                         {k: v[at] for k, v in values.items()}, ("<", 1000))

    @staticmethod
    def _pings(rig, since, seconds):
        """Quantiles; a ping without an answer counts with the time that it waited so far."""
        stats = rig.settled(since, seconds)
        if stats["answered"] == stats["requests"]:
            return stats["enqueue_to_answer_ms"]
        now = time.time()
        times = sorted(
            ((r["answered"] or now) - r["enqueued"]) * 1000
            for r in rig.plane.requests(since=since, api="PING_LOCATION")["requests"])
        return {"p50": times[len(times) // 2], "p99": times[min(len(times) - 1,
                                                                int(len(times) * 0.99))]}

    def large(self):
        """A large repository, from the code server to the control plane."""
        size = self.pick(90, 30)
        with self.rig("large") as rig:
            grown, took = {}, {}
            for kind in self.agents:
                rig.start(kind, BENCH_MEGABYTES=str(size))
                rig.plane.calls(op=POP, count=1, wait=30)
                rig.locations(kind, ["tiny"])
                begun = time.monotonic()
                with measure.Peak(lambda kind=kind: rig.pids(kind)) as peak:
                    rig.locations(kind, ["large"], "large")
                grown[kind], took[kind] = peak.grown, time.monotonic() - begun
                rig.stop(kind)
            self.put(f"a {size} MB repository passed on, memory", "MB", grown, ("<", 20))
            self.put(f"a {size} MB repository passed on, added to uploaded", "s", took)

    # --- devplane itself ---

    def ceiling(self):
        """How many pings a second devplane could serve with one core of its own."""
        program = harness.ROOT / "contrib" / "devplane" / "ceiling.py"
        with harness.Bench(self.directory / "ceiling") as bench:
            plane = bench.devplane("--log-level", "warning")
            out = subprocess.run(
                [sys.executable, program, plane.home, str(self.pick(20000, 6000))],
                capture_output=True, text=True, check=True, timeout=120).stdout
        self.table.note("devplane's own ceiling (contrib/devplane/ceiling.py):\n" + out.rstrip())


PARTS = {
    "start": (Bench.start, ("HTTP", "TLS")),
    "flood": (Bench.flood, ("HTTP", "TLS")),
    "latency": (Bench.latency, ("HTTP",)),
    "sensors": (Bench.sensors, ("HTTP",)),
    "large": (Bench.large, ("HTTP",)),
    "idle": (Bench.idle, ("HTTP", "TLS")),
    "ceiling": (Bench.ceiling, ("HTTP",)),
}
