"""Runs as the process backend starts them: once, and seen to their end."""

import json
import os
import random
import signal
import time

import pytest

from process_rig import (  # noqa: F401
    LIMIT, alive, kill, nothing_left, owned, place, program, pytestmark, subreaper, wait_for,
)


def test_a_run_waits_for_its_release(place):
    d = place.driver()
    h = json.loads(d.run("r1", *program("r1", "echo said; exit 5")))
    assert d.ask("tags", "r1")["text"] == f'"process/pid": "{h["pid"]}"'
    assert alive(h["pid"]) and place.starts("r1") == 0
    assert not list((place.state / "runs").iterdir())
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    e = d.event(event="RUN_EXIT")
    assert (e["known"], e["code"], e["tail"]) == (True, 5, "said\n")
    assert (place.effects / "r1").read_text() == f"{h['pid']}\n"
    nothing_left(place, d)
    # The second delivery finds it ended, with the same end.
    d.run("r1", *program("r1"))
    d.event(event="RUN_STARTED")
    e = d.event(event="RUN_EXIT")
    assert (e["known"], e["code"], e["tail"]) == (True, 5, "said\n")
    assert place.starts("r1") == 1
    # Its tags can be had at each of these events.
    tags = [d.event(answer="tags_now", id="r1")["text"] for _ in range(4)]
    assert tags == [f'"process/pid": "{h["pid"]}"'] * 4
    d.send("logs", "r1", "run", 5, 3)
    assert d.event(event="LOGS")["text"] == "said\n"


def test_a_run_that_is_asked_for_twice_is_one(place):
    d = place.driver()
    first = d.run("r1", *program("r1", "sleep 1000"))
    assert d.run("r1", *program("r1", "sleep 1000")) == first
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    assert d.run("r1", *program("r1", "sleep 1000")) == first
    d.event(event="RUN_STARTED")
    wait_for(lambda: place.starts("r1"))
    d.send("run_stop", "r1", 0)
    assert d.event(event="RUN_EXIT")["signal"] == signal.SIGKILL
    assert place.starts("r1") == 1


def test_a_program_that_cannot_be_executed(place):
    script = place.dir / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    d = place.driver()
    d.run("r1", str(script))
    d.send("release", "r1")
    e = d.event(event="RUN_FAILED")
    assert e["class"] == "user" and str(script) in e["error"] and "No such file" in e["error"]
    # It was tried once, and is not tried again.
    script.write_text("#!/bin/sh\necho >$EFFECTS/wrong\n")
    d.run("r1", str(script))
    assert d.event(event="RUN_FAILED")["class"] == "user"
    assert not (place.effects / "wrong").exists()


def test_run_stop_escalates(place):
    d = place.driver()
    trap = "trap 'echo INT >>$EFFECTS/signals' INT; trap 'echo TERM >>$EFFECTS/signals' TERM;"
    d.run("r1", *program("r1", trap + "setsid sleep 1000 & (setsid sleep 1001 &) ; echo ready;"
                         " while :; do sleep 0.05; done"))
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    wait_for(lambda: place.starts("r1") and len(owned(place.mark.encode())) >= 5)
    d.send("run_stop", "r1", 400)
    e = d.event(event="RUN_EXIT")
    assert e["signal"] == signal.SIGKILL and not e["oom"]
    assert (place.effects / "signals").read_text() == "INT\nTERM\n"
    nothing_left(place, d)


def test_a_run_that_hears_the_first_signal(place):
    d = place.driver()
    d.run("r1", *program("r1", "trap 'exit 12' INT; touch $EFFECTS/on; while :; do sleep 0.05; done"))
    d.send("release", "r1")
    wait_for(lambda: (place.effects / "on").exists())
    d.send("run_stop", "r1", 60000)
    assert d.event(event="RUN_EXIT")["code"] == 12
    nothing_left(place, d)


def test_a_run_stopped_before_its_release_never_starts(place):
    d = place.driver()
    d.run("r1", *program("r1"))
    d.send("run_stop", "r1", 1000)
    assert "stopped before it started" in d.event(event="RUN_FAILED")["error"]
    nothing_left(place, d)
    assert place.starts("r1") == 0 and not list((place.state / "runs").iterdir())


def test_a_run_survives_its_launcher_and_is_adopted(place):
    d = place.driver()
    text = d.run("r1", *program("r1", "echo early; while [ ! -e $EFFECTS/go ]; do sleep 0.02; done; exit 9"))
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    d.kill()
    d = place.driver()
    assert d.ask("adopt_run", "r1", text)["result"] == 1
    d.event(event="RUN_STARTED")
    (place.effects / "go").touch()
    e = d.event(event="RUN_EXIT")
    assert (e["known"], e["code"], e["tail"]) == (True, 9, "early\n")
    nothing_left(place, d)


def test_a_run_that_ends_while_nobody_looks(place):
    d = place.driver()
    text = d.run("r1", *program("r1", "echo said; kill -9 $$"))
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    d.kill()
    wait_for(lambda: list((place.state / "runs").glob("*.exit")))
    wait_for(lambda: place.reap() is not None and not owned(place.mark.encode()))
    d = place.driver()
    assert d.ask("adopt_run", "r1", text)["result"] == 0
    e = d.event(event="RUN_EXIT")
    assert (e["known"], e["signal"], e["tail"]) == (True, signal.SIGKILL, "said\n")


def test_a_run_whose_parent_was_killed_goes_on(place):
    d = place.driver()
    text = d.run("r1", *program("r1", "while [ ! -e $EFFECTS/go ]; do sleep 0.02; done; exit 6"))
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    h = json.loads(text)
    os.kill(h["parent"], signal.SIGKILL)
    (place.effects / "go").touch()
    wait_for(lambda: h["pid"] in place.reap())
    d.send("child_exit", h["pid"], place.reaped[h["pid"]])
    e = d.event(event="RUN_EXIT")
    assert (e["known"], e["code"]) == (True, 6)
    nothing_left(place, d)


