"""Code servers outlive their agent, and deploys lose no call: 20 locations on one agent that is
killed, replaced by a newer build and told of new versions, under a steady load.

SENSOR is how long the long calls among the others take."""

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import harness
import pytest
from crash_matrix.rig import Rig

LOCATIONS = int(os.environ.get("TEST_LOCATIONS", "20"))
GROUP = 5
SENSOR = float(os.environ.get("TEST_SENSOR_SECONDS", "4"))
DEPLOYS = 5
RATE = 50
FIRST = 1.0  # seconds from the start of an agent to its first answer
TRIES = 3

CODE = """
import time
import dagster as dg
VERSION = {version}
@dg.op
def nothing(): pass
@dg.job(partitions_def=dg.StaticPartitionsDefinition([str(VERSION)]))
def job(): nothing()
@dg.sensor(job=job)
def long(context):
    time.sleep(float(context.cursor))
    return dg.SkipReason("slept")
defs = dg.Definitions(jobs=[job], sensors=[long])
"""

NAMES = [f"p{i:02}" for i in range(LOCATIONS)]

pytestmark = pytest.mark.skipif(bool(harness.why_not("daglet")),
                                reason=str(harness.why_not("daglet")))


class Places(Rig):
    """Rig's looks inside, on many light locations."""

    def __init__(self, bench):
        self.bench = bench
        self.plane = bench.devplane("--log-level", "warning")
        self.code = bench.directory / "code"
        self.code.mkdir()
        self.version = 0
        self.start()
        for i in range(0, LOCATIONS, GROUP):
            for name in NAMES[i:i + GROUP]:
                self.plane.location_add(name=name, fields=self.fields())
            for name in NAMES[i:i + GROUP]:
                self.plane.location_wait(name=name, server="RUNNING", wait=120)

    def fields(self, version=0):
        path = self.code / f"v{version}.py"
        path.write_text(CODE.format(version=version))
        return {"python_file": str(path), "working_directory": str(self.code)}

    def update(self, name):
        self.version += 1
        self.plane.location_update(name=name, fields=self.fields(self.version))
        return self.version

    def servers(self, name=None):
        """{location: [pid, ...]} of all servers, or one location's rows."""
        rows = (self.get() or {}).get("servers", ())
        if name:
            return [s for s in rows if s["location"] == name]
        found = {}
        for s in rows:
            found.setdefault(s["location"], []).append(int(s["handle"] or 0))
        return found

    def kill(self):
        roles = self.ready()
        for pid in (self.agent.pid, *roles.values()):
            os.kill(pid, signal.SIGKILL)
        self.agent.popen.wait()
        harness.until(lambda: not any(map(harness.alive, roles.values())), 5, "all died")

    def ask(self, name, **more):
        got = self.plane.request(kind="GET_EXTERNAL_PARTITION_NAMES", location=name, job="job",
                                 wait=30, **more)["answer"]
        return got

    def serves(self, name, version):
        """The location answers with this version."""
        return self.ask(name)["value"]["partition_names"] == [str(version)]


class Stream:
    """RATE requests per second for one location, and long calls when asked for."""

    def __init__(self, places, name):
        self.p, self.name = places, name

    def __enter__(self):
        self.since = self.p.plane.request(
            kind="PING_LOCATION", location=self.name, wait=30)["seq"]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        while not self.stop.is_set():
            self.p.plane.feed(kind="GET_EXTERNAL_PARTITION_NAMES", location=self.name, job="job",
                              rate=RATE, seconds=1)

    def long(self, count=2, seconds=SENSOR):
        self.p.plane.request(kind="GET_EXTERNAL_SENSOR_EXECUTION_DATA", location=self.name,
                             sensor="long", cursor=str(seconds), count=count)

    def answered(self):
        return self.p.plane.stats(since=self.since)["answered"]

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def judge(self, least):
        """Every request is answered, once, and none by an error."""
        harness.until(lambda: not self.p.plane.stats(since=self.since)["waiting"]
                      and self.p.pending() == 0, SENSOR + 60, "all are answered", step=0.1)
        asked = self.p.plane.requests(since=self.since, limit=1000000)["requests"]
        answers = []
        for i in range(0, len(asked), 500):
            answers += self.p.plane.answers(
                ids=[r["id"] for r in asked[i:i + 500]], full=True)["answers"]
        assert len(answers) >= least, len(answers)
        bad = [a for a in answers if a["accepted"] != 1 or a["rejected"]
               or "DagsterCloudApiErrorResponse" in a["answers"][0]
               or "ErrorData" in a["answers"][0]]
        assert not bad, f"{len(bad)} of {len(answers)}, the first: {bad[0]}"
        return len(answers)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    with harness.Bench(tmp_path_factory.mktemp("places")) as bench:
        try:
            p = Places(bench)
            p.ready()
            yield p
        except Exception:
            print(bench.outputs())
            raise


def kept(p, before):
    after = harness.until(lambda: (s := p.servers()) and len(s) == LOCATIONS and s, 20, "adopted")
    assert after == before
    assert all(harness.alive(pid) for pids in before.values() for pid in pids)


