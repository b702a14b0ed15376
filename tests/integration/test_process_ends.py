"""How runs of the process backend end: stopped with all that they started, out of memory, not
started for want of processes, their numbers given to others; and that nothing is left of them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import process_rig
import pytest
from process_rig import (  # noqa: F401
    TOOL, alive, kill, nothing_left, owned, place, program, pytestmark, rmdir, subreaper, wait_for,
)

UNSHARE = shutil.which("unshare")


def wrapped(place, monkeypatch, script):
    """The driver is started by this shell script ("$@" is it)."""
    wrapper = place.dir / "wrapper"
    wrapper.write_text(f"#!/bin/sh\n{script}\n".replace("TOOL", TOOL))
    wrapper.chmod(0o700)
    monkeypatch.setattr(process_rig, "TOOL", str(wrapper))


@pytest.fixture(params=["cgroup", "no cgroup"])
def with_and_without(request, place, monkeypatch):
    """Twice: as it is here, and in a mount namespace without cgroups."""
    if request.param == "no cgroup":
        if not UNSHARE or os.geteuid() or subprocess.run(
                [UNSHARE, "-m", "umount", "-l", "/sys/fs/cgroup"], check=False,
                capture_output=True).returncode:
            pytest.skip("cgroups cannot be hidden here")
        wrapped(place, monkeypatch, f"exec {UNSHARE} -m sh -c "
                "'umount -l /sys/fs/cgroup; exec TOOL \"$@\"' sh \"$@\"")
    return place


# --- stopping ----------------------------------------------------------------------------------

# Left its session, its parents and its environment; its number stands in the file.
DAEMON = "(/usr/bin/env -i /usr/bin/setsid /bin/sh -c 'echo $$ >>{file}; exec sleep 1000' &)"


@pytest.fixture(autouse=True)
def no_daemon_survives_its_test(place):
    """They carry no mark, so the place does not find them when a test fails."""
    yield
    path = place.effects / "daemons"
    for pid in path.read_text().split() if path.exists() else ():
        kill(int(pid))


def daemons(place, count):
    path = place.effects / "daemons"
    return wait_for(lambda: path.exists() and len(p := path.read_text().split()) == count
                    and [int(pid) for pid in p])


def started(place, d, then):
    script = "; ".join([DAEMON.format(file=place.effects / "daemons")] * 2)
    d.run("r1", *program("r1", f"{script}; setsid sleep 1000 & sleep 1001 & {then}"))
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    return daemons(place, 2)


@pytest.mark.parametrize("deaf,ends", [
    ("", signal.SIGINT),
    ("trap '' INT;", signal.SIGTERM),
    ("trap '' INT TERM;", signal.SIGKILL),
])
def test_nothing_of_a_stopped_run_is_left(with_and_without, deaf, ends):
    place = with_and_without
    d = place.driver()
    # A shell waits for its command before it dies of a signal.
    pids = started(place, d, f"{deaf} touch $EFFECTS/on; while :; do read x </dev/null; done")
    wait_for((place.effects / "on").exists)
    d.send("run_stop", "r1", 300)
    assert d.event(event="RUN_EXIT")["signal"] == ends
    wait_for(lambda: not any(map(alive, pids)))
    nothing_left(place, d)


def test_a_run_that_ends_when_told_to_takes_everything_with_it(with_and_without):
    place = with_and_without
    d = place.driver()
    pids = started(place, d, "trap 'exit 3' INT; touch $EFFECTS/on; while :; do sleep 0.02; done")
    wait_for((place.effects / "on").exists)
    d.send("run_stop", "r1", 60000)
    assert d.event(event="RUN_EXIT")["code"] == 3
    wait_for(lambda: not any(map(alive, pids)))
    nothing_left(place, d)


def test_a_tree_that_keeps_forking_goes_too(with_and_without):
    place = with_and_without
    d = place.driver()
    forks = "f() { setsid sh -c \"trap '' INT TERM; while :; do (sleep 0.02); done\" & }; f; f; f; f"
    pids = started(place, d, f"trap '' INT TERM; {forks}; touch $EFFECTS/on;"
                   " while :; do (sleep 0.01); done")
    wait_for((place.effects / "on").exists)
    d.send("run_stop", "r1", 100)
    assert d.event(event="RUN_EXIT")["signal"] == signal.SIGKILL
    wait_for(lambda: not any(map(alive, pids)))
    nothing_left(place, d)


def test_an_adopted_run_is_stopped_as_any(place):
    d = place.driver()
    text = d.run("r1", *program("r1", f"{DAEMON.format(file=place.effects / 'daemons')};"
                                " trap '' INT TERM; touch $EFFECTS/on; while :; do sleep 0.02; done"))
    d.send("release", "r1")
    pids = daemons(place, 1)
    wait_for((place.effects / "on").exists)
    d.kill()
    d = place.driver()
    assert d.ask("adopt_run", "r1", text)["result"] == 1
    d.event(event="RUN_STARTED")
    d.send("run_stop", "r1", 100)
    assert d.event(event="RUN_EXIT")["signal"] == signal.SIGKILL
    wait_for(lambda: not any(map(alive, pids)))
    nothing_left(place, d)


def test_numbers_that_are_used_again(tmp_path):
    if not UNSHARE or os.geteuid() or not os.path.exists("/proc/sys/kernel/ns_last_pid"):
        pytest.skip("processes cannot be numbered here")
    short = Path("/tmp") / f"dg-{uuid.uuid4().hex[:8]}"
    (tmp_path / "ns").mkdir()
    short.symlink_to(tmp_path / "ns")
    try:
        done = subprocess.run(
            [UNSHARE, "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
             Path(__file__).with_name("pid_reuse.py"), short],
            capture_output=True, text=True, timeout=120, check=False)
    finally:
        short.unlink()
    if "ns_last_pid" in done.stderr and "Permission" in done.stderr:
        pytest.skip("processes cannot be numbered here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok\n") == 3


# --- out of memory -----------------------------------------------------------------------------


def limited(text):
    """Give the run's cgroup 60 MB."""
    cgroup = json.loads(text).get("cgroup")
    for name in ("memory.max", "memory.limit_in_bytes"):
        with contextlib.suppress(OSError, TypeError):
            with open(os.path.join(cgroup, name), "r+", encoding="ascii") as f:
                f.write(str(60 << 20))
            return
    pytest.skip("no cgroup with a memory limit can be made here")


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("exec_,ends", [("exec", (-1, signal.SIGKILL)), ("", (7, 0))])
def test_out_of_memory_is_told(place, watched, exec_, ends):
    """The run itself or a process of its own; seen, or while no launcher was there."""
    d = place.driver()
    text = d.run("r1", *program("r1", "while [ ! -e $EFFECTS/go ]; do sleep 0.01; done;"
                                f"{exec_} python3 -c 'x = bytearray(300 << 20)'; exit 7"))
    limited(text)
    d.send("release", "r1")
    d.event(event="RUN_STARTED")
    if not watched:
        d.kill()
    (place.effects / "go").touch()
    if not watched:
        wait_for(lambda: list((place.state / "runs").glob("*.exit")))
        wait_for(lambda: place.reap() is not None and not owned(place.mark.encode()))
        d = place.driver()
        assert d.ask("adopt_run", "r1", text)["result"] == 0
    e = d.event(event="RUN_EXIT")
    assert (e["code"], e["signal"]) == ends and e["oom"]
    nothing_left(place, d)