def test_signals_to_the_parent_are_passed_on(place):
    d = place.driver()
    h = json.loads(d.run("r1", *program("r1", "trap 'exit 33' TERM; touch $EFFECTS/on; while :; do sleep 0.05; done")))
    d.send("release", "r1")
    wait_for(lambda: (place.effects / "on").exists())
    os.kill(h["parent"], signal.SIGTERM)
    assert d.event(event="RUN_EXIT")["code"] == 33


def test_leftovers_of_a_run_go_daemons_stay(place):
    d = place.driver()
    d.run("r1", *program("r1", "sleep 1001 & setsid sleep 1002 & wait_for=$!; sleep 0.2; echo $wait_for >$EFFECTS/daemon"))
    d.send("release", "r1")
    d.event(event="RUN_EXIT")
    daemon = int((place.effects / "daemon").read_text())
    assert alive(daemon)
    left = [p for p in owned(place.mark.encode()) if p not in (daemon, d.process.pid)]
    assert not left
    kill(daemon)


def test_fifty_runs(place):
    d = place.driver()
    for i in range(50):
        d.send("run", f"r{i}", *program(f"r{i}", f"exit {i}"))
    for i in range(50):
        d.event(event="RUN_HANDLE", id=f"r{i}")
        d.send("release", f"r{i}")
    for i in range(50):
        assert d.event(event="RUN_EXIT", id=f"r{i}")["code"] == i
        assert place.starts(f"r{i}") == 1
    nothing_left(place, d)


def test_the_parent_is_small(place):
    d = place.driver()
    h = json.loads(d.run("r1", *program("r1", "exec sleep 1000")))
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    rollup = open(f"/proc/{h['parent']}/smaps_rollup", encoding="ascii").read()
    # Private_Dirty would count pages of a program that was just linked, too.
    own = next(int(line.split()[1]) for line in rollup.splitlines()
               if line.startswith("Anonymous"))
    if b"libasan" not in open(f"/proc/{h['parent']}/maps", "rb").read():
        assert own < 100, f"{own} kB"
    fds = sorted(os.listdir(f"/proc/{h['pid']}/fd"))
    assert fds == ["0", "1", "2"]
    status = open(f"/proc/{h['pid']}/status", encoding="ascii").read()
    for name in ("SigBlk", "SigIgn"):
        assert f"{name}:\t0000000000000000\n" in status
    assert "NoNewPrivs:\t0\n" in status
    d.send("run_stop", "r1", 0)
    d.event(event="RUN_EXIT")


# --- once and only once ------------------------------------------------------------------------


def until_it_ran(place, d, rid, committed):
    """What the launcher does after a crash: adopt what was committed, else start again."""
    for _ in range(5):
        here = True
        if committed:
            here = d.ask("adopt_run", rid, committed)["result"]
        else:
            d.run(rid, *program(rid))
            d.send("release", rid)
        e = d.end_of(rid, limit=LIMIT if here else 1)
        if e is None or e["event"] == "RUN_EXIT":
            return  # None: it is gone and nobody knows how, so it did start
        committed = None
    raise AssertionError("it never ran")


STEPS = ("asked", "handle", "released", "started")


@pytest.mark.parametrize("step", STEPS)
def test_the_starter_is_killed_at_each_step(place, step):
    for n in range(6):
        rid = f"{step}-{n}"
        d = place.driver()
        committed = None
        d.send("run", rid, *program(rid))
        if step != "asked":
            handle = d.event(event="RUN_HANDLE", id=rid)["handle"]
            if n % 2:  # killed before or after the commit
                committed = handle
        if step in ("released", "started"):
            committed = handle
            d.send("release", rid)
        if step == "started":
            d.event(event="RUN_STARTED", id=rid)
        d.kill()
        d = place.driver()
        until_it_ran(place, d, rid, committed)
        wait_for(lambda r=rid: place.starts(r))
        d.kill()
        place.reap()
        assert place.starts(rid) == 1, rid


def test_everybody_is_killed_at_any_moment(place):
    """launcher, daglet-run and worker, at random moments around the gate: at most one start."""
    dice = random.Random(20261121)
    ran = 0
    for n in range(60):
        rid = f"any-{n}"
        d = place.driver()
        handle = d.run(rid, *program(rid))
        h = json.loads(handle)
        d.send("release", rid)
        time.sleep(dice.uniform(0, 0.004))
        victim = dice.choice(("launcher", "parent", "pid"))
        if victim == "launcher":
            d.kill()
            d = place.driver()
            until_it_ran(place, d, rid, handle)
            assert wait_for(lambda r=rid: place.starts(r)) == 1
        else:
            kill(h[victim])
            e = d.end_of(rid)
            if e["event"] == "RUN_FAILED":
                assert place.starts(rid) == 0, "said that it never started"
                until_it_ran(place, d, rid, None)
        d.kill()
        place.reap()
        assert place.starts(rid) <= 1
        ran += place.starts(rid)
    assert ran > 20  # those that were killed before their first line have none


def test_two_launchers_race_for_one_run(place):
    for n in range(20):
        rid = f"race-{n}"
        one, two = place.driver(), place.driver()
        for d in (one, two):
            d.run(rid, *program(rid, "exit 8"))
        for d in (one, two):
            d.send("release", rid)
        for d in (one, two):
            e = d.event(event="RUN_EXIT", id=rid)
            assert e["code"] in (8, -1)
        assert place.starts(rid) == 1
        one.quit()
        two.quit()