def test_a_killed_agent_finds_every_server_again(places):
    before = places.servers()
    assert sorted(before) == NAMES and all(len(pids) == 1 for pids in before.values())
    seen = []
    for _ in range(TRIES):
        places.kill()
        ids = places.plane.request(kind="GET_EXTERNAL_PARTITION_NAMES", location=NAMES[7],
                                   job="job")["ids"]
        begun = time.time()
        places.start()
        (answer,) = places.plane.answers(ids=ids, wait=30, full=True)["answers"]
        assert "PartitionNamesData" in answer["answers"][0]
        seen.append(answer["answered"] - begun)
        if seen[-1] < FIRST:
            break
    print(f"\nfirst answer after {seen} s")
    assert seen[-1] < FIRST, f"first answers after {seen} s"
    places.ready()
    kept(places, before)
    for name in NAMES:
        assert places.ask(name)["value"], name


def newer_build(folder):
    """The programs of the build in another folder, with another version."""
    build = Path(harness.daglet_binary()).parent
    said = subprocess.run([build / "daglet", "--version"], capture_output=True, text=True,
                          check=True).stdout.split()
    old = next(w for w in said if w[0].isdigit()).encode()
    new = old[:-1] + (b"8" if old[-1:] != b"8" else b"9")
    folder.mkdir()
    for path in build.glob("daglet*"):
        if path.is_file() and os.access(path, os.X_OK):
            shutil.copy(path, folder / path.name)
            text = (folder / path.name).read_bytes()
            (folder / path.name).write_bytes(text.replace(old, new))
    assert new.decode() in subprocess.run([folder / "daglet", "--version"], capture_output=True,
                                          text=True, check=True).stdout
    return folder / "daglet"


def test_a_newer_build_takes_its_place_under_load(places, monkeypatch):
    before = places.servers()
    with Stream(places, NAMES[3]) as stream:
        stream.long(2, min(SENSOR, 4))
        harness.until(lambda: any(s["calls"] for s in places.servers(NAMES[3])), 10, "calls")
        binary = newer_build(places.bench.directory / "newer")
        monkeypatch.setenv("DAGLET_BIN", str(binary))
        assert places.agent.stop() == 0
        places.start()
        roles = places.ready()
        served = stream.answered()
        harness.until(lambda: stream.answered() > served + RATE, 30, "it serves")
    assert all(os.readlink(f"/proc/{pid}/exe").startswith(str(binary.parent))
               for pid in roles.values())
    print(f"\n{stream.judge(100)} requests answered across the change")
    kept(places, before)


def test_deploys_fail_no_call(places):
    name = NAMES[5]
    took = []
    with Stream(places, name) as stream:
        for _ in range(DEPLOYS):
            stream.long(2)
            old = {s["handle"] for s in places.servers(name)}
            begun = time.monotonic()
            places.update(name)
            harness.until(lambda: any(s["state"] == "serving" and s["handle"] not in old
                                      for s in places.servers(name)), 60, "the new one serves")
            took.append(time.monotonic() - begun)
    print(f"\n{stream.judge(RATE)} requests answered, deploys took "
          f"{', '.join(f'{t:.1f}' for t in took)} s")
    harness.until(lambda: len(places.servers(name)) == 1, 30, "the old ones end")
    assert places.serves(name, places.version)


def test_many_updates_start_few_servers(places):
    name = NAMES[9]
    (old,) = places.servers(name)
    seen, stop = set(), threading.Event()

    def look():
        while not stop.wait(0.02):
            seen.update(s["handle"] for s in places.servers(name))

    watcher = threading.Thread(target=look)
    watcher.start()
    begun = time.monotonic()
    for i in range(10):
        time.sleep(max(0.0, begun + i - time.monotonic()))
        version = places.update(name)
    try:
        harness.until(lambda: places.serves(name, version), 60, "the newest serves", step=0.2)
        harness.until(lambda: len(places.servers(name)) == 1, 30, "nothing is left over")
    finally:
        stop.set()
        watcher.join()
    started = seen - {None, old["handle"]}
    assert 1 <= len(started) <= 2, f"started: {started}, before: {old}"
    (last,) = places.servers(name)
    assert not [pid for pid in started | {old["handle"]}
                if pid != last["handle"] and harness.alive(int(pid))]


def test_a_number_that_is_used_again_is_not_adopted(places):
    """A server that died with the agent, and its pid now another process's, is not taken."""
    name = NAMES[11]
    (row,) = places.servers(name)
    pid = int(row["handle"])
    places.kill()
    os.kill(pid, signal.SIGKILL)
    harness.until(lambda: not harness.alive(pid), 5, "it is dead")
    again = reuse(pid)
    try:
        places.start()
        places.ready()
        harness.until(lambda: [s for s in places.servers(name) if s["state"] == "serving"
                               and int(s["handle"]) != pid], 60, "a new one serves")
        if again:
            assert again.poll() is None, "a stranger was ended"
        assert places.ask(name)["value"]
    finally:
        if again:
            again.kill()
            again.wait()


def reuse(pid):
    """A process with this number, where the kernel lets us choose it; else None."""
    try:
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
    except OSError:
        return None
    p = subprocess.Popen(["/bin/sleep", "600"])
    if p.pid == pid:
        return p
    p.kill()
    p.wait()
    return None
