"""A long time of ordinary work with sudden deaths in it: deploys, runs, requests, while roles, the
whole agent, code servers and runs are killed at random moments. Afterwards nothing has grown,
every request was answered once, and no run was started twice.

In SOAK_SECONDS (1,800 make the whole): 1,000 deploys, 50 of them of the real dagster, the others
of a stand-in for a code server (light_server.py); 5,000 runs, 200 of them real dagster runs, the
others a program that writes down that it was started. Other lengths do as much less, with at
least 2 real deploys and 4 real runs."""

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
for folder in ("integration", "bench"):
    sys.path.insert(0, str(TESTS / folder))

import harness  # noqa: E402
import light  # noqa: E402
from judge import MORE, judge  # noqa: E402
from place import REAL, TINY, Place  # noqa: E402

WHOLE = 1800.0
LOCATIONS = 8
LAUNCHERS = 6
IDLE = 240.0  # seconds after which a connection that nobody uses is closed, and some more
PLAN = 20.0  # seconds until a plan that does not come, with its poller, say, is asked for anew


class Soak:
    def __init__(self, place, seconds, seed):
        share = seconds / WHOLE
        self.place, self.seconds = place, seconds
        self.random = random.Random(seed)
        self.goal = {"deploys": max(20, round(1000 * share)),
                     "real deploys": max(2, round(50 * share)),
                     "runs": max(100, round(5000 * share)),
                     "real runs": max(4, round(200 * share)),
                     "requests": max(200, round(10000 * share))}
        self.done = dict.fromkeys(self.goal, 0)
        self.kills = {}
        self.runs = {}  # run id -> real
        self.refused = 0
        self.lock, self.failed = threading.Lock(), []
        self.begun = self.end = 0.0

    # --- work: each is called in threads until its goal is reached ---

    def count(self, what):
        with self.lock:
            self.done[what] += 1

    def pace(self, what):
        """Yields as often as the goal says, spread over the time."""
        goal = self.goal[what]
        for n in range(goal):
            wait = self.begun + self.seconds * n / goal - time.monotonic()
            if wait > 0 and self.failed:
                return
            time.sleep(max(0.0, wait))
            yield n

    def deploy(self, name):
        """Deploy a location anew and wait until its code was uploaded."""
        plane = self.place.plane
        loads = self.loads(name)
        plane.location_update(name=name)
        plane.location_wait(name=name, loads=loads + 1, wait=180)
        self.count("real deploys" if name == REAL else "deploys")

    def loads(self, name):
        return next(one["loads"] for one in self.place.plane.location_list()["locations"]
                    if one["name"] == name)

    def launch(self, job, location, real):
        """A run; where it cannot be planned, since the server was just killed, another try."""
        for _ in range(20):
            try:
                made = self.place.plane.run_launch(job=job, location=location, timeout=PLAN)
            except harness.Failed:
                self.refused += 1
                time.sleep(0.5)
                continue
            with self.lock:
                self.runs[made["run_id"]] = (made["request_id"], real)
                self.done["real runs" if real else "runs"] += 1
            return
        raise AssertionError(f"no run could be launched in {location}")

    def ask(self):
        location = self.random.choice([REAL, *self.place.light])
        kind, want = self.random.choice([
            ("PING_LOCATION", {}), ("GET_EXTERNAL_EXECUTION_PLAN", {
                "job": "marking_job" if location == REAL else TINY})])
        self.place.plane.request(kind=kind, location=location, **want)
        self.count("requests")

    def kill(self):
        """Something dies. In the second half only servers and runs, so that what daglet's
        processes hold at the end was gathered over a while."""
        place = self.place
        young = time.monotonic() < self.begun + self.seconds / 2
        what = self.random.choice(["role", "role", "agent", "server", "run"] if young
                                  else ["server", "run"])
        if what == "role":
            role, pid = self.random.choice(sorted(place.ready().items()))
            place.strike(role, pid)
            what = role
        elif what == "agent":
            place.strike_agent()
        elif what == "server":
            pid, location = self.random.choice(sorted(place.servers().items()))
            place.strike(f"server of {location}", pid)
        else:
            workers = place.workers()
            if not workers:
                return
            place.strike_run(self.random.choice(sorted(workers)))
        with self.lock:
            self.kills[what] = self.kills.get(what, 0) + 1

    # --- threads ---

    def guarded(self, work):
        try:
            work()
        except BaseException as e:
            self.failed.append(f"{type(e).__name__}: {e}")
            raise

    def do_deploys(self):
        with ThreadPoolExecutor(len(self.place.light)) as pool:
            jobs = [pool.submit(self.deploy, self.place.light[n % len(self.place.light)])
                    for n in self.pace("deploys")]
        for job in jobs:
            job.result()

    def do_real_deploys(self):
        for _ in self.pace("real deploys"):
            self.deploy(REAL)

    def do_runs(self):
        with ThreadPoolExecutor(LAUNCHERS) as pool:
            jobs = [pool.submit(self.launch, TINY, self.random.choice(self.place.light), False)
                    for _ in self.pace("runs")]
        for job in jobs:
            job.result()

    def do_real_runs(self):
        for _ in self.pace("real runs"):
            self.launch("marking_job", REAL, True)

    def do_requests(self):
        for _ in self.pace("requests"):
            self.ask()

    def do_kills(self):
        while time.monotonic() < self.begun + self.seconds and not self.failed:
            time.sleep(self.random.uniform(2.0, 12.0))
            self.kill()

    def go(self):
        self.begun = time.monotonic()
        threads = [threading.Thread(target=self.guarded, args=(work,)) for work in (
            self.do_deploys, self.do_real_deploys, self.do_runs, self.do_real_runs,
            self.do_requests, self.do_kills)]
        for thread in threads:
            thread.start()
        said = self.begun
        while any(t.is_alive() for t in threads):
            time.sleep(0.5)
            if time.monotonic() - said > 30:
                said = time.monotonic()
                self.say("")
        for thread in threads:
            thread.join()
        assert not self.failed, "; ".join(self.failed)

    def say(self, text):
        shown = ", ".join(f"{n} of {self.goal[what]} {what}" for what, n in self.done.items())
        print(f"[{time.monotonic() - self.begun:5.0f} s] {shown}, {sum(self.kills.values())} "
              f"deaths {text}", flush=True)

    def warm_up(self):
        """Everything was used once before it is measured: what is held for good is held."""
        self.begun = time.monotonic()
        for name in (REAL, *self.place.light):
            self.deploy(name)
        for name in self.place.light:
            self.launch(TINY, name, False)
        self.launch("marking_job", REAL, True)
        self.done = dict.fromkeys(self.goal, 0)


def main():
    p = argparse.ArgumentParser(prog="soak.sh")
    p.add_argument("--seconds", type=float, default=60.0)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6))
    options = p.parse_args()
    reason = harness.why_not("daglet")
    if reason:
        raise SystemExit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    print(f"soak: {options.seconds:g} s, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="daglet-soak-") as directory, \
            Place(Path(directory) / "place", LOCATIONS) as place:
        soak = Soak(place, options.seconds, options.seed)
        try:
            place.add_locations()
            place.start()
            for name in (REAL, *place.light):
                place.plane.location_wait(name=name, wait=120)
            soak.warm_up()
            place.settled(120)
            before = place.measured()
            soak.go()
            soak.say("; waiting until all of it is done")
            place.settled(180)
            after = place.rested(before["descriptors"] + MORE["descriptors"], IDLE)
            faults = judge(place, soak, before, after)
        except BaseException:
            print("\n".join(f"--- {p.log.name}\n{p.output(3000)}" for p in place.processes))
            print(f"soak: failed; seed {options.seed}")
            raise
    for fault in faults:
        print(f"WRONG: {fault}")
    print(f"soak: {len(faults)} wrong; seed {options.seed}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