# --- no more processes -------------------------------------------------------------------------


@pytest.fixture
def pids_cgroup():
    folder = Path("/sys/fs/cgroup/pids") / f"daglet-test-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the number of processes cannot be limited here")
    yield folder
    wait_for(lambda: rmdir(folder))


@pytest.mark.parametrize("room", [0, 1])
def test_no_process_can_be_made(pids_cgroup, place, room):
    """Neither for daglet-run (0) nor, where that is there, for the worker (1)."""
    d = place.driver()
    (pids_cgroup / "cgroup.procs").write_text(str(d.process.pid))
    (pids_cgroup / "pids.max").write_text(str(1 + room))
    before = sorted(os.listdir(f"/proc/{d.process.pid}/fd"))
    d.send("run", "r1", *program("r1"))
    answer = d.event(answer="run")
    if room:
        text = d.event(event="RUN_FAILED")["error"]
    else:
        text = answer["text"]
        assert answer["result"] < 0
    assert "cannot fork for" in text and "Resource temporarily unavailable" in text
    nothing_left(place, d)
    assert not list((place.state / "runs").iterdir())
    assert not list((place.state / "output").iterdir())
    wait_for(lambda: sorted(os.listdir(f"/proc/{d.process.pid}/fd")) == before)
    # Certain that it never started: it may be asked for again.
    (pids_cgroup / "pids.max").write_text("max")
    d.run("r1", *program("r1", "exit 4"))
    d.send("release", "r1")
    assert d.event(event="RUN_EXIT")["code"] == 4
    assert place.starts("r1") == 1
    d.quit()


