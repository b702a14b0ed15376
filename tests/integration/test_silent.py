"""Code servers that do not answer: those that are hung are replaced beside, with a report of
what they were doing; those that are busy are not; other locations do not notice.

HOLD is how long the busy ones hold Python's lock; the limits are scaled to it (with the
defaults, 50 s of it are fine and 90 s are not)."""

import os
import signal
import stat
import time

import pytest
from harness import alive
from test_launcher import (code, entry, folder, launcher, plane, sensor_args,  # noqa: F401
                           workspace)

HOLD = float(os.environ.get("TEST_HOLD_SECONDS", "6"))
STUCK = int(HOLD * 1.8)  # 50 s against 90 s
GONE = max(3, int(HOLD * 0.6))

#: one sensor each; what it does, holding Python's lock or the import lock
KINDS = {
    "well": "pass",
    # in C, idle, for ever; and for a while
    "asleep": "ctypes.PyDLL(None).sleep(3600)",
    "dozes": "ctypes.PyDLL(None).usleep(int({hold} * 1e6 * 0.9))",
    # in C, at work, for longer than an idle one is given
    "computes": """
    n = 10 ** 6
    began = time.monotonic()
    sum(range(n))
    sum(range(int(n * {hold} * 2.5 / (time.monotonic() - began))))""",
    "imports": """
    import _imp
    if context.cursor != "lock":
        import wsgiref.validate
    else:
        _imp.acquire_lock()
        time.sleep(3600)""",
}

CODE = """
import ctypes, time
import dagster as dg
@dg.op
def nothing(): pass
@dg.job
def job(): nothing()
@dg.sensor(job=job)
def sleepy(context):
    print("about to hold on", flush=True)
    {does}
    return dg.SkipReason("done")
defs = dg.Definitions(jobs=[job], sensors=[sleepy])
"""

PY_SPY = """#!/bin/sh
echo "$@" >&2
echo 'Thread 1 (idle): "MainThread"'
"""


def arguments(name, timeout, cursor=None):
    return {**sensor_args(name, "sleepy"), "timeout": timeout, "cursor": cursor}


@pytest.fixture
def tools(folder):  # noqa: F811
    """PATH with a py-spy that says what it was asked."""
    path = folder / "bin" / "py-spy"
    path.parent.mkdir()
    path.write_text(PY_SPY)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{path.parent}{os.pathsep}{os.path.dirname(os.sys.executable)}"
                    f"{os.pathsep}{os.environ['PATH']}"}


def test_hung_servers_are_replaced_and_busy_ones_are_not(folder, code, tools):  # noqa: F811
    more = {"daglet.server_stuck_timeout": str(STUCK), "daglet.server_busy_timeout": "600",
            "env.DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_REDEPLOY_TIMEOUT": str(GONE)}
    names = [*KINDS, "stopped"]
    with launcher(folder, more=more, env=tools) as l:
        entries = {n: entry(n, code(CODE.format(does=KINDS.get(n, "pass").format(hold=HOLD)),
                                    f"{n}.py")) for n in names}
        l.desire(workspace(*entries.values()))
        for n in names:
            l.status(n, limit=120)
        first = {n: int(l.server(n)["handle"]) for n in names}
        pid = lambda n: int(l.server(n).get("handle", first[n]))  # noqa: E731

        os.kill(first["stopped"], signal.SIGSTOP)
        began = time.monotonic()
        l.do("GET_EXTERNAL_SENSOR_EXECUTION_DATA", arguments("asleep", 5), "asleep")
        busy = {n: l.do("GET_EXTERNAL_SENSOR_EXECUTION_DATA", arguments(n, 300), n)
                for n in ("dozes", "computes")}
        # the first has the lock when its time is over
        l.ask("GET_EXTERNAL_SENSOR_EXECUTION_DATA", arguments("imports", 1, "lock"), "imports")
        for _ in range(3):
            l.do("GET_EXTERNAL_SENSOR_EXECUTION_DATA", arguments("imports", 1), "imports")

        # a deploy meanwhile takes what it takes
        entries["well"] = entry("well", code(CODE.format(does="pass"), "new.py"), 2.0)
        l.desire(workspace(*entries.values()))
        l.until(lambda: pid("well") != first["well"], "the deploy", 30)
        deploy = time.monotonic() - began

        took = {}
        for n, limit in (("stopped", GONE), ("asleep", STUCK), ("imports", STUCK)):
            # a ping every 10 s finds out; then the next one starts
            l.until(lambda n=n: pid(n) != first[n], f"{n} is replaced", limit + 60)
            took[n] = time.monotonic() - began
            l.until(lambda n=n: not alive(first[n]), f"{n} is gone", 30)
        for n, said in (("stopped", "is stopped (SIGSTOP"), ("asleep", "waits for Python's lock"),
                        ("imports", "half of its threads")):
            note = l.location(n)["note"]
            assert said in note and f"Process {first[n]}, state" in note, note
            assert "thread" in note and "processor time" in note
            assert "py-spy shows" in note and f"--nonblocking --pid {first[n]}" in note, note
            assert n == "stopped" or "about to hold on" in note, note
            assert l.status(n)["error"] is None
        assert "state T" in l.location("stopped")["note"]

        for n, number in busy.items():
            got = l.answer(number, HOLD * 10 + 60)
            assert "done" in got.get("serialized_response_or_error", ""), (n, got)
            if n == "computes":
                assert time.monotonic() - began > STUCK
            assert pid(n) == first[n] and l.location(n)["note"] is None, l.location(n)
        print(f"replaced after {took}, deploy in {deploy:.1f} s")


def test_one_that_comes_back_in_time_is_kept(folder, code):  # noqa: F811
    more = {"env.DAGSTER_CLOUD_CODE_SERVER_HEALTH_CHECK_REDEPLOY_TIMEOUT": "3"}
    slow = "import os, time\nif os.path.exists({0!r}): time.sleep(600)\n"
    flag = folder / "slow"
    with launcher(folder, more=more) as l:
        text = slow.format(str(flag)) + CODE.format(does="pass")
        l.desire(workspace(entry("etl", code(text))))
        l.status("etl")
        pid = int(l.server("etl")["handle"])
        flag.touch()  # the replacement will not be up before the first one is back
        os.kill(pid, signal.SIGSTOP)
        l.until(lambda: l.location("etl")["next"], "a replacement comes up", 30)
        assert "stopped" in l.location("etl")["error"]["message"]
        os.kill(pid, signal.SIGCONT)
        l.until(lambda: not l.location("etl")["next"], "it is dropped", 20)
        s = l.location("etl")
        assert s["status"] == "RUNNING" and s["error"] is None and "stopped" in s["note"]
        assert int(l.server("etl")["handle"]) == pid
        l.until(lambda: len([k for k in l.states if k[0] == 2]) == 1, "one server is left", 30)
