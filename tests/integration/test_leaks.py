"""Nothing is left over: an agent that is started, stopped and killed again and again, and one
that is PID 1."""

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

import harness
import pytest
from test_stop import Stand

TURNS = int(os.environ.get("LEAK_TURNS", "20"))


@pytest.fixture
def stand(bench):
    reason = harness.why_not("daglet")
    if reason:
        pytest.skip(reason)
    return lambda **more: Stand(bench, **more)


def tmp(own):
    """Folders and files of daglets in /tmp: of this agent only, others run beside us."""
    return sorted(str(p) for p in own.glob("*")) if own.exists() else None


def rows(home):
    path = next((home / ".daglet").rglob("state.db"))
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        tables = [r[0] for r in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}


def files(home):
    return sorted(str(p.relative_to(home)) for p in (home / ".daglet").rglob("*")
                  if p.parent.name not in ("output",) and not p.name.startswith("state.db"))


def descriptors(status):
    return {(r["role"], r["inst"]): len(os.listdir(f"/proc/{r['pid']}/fd"))
            for r in status["roles"]}


def others(s):
    """Marked processes that are not devplane."""
    return {pid for pid in harness.marked(s.bench.test_id) if pid != s.plane.pid}


def steady(look):
    """A count that has settled: the smallest of a second."""
    seen = []
    end = time.monotonic() + 1
    while time.monotonic() < end:
        seen.append(look())
        time.sleep(0.1)
    return {k: min(x[k] for x in seen) for k in seen[0]}


def test_started_stopped_and_killed_again_and_again(stand):
    s = stand()
    first = steady(lambda: descriptors(s.status()))
    assert s.agent.stop(number=signal.SIGINT) == 0
    harness.until(lambda: not others(s), 20, "everything is gone")
    before = rows(s.home), files(s.home)
    assert tmp(s.agent.sockets) is None, "an orderly stop removes the folder of sockets"
    for turn in range(TURNS):
        how = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)[turn % 4]
        agent = s.start()
        s.plane.request(kind="PING_LOCATION", location="slow", wait=60)
        harness.until(lambda: s.ctl("check").returncode == 0, 60, f"turn {turn}: ready")
        sockets = tmp(agent.sockets)
        assert len(sockets) == 1, f"turn {turn}: one server, one socket: {sockets}"
        if turn >= TURNS - 1:
            last = steady(lambda: descriptors(s.status()))
        agent.stop(number=how)
        if how == signal.SIGINT:
            harness.until(lambda: not others(s), 20, f"turn {turn}: everything is gone")
        else:
            harness.until(lambda: len(others(s)) <= 2, 20, f"turn {turn}: the roles are gone")
    if others(s):
        agent = s.start()
        harness.until(lambda: s.ctl("check").returncode == 0, 60, "ready")
        agent.stop(number=signal.SIGINT)
    harness.until(lambda: not others(s), 20, "everything is gone")
    assert (rows(s.home), files(s.home)) == before
    assert tmp(s.agent.sockets) is None
    assert {k: last[k] - first[k] for k in first if last[k] > first[k]} == {}


ORPHANS = """\
import os, subprocess
import dagster as dg

@dg.op
def nothing(): pass

@dg.job
def job(): nothing()

@dg.sensor(job=job, minimum_interval_seconds=86400)
def orphans(context):
    for _ in range(20):
        subprocess.run(["sh", "-c", "sleep 0.1 &"])
    yield dg.SkipReason("made")

defs = dg.Definitions(jobs=[job], sensors=[orphans])
"""


def children(pid):
    """{child: state} of a process."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            stat = Path(f"/proc/{entry}/stat").read_text(errors="replace")
        except OSError:
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        if entry.isdigit() and int(parent) == pid:
            found[int(entry)] = state
    return found


def test_as_pid_1_it_reaps_and_takes_signals(bench):
    reason = harness.why_not("daglet")
    if reason or os.geteuid() != 0:
        pytest.skip(reason or "a pid namespace needs root")
    plane = bench.devplane()
    (bench.directory / "orphans.py").write_text(ORPHANS)
    (bench.directory / "dagster_cloud.yaml").write_text(
        "locations:\n  - location_name: orphans\n    code_source:\n"
        f"      python_file: {bench.directory}/orphans.py\n")
    plane.location_add(path=str(bench.directory / "dagster_cloud.yaml"))
    home = bench.directory / "agent"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        harness.DAGSTER_YAML.format(url=plane.url, token=plane.token))
    box = harness.Process(
        ["unshare", "--pid", "--fork", "--mount-proc", harness.daglet_binary(), "run", home],
        bench.test_id, bench.directory / "box.log", cwd=home)
    bench.processes.append(box)
    try:
        plane.location_wait(name="orphans", server="RUNNING", wait=120)
        (init,) = children(box.pid)
        assert "\nNSpid:\t%d\t1\n" % init in Path(f"/proc/{init}/status").read_text()
        for _ in range(3):
            plane.request(kind="GET_EXTERNAL_SENSOR_EXECUTION_DATA", location="orphans",
                          sensor="orphans", wait=30)
        run = plane.run_launch(job="job", location="orphans", wait=120)
        assert plane.run(run_id=run["run_id"], wait=60)["status"] == "SUCCESS"
        harness.until(lambda: len(c := children(init)) == 6 and "Z" not in c.values(), 20,
                      "only the roles are left, and nobody is a zombie")
        os.kill(init, signal.SIGHUP)
        harness.until(lambda: "nothing has changed" in box.output(), 10, "SIGHUP is heard")
        os.kill(init, signal.SIGTERM)
        assert box.popen.wait(30) == 0, box.output()
        assert "code servers are removed" in box.output()
        assert not [p for p in harness.marked(bench.test_id) if p != plane.pid]
    finally:
        box.kill()