# --- what a worker gets, what it leaves --------------------------------------------------------


def test_what_a_worker_inherits(place, monkeypatch):
    """Nothing of the launcher's habits: signals, mask, descriptors, umask, session."""
    wrapped(place, monkeypatch, "trap '' INT HUP PIPE USR1; umask 077; ulimit -Sn 256;"
            "exec 9</dev/null; exec TOOL \"$@\"")
    d = place.driver()
    h = json.loads(d.run("r1", *program(
        "r1", "umask >$EFFECTS/umask; ulimit -n >$EFFECTS/files; readlink /proc/$$/fd/0 >$EFFECTS/stdin;"
        "touch $EFFECTS/on; exec sleep 1000")))
    d.send("release", "r1")
    wait_for((place.effects / "on").exists)
    proc = Path(f"/proc/{h['pid']}")
    wait_for(lambda: (proc / "comm").read_text() == "sleep\n")
    # What the loader opens is closed again, what leaked is not.
    wait_for(lambda: sorted(os.listdir(proc / "fd")) == ["0", "1", "2"])
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines())
    for name in ("SigBlk", "SigIgn"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "0" and status["Seccomp"] == "0"
    assert os.readlink(proc / "fd/1") == os.readlink(proc / "fd/2") == h["output"]
    assert (proc / "oom_score_adj").read_text() == "100\n"
    assert os.getsid(h["pid"]) == h["pid"] != os.getsid(h["parent"])
    assert (place.effects / "umask").read_text() == "0022\n"
    assert (place.effects / "stdin").read_text() == "/dev/null\n"
    hard = int(next(line for line in (proc / "limits").read_text().splitlines()
                    if line.startswith("Max open files")).split()[4])
    assert int((place.effects / "files").read_text()) == min(65536, hard)
    d.send("run_stop", "r1", 0)
    d.event(event="RUN_EXIT")


def test_two_hundred_runs_leave_nothing_but_their_markers(place):
    d = place.driver()
    fds = f"/proc/{d.process.pid}/fd"
    d.run("warm", *program("warm"))
    d.send("release", "warm")
    d.event(event="RUN_EXIT")
    d.ask("limits")  # it has turned once more: all is closed
    before = sorted(os.listdir(fds))
    for first in range(0, 200, 25):
        ids = [f"r{i}" for i in range(first, first + 25)]
        for i in ids:
            d.send("run", i, *program(i))
        for i in ids:
            d.event(event="RUN_HANDLE", id=i)
            d.send("release", i)
        for i in ids:
            assert d.event(event="RUN_EXIT", id=i)["code"] == 0
            assert place.starts(i) == 1
        d.seen.clear()
    nothing_left(place, d)
    children = Path(f"/proc/{d.process.pid}/task/{d.process.pid}/children")
    wait_for(lambda: not children.read_text().split())
    wait_for(lambda: sorted(os.listdir(fds)) == before)
    names = sorted(f.suffix for f in (place.state / "runs").iterdir())
    assert names == [".exit"] * 201 + [".started"] * 201
