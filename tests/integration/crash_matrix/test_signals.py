"""Every role is killed and stopped while hundreds of requests are in flight, and so is the whole
agent."""

import os
import signal
import threading
import time

import harness
import pytest

from .rig import BACK, FULL, LOCATION, REPLACED, ROLES

IN_FLIGHT = 200
KILLS = 20 if FULL else 5


class Load:
    """Keeps at least IN_FLIGHT requests of all samples unanswered; a context manager."""

    def __init__(self, crashed):
        self.c = crashed
        self.ended = threading.Event()
        self.failed = None
        self.thread = threading.Thread(target=self.run)

    def unanswered(self, kind=None):
        return self.c.plane.requests(
            since=self.c.since, api=kind, unanswered=True, limit=0)["total"]

    def top_up(self):
        """What takes long makes the number, the others come and go."""
        for kind, want in self.c.samples:
            goal = IN_FLIGHT + 80 if "SENSOR" in kind else 20
            count = goal - self.unanswered(kind)
            if count > goal // 10:
                self.c.plane.request(kind=kind, location=LOCATION, count=count, **want)

    def full(self):
        harness.until(lambda: self.unanswered() >= IN_FLIGHT, 10, "the load is up")

    def run(self):
        try:
            while not self.ended.wait(0.05):
                self.top_up()
        except Exception as e:
            self.failed = e

    def __enter__(self):
        self.c.since = self.c.plane.request(
            kind="PING_LOCATION", location=LOCATION, wait=30)["seq"]
        self.top_up()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        assert self.failed is None, self.failed


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_killed_again_and_again_and_stopped_once(crashed, expected, role):
    server = crashed.server()
    crashed.deaths.clear()
    times = []
    with Load(crashed) as load:
        for _ in range(KILLS):
            load.full()
            times.append(crashed.strike(role, signal.SIGKILL, BACK))
        load.full()
        stopped = crashed.strike(role, signal.SIGSTOP, REPLACED)
    crashed.settle()
    assert crashed.server() == server and harness.alive(server), "the code server is kept"
    print(f"\n{role}: back after {min(times):.2f} to {max(times):.2f} s, "
          f"stopped: replaced after {stopped:.1f} s")
    crashed.judge(expected)


def test_everything_is_killed_at_once(crashed, expected):
    """Master and roles die by SIGKILL under load; the next agent answers all that was
    recorded and finds the code server."""
    server = crashed.server()
    crashed.deaths.clear()
    kept = set()
    with Load(crashed) as load:
        for _ in range(3):
            load.full()
            roles = crashed.ready()
            crashed.kill_agent()
            kept |= crashed.revive(roles.values())
            harness.until(lambda: crashed.server() == server, 20, "the code server is found")
    crashed.settle()
    crashed.judge(expected, everybody=True, kept=kept)
