"""README's first command, as a user would type it."""

import contextlib
import gzip
import json
import os
import re
import subprocess
import uuid
from pathlib import Path

import harness
import pytest

QUICKSTART = harness.ROOT / "contrib" / "quickstart.sh"
STEPS = ("devplane", "agent", "location", "definitions", "sensor", "schedule", "partitions",
         "plan", "subset", "notebook", "shared run", "run", "heartbeat", "dagster")
LIMIT = 600
QUARTER, PERIOD, GIBIBYTE = 25_000, 100_000, 1 << 30

pytestmark = pytest.mark.timeout(LIMIT + 60)


class Quickstart:
    """quickstart.sh with a home of its own; what it leaves is ended and counted."""

    def __init__(self, directory, agent):
        self.home = Path(directory) / "quickstart"
        self.agent = agent
        self.id = uuid.uuid4().hex
        build = harness.daglet_binary()
        self.env = {**harness.environment(self.id),
                    "DAGLET_VENV": str(harness.BIN.parent),
                    "DAGLET_BUILD": str(build.parent if build else directory)}

    def __call__(self, *options, **how):
        return subprocess.run(
            [QUICKSTART, "--agent", self.agent, "--home", self.home, *options], env=self.env,
            capture_output=True, text=True, timeout=LIMIT, **how)


@pytest.fixture(params=("python", "daglet"))
def quickstart(request, tmp_path):
    reason = harness.why_not(request.param)
    if reason:
        pytest.skip(reason)
    one = Quickstart(tmp_path, request.param)
    yield one
    left = harness.marked(one.id)
    harness.end_all(one.id)
    assert not left


def check(result):
    """All steps were shown and went well; the id of the run."""
    assert result.returncode == 0, result.stdout + result.stderr
    shown = re.findall(r"^\[ *[0-9.]+ s\] (.{12})", result.stdout, re.M)
    assert [s for s in STEPS if s not in (line.strip() for line in shown)] == []
    last = result.stdout.splitlines()[-1]
    run = re.fullmatch(r"quickstart: run ([0-9a-f-]{36}) ended in SUCCESS", last)
    assert run, result.stdout
    return run[1]


def test_shows_a_project_being_served(quickstart, tmp_path):
    run = check(quickstart("--keep"))
    dagster_home = quickstart.home / "devplane" / "deployments" / "prod"
    env = {**quickstart.env, "DAGSTER_HOME": str(dagster_home)}

    def dagster(*arguments):
        return subprocess.run([harness.BIN / "dagster", *arguments], env=env, check=True,
                              capture_output=True, text=True, timeout=120).stdout

    assert run in dagster("run", "list", "--limit", "5")
    # The events of the run, as open-source dagster reads them: its worker wrote them.
    dagster("debug", "export", run, str(tmp_path / "run.gz"))
    with gzip.open(tmp_path / "run.gz", "rt", encoding="utf-8") as f:
        events = [e for e in json.load(f)["event_list"] if e["dagster_event"]]
    worker = next(int(m[1]) for e in events
                  if (m := re.search(r"Started process for run \(pid: (\d+)\)",
                                     e["dagster_event"]["message"] or "")))
    pids = {}
    for e in events:
        d = e["dagster_event"]
        if d["pid"] is not None:
            pids.setdefault(d["event_type_value"], []).append(d["pid"])
    assert pids["PIPELINE_START"] == pids["PIPELINE_SUCCESS"] == [worker]
    assert pids["STEP_WORKER_STARTING"] == [worker, worker]
    assert len(pids["STEP_SUCCESS"]) == 2 and worker not in pids["STEP_SUCCESS"]
    assert not harness.alive(worker)

    assert harness.marked(quickstart.id) != {}  # --keep
    stopped = quickstart("--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert harness.marked(quickstart.id) == {}


def test_fails_when_the_code_server_does(quickstart):
    result = quickstart("--break-server")
    assert result.returncode == 1
    assert "this project cannot be loaded (quickstart --break-server)" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("quickstart: failed")


@pytest.mark.parametrize("quickstart", ["daglet"], indirect=True)
def test_on_a_quarter_of_a_core_and_one_gibibyte(quickstart, capsys):
    with contextlib.ExitStack() as stack:
        groups = control_groups(stack, quickstart.id)
        if not groups:
            pytest.skip("no control groups with cpu and memory can be made here")
        check(quickstart("--keep", *(f"--cgroup={g}" for g in dict.fromkeys(groups))))
        cpu, memory = groups
        throttled = re.search(r"^nr_throttled (\d+)$", (cpu / "cpu.stat").read_text(), re.M)
        assert int(throttled[1]) > 0  # so the limit was there, and felt
        peak = read_int(memory, "memory.max_usage_in_bytes", "memory.peak")
        assert peak is None or 0 < peak <= GIBIBYTE
        assert oom_kills(memory) == 0
        assert quickstart("--stop").returncode == 0
        with capsys.disabled():
            print(f" throttled {throttled[1]} times, peak {(peak or 0) >> 20} MiB ", end="")


def read_int(group, *names):
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            return int((group / name).read_text())
    return None


def oom_kills(group):
    for name in ("memory.events", "memory.oom_control"):
        with contextlib.suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", (group / name).read_text(), re.M)
            if found:
                return int(found[1])
    return 0


def control_groups(stack, name):
    """A new group below ours with a quarter of a core and one with 1 GiB (the same one with
    version 2), or None where this is not allowed. They are removed with the stack."""
    mounts, ours = {}, {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        where = before.split()[4]
        if kind == "cgroup2":
            mounts["2"] = where
        elif kind == "cgroup":
            mounts.update(dict.fromkeys(options.split(","), where))
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        for one in controllers.split(",") if controllers else ["2"]:
            ours[one] = path
    wanted = [("cpu", {"cpu.cfs_period_us": PERIOD, "cpu.cfs_quota_us": QUARTER}),
              ("memory", {"memory.limit_in_bytes": GIBIBYTE})]
    if "cpu" not in mounts or "memory" not in mounts:
        wanted = [("2", {"cpu.max": f"{QUARTER} {PERIOD}", "memory.max": GIBIBYTE})]
    groups = []
    try:
        for controller, values in wanted:
            parent = Path(mounts[controller] + "/" + ours[controller])
            group = (parent if parent.exists() else Path(mounts[controller])) / f"daglet-{name}"
            group.mkdir()
            stack.callback(group.rmdir)
            for file, value in values.items():
                (group / file).write_text(f"{value}\n")
            groups.append(group)
    except (OSError, KeyError):
        stack.close()
        return None
    return groups if len(groups) == 2 else groups * 2
