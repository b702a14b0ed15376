"""The process backend by itself, with real processes: tests/tools/process-backend is a launcher
in miniature (commands in, events out). The test's process plays the master: it is the subreaper of
everything, so that orphans come to it, and tells the backend how they ended."""

import ctypes
import hashlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
import uuid

import pytest

BUILD = os.environ.get("DAGLET_BUILD", os.getcwd())
TOOL = os.path.join(BUILD, "tests", "tools", "process-backend")
PR_SET_CHILD_SUBREAPER = 36
LIMIT = 20  # seconds that anything may take on a busy machine

pytestmark = pytest.mark.skipif(not os.path.exists(TOOL), reason="tests/tools is not built")


def wait_for(what, limit=LIMIT):
    """The first true value of what(), looked at often; fails after the limit."""
    end = time.monotonic() + limit
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def rmdir(path):
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.exists(path)
    return True


def owned(mark):
    """Living processes that carry this test's mark."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open(f"/proc/{entry}/environ", "rb") as f:
                    if mark in f.read() and alive(int(entry)):
                        found.append(int(entry))
            except OSError:
                pass
    return found


class Driver:
    """One life of the miniature launcher."""

    def __init__(self, place, state, runtime):
        self.place = place
        self.log = open(place.dir / "log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [TOOL, str(state), str(runtime)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, env=place.env, start_new_session=True)
        self.lines = queue.Queue()
        self.seen = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.opened = self.event(answer="open")

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def send(self, *words):
        self.process.stdin.write(("\t".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()

    def find(self, **want):
        return [e for e in self.seen if all(e.get(k) == v for k, v in want.items())]

    def event(self, limit=LIMIT, **want):
        """The first event or answer like that, taken out of those that were seen."""
        end = time.monotonic() + limit
        while True:
            for e in self.find(**want):
                self.seen.remove(e)
                return e
            try:
                e = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                e = None
            assert e is not None, f"no {want}; there was {self.seen}"
            self.seen.append(e)

    def end_of(self, rid, limit=LIMIT):
        """RUN_EXIT or RUN_FAILED of a run; None where neither comes in time."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            for e in self.seen:
                if e.get("event") in ("RUN_EXIT", "RUN_FAILED") and e["id"] == rid:
                    self.seen.remove(e)
                    return e
            try:
                e = self.lines.get(timeout=0.02)
            except queue.Empty:
                continue
            assert e is not None, f"the launcher died: {self.process.wait()}"
            self.seen.append(e)
        assert not limit == LIMIT, f"no end of {rid}; there was {self.seen}"
        return None

    def ask(self, *words):
        self.send(*words)
        return self.event(answer=words[0])

    def server(self, sid, *argv, fails=False):
        answer = self.ask("server", sid, *argv)
        assert (answer["result"] < 0) == fails, answer
        if fails:
            return answer
        return self.event(event="SERVER_HANDLE", id=sid)["handle"]

    def run(self, rid, *argv):
        answer = self.ask("run", rid, *argv)
        assert answer["result"] == 0, answer
        return self.event(event="RUN_HANDLE", id=rid)["handle"]

    def kill(self):
        self.process.kill()
        self.end()

    def quit(self):
        try:
            self.send("quit")
        except BrokenPipeError:
            pass
        self.end()

    def end(self):
        want = (0, -signal.SIGKILL) if self.opened["result"] == 0 else (78,)
        assert self.process.wait(LIMIT) in want
        self.reader.join(LIMIT)
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


class Place:
    """Folders, and whoever is started in them."""

    def __init__(self, directory):
        self.dir = directory
        self.state = directory / "state"
        self.runtime = directory / "runtime"
        self.effects = directory / "effects"
        self.mark = uuid.uuid4().hex
        self.env = dict(os.environ, DAGLET_TEST_MARK=self.mark, EFFECTS=str(self.effects))
        self.drivers = []
        self.reaped = {}
        for d in (self.state, self.runtime, self.effects):
            d.mkdir()

    def driver(self, state=None, runtime=None):
        d = Driver(self, self.state if state is None else state,
                   self.runtime if runtime is None else runtime)
        self.drivers.append(d)
        return d

    def reap(self):
        """As the master does: orphans that ended, {pid: status}."""
        while True:
            drivers = {d.process.pid for d in self.drivers}
            try:
                info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if info is None or info.si_pid in drivers:
                break
            pid, status = os.waitpid(info.si_pid, 0)
            self.reaped[pid] = status
        return self.reaped

    def starts(self, rid):
        """How often this run's program was executed."""
        try:
            return len((self.effects / rid).read_text().splitlines())
        except FileNotFoundError:
            return 0

    def cgroups(self):
        """What was made for servers and runs of these folders."""
        found = []
        for folder in (self.state / "runs", self.runtime / "runs"):
            prefix = f"daglet-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}-"
            for line in open("/proc/self/cgroup", encoding="ascii"):
                path = line.strip().split(":", 2)[2]
                for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"):
                    if os.path.isdir(root + path):
                        found += [os.path.join(root + path, d) for d in os.listdir(root + path)
                                  if d.startswith(prefix)]
        return found

    def close(self):
        for d in self.drivers:
            if d.process.poll() is None:
                d.quit()
        left = owned(self.mark.encode())
        for pid in left:
            kill(pid)
        wait_for(lambda: self.reap() is not None and not owned(self.mark.encode()))
        wait_for(lambda: not [c for c in self.cgroups() if not rmdir(c)])


# What a run does here: says that it was started, then as it is told.
def program(rid, then="true"):
    return ("/bin/sh", "-c", f"echo $$ >> $EFFECTS/{rid}; {then}")


# A server here: deaf to the arguments that the backend adds.
SLEEPER = ("/bin/sh", "-c", "exec sleep 1000")


@pytest.fixture(scope="module", autouse=True)
def subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def place(tmp_path):
    # Socket names are short, pytest's folders are not.
    short = os.path.join("/tmp", "dg-" + uuid.uuid4().hex[:8])
    os.symlink(tmp_path, short)
    p = Place(tmp_path)
    p.runtime = type(tmp_path)(short) / "runtime"
    try:
        yield p
    finally:
        p.close()
        os.unlink(short)


def nothing_left(place, driver):
    """No process, socket, output or cgroup of servers remains."""
    wait_for(lambda: not [p for p in owned(place.mark.encode()) if p != driver.process.pid])
    assert not list(place.runtime.glob("*.s"))
    assert not [f for f in (place.state / "output").glob("*") if ".run." not in f.name]
    wait_for(lambda: not place.cgroups())
