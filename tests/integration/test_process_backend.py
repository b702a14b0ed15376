"""The process backend by itself, with real processes: tests/tools/process-backend is a launcher
in miniature (commands in, events out). This process plays the master: it is the subreaper of
everything, so that orphans come to it, and tells the backend how they ended."""

import ctypes
import hashlib
import json
import os
import queue
import random
import shutil
import signal
import socket
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
            assert e is not None, "the launcher died"
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


# --- servers -----------------------------------------------------------------------------------


def test_early_exit_is_told_with_code_and_last_lines(place):
    d = place.driver()
    began = time.monotonic()
    d.server("00000000000000a1", "/bin/sh", "-c",
             "echo out; echo '\x1b[31mTraceback\x1b[0m' >&2; exit 7")
    assert d.event(event="SERVER_UP")["endpoint"].startswith(f"unix:{place.runtime}/")
    e = d.event(event="SERVER_EXIT")
    assert time.monotonic() - began < 5
    assert (e["known"], e["code"], e["signal"], e["oom"]) == (True, 7, 0, False)
    assert e["tail"] == "out\nTraceback\n"
    nothing_left(place, d)
    wait_for(lambda: "Traceback srv=00000000000000a1 dep=prod loc=loc" in
             (place.dir / "log").read_text())


def test_killed_server_is_told_with_its_signal(place):
    d = place.driver()
    handle = json.loads(d.server("00000000000000a2", *SLEEPER))
    assert d.ask("tag", "00000000000000a2")["text"] == str(handle["pid"])
    os.kill(handle["pid"], signal.SIGSEGV)
    e = d.event(event="SERVER_EXIT")
    assert (e["known"], e["code"], e["signal"], e["oom"]) == (True, -1, signal.SIGSEGV, False)
    nothing_left(place, d)


def test_missing_interpreter_is_an_error_at_once(place):
    d = place.driver()
    a = d.server("00000000000000a3", "/no/such/python", "-m", "dagster", fails=True)
    assert "cannot find the program /no/such/python" in a["text"]
    assert "executable_path" in a["text"] and "loc in prod" in a["text"]
    a = d.ask("run", "r", "no-such-dagster", "api")
    assert a["result"] < 0 and "no-such-dagster" in a["text"]
    assert not list((place.state / "runs").iterdir())
    nothing_left(place, d)


def test_an_argument_that_is_too_long_is_an_error_at_once(place):
    d = place.driver()
    a = d.server("00000000000000a4", "echo", "x" * 140_000, fails=True)
    assert "128 KiB" in a["text"]
    a = d.ask("run", "r", "echo", "x" * 140_000)
    assert a["result"] < 0 and "128 KiB" in a["text"]
    nothing_left(place, d)


def test_images_and_pex_are_refused(place):
    d = place.driver()
    assert d.ask("validate", "-", "-")["result"] == 0
    assert "Docker image (img:1)" in d.ask("validate", "img:1", "-")["text"]
    assert "PEX" in d.ask("validate", "-", "pex")["text"]


def test_what_a_server_gets(place):
    d = place.driver()
    d.send("env", "COLOUR=blue=green")
    d.send("env", f"DAGLET_TEST_MARK={place.mark}")
    h = json.loads(d.server("00000000000000a5", "/bin/sh", "-c",
                            'echo "$@"; env; readlink /proc/$$/fd/0; exec sleep 1000', "sh", "grpc"))
    d.send("logs", "00000000000000a5", "server", 100, 42)
    wait_for(lambda: "/dev/null" in open(h["output"]).read())
    d.send("logs", "00000000000000a5", "server", 100, 43)
    text = d.event(event="LOGS", ticket=43)["text"]
    lines = text.splitlines()
    assert lines[0] == "grpc --heartbeat --heartbeat-timeout 300"
    assert "COLOUR=blue=green" in lines
    assert f"DAGSTER_CLI_API_GRPC_SOCKET={h['socket']}" in lines
    assert lines[-1] == "/dev/null"
    assert len(h["socket"]) <= 107
    d.send("stop", "00000000000000a5", 5000)
    assert d.event(event="SERVER_EXIT")["signal"] == signal.SIGTERM
    nothing_left(place, d)


def test_stop_escalates_to_the_whole_tree(place):
    d = place.driver()
    # Deaf to TERM, with a child, a child in a session of its own, and an orphan.
    d.server("00000000000000a6", "/bin/sh", "-c",
             "trap '' TERM; sleep 1001 & setsid sleep 1002 & (setsid sh -c 'sleep 1003 & sleep 1004' &);"
             " echo ready; while :; do sleep 1; done")
    wait_for(lambda: len(owned(place.mark.encode())) >= 7)
    began = time.monotonic()
    d.send("stop", "00000000000000a6", 300)
    e = d.event(event="SERVER_EXIT")
    assert e["signal"] == signal.SIGKILL and not e["oom"]
    assert 0.25 < time.monotonic() - began < 5
    nothing_left(place, d)


def test_kill_gives_no_grace(place):
    d = place.driver()
    d.server("00000000000000a7", "/bin/sh", "-c", "trap '' TERM; touch $EFFECTS/on; sleep 1000; sleep 1000")
    wait_for(lambda: (place.effects / "on").exists())
    d.send("stop", "00000000000000a7", 60000)
    d.send("kill", "00000000000000a7")
    assert d.event(limit=5, event="SERVER_EXIT")["signal"] == signal.SIGKILL
    nothing_left(place, d)


def test_what_a_dead_server_leaves_in_its_session_goes_too(place):
    d = place.driver()
    h = json.loads(d.server("00000000000000a8", "/bin/sh", "-c", "sleep 1000 & sleep 1000"))
    wait_for(lambda: len(owned(place.mark.encode())) >= 4)
    os.kill(h["pid"], signal.SIGKILL)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_fifty_children(place):
    d = place.driver()
    ids = [f"{i:016x}" for i in range(0x100, 0x132)]
    for sid in ids:
        d.send("server", sid, "/bin/sh", "-c", f"echo {sid}; exec sleep 1000")
    handles = {sid: json.loads(d.event(event="SERVER_HANDLE", id=sid)["handle"]) for sid in ids}
    assert len({h["socket"] for h in handles.values()}) == 50
    for sid in ids[:25]:
        os.kill(handles[sid]["pid"], signal.SIGKILL)
    for sid in ids[25:]:
        d.send("stop", sid, 10000)
    for n, sid in enumerate(ids):
        e = d.event(event="SERVER_EXIT", id=sid)
        assert e["signal"] == (signal.SIGKILL if n < 25 else signal.SIGTERM)
    nothing_left(place, d)


def test_output_never_blocks_or_breaks_a_child(place):
    """20 MB are printed while the launcher is stopped, dead and back; nothing is noticed."""
    d = place.driver()
    sid = "00000000000000a9"
    text = d.server(sid, "/bin/sh", "-c",
                    "while [ ! -e $EFFECTS/go ]; do sleep 0.01; done;"
                    "yes 0123456789012345678901234567890123456789 | head -c 20000000;"
                    "echo printed >$EFFECTS/printed; echo the end; exec sleep 1000")
    d.process.send_signal(signal.SIGSTOP)
    (place.effects / "go").touch()
    wait_for(lambda: (place.effects / "printed").exists())
    d.kill()
    h = json.loads(text)
    assert alive(h["pid"])
    d = place.driver()
    assert d.ask("adopt_server", sid, text)["result"] == 1
    d.send("logs", sid, "server", 2, 7)
    assert d.event(event="LOGS", ticket=7)["text"].endswith("the end\n")
    d.send("kill", sid)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_output_file_is_kept_small(place):
    d = place.driver()
    sid = "00000000000000aa"
    h = json.loads(d.server(sid, "/bin/sh", "-c",
                            "for i in 1 2 3 4 5 6; do yes aaaaaaaaaaaaaaaaaaaaa | head -c 5000000;"
                            " sleep 0.3; done; echo the end; exec sleep 1000"))

    def last():
        d.send("logs", sid, "server", 1, 9)
        return d.event(event="LOGS", ticket=9)["text"].endswith("the end\n")

    wait_for(last)
    wait_for(lambda: os.path.getsize(h["output"]) <= 8 << 20)
    assert os.path.getsize(h["output"] + ".1") <= 16 << 20
    assert "lines left out]" in (place.dir / "log").read_text()
    d.send("kill", sid)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_adopted_by_a_second_launcher(place):
    d = place.driver()
    sid = "00000000000000ab"
    text = d.server(sid, "/bin/sh", "-c", "echo before; sleep 1000 & wait")
    h = json.loads(text)
    d.kill()
    assert alive(h["pid"])
    d = place.driver()
    assert d.ask("adopt_server", sid, text)["result"] == 1
    assert d.event(event="SERVER_UP", id=sid)["endpoint"] == "unix:" + h["socket"]
    assert d.ask("tag", sid)["text"] == str(h["pid"])
    # Its end: the master tells how.
    os.kill(h["pid"], signal.SIGTERM)
    wait_for(lambda: h["pid"] in place.reap())
    d.send("child_exit", h["pid"], place.reaped[h["pid"]])
    e = d.event(event="SERVER_EXIT")
    assert (e["known"], e["signal"], e["tail"]) == (True, signal.SIGTERM, "before\n")
    nothing_left(place, d)


def test_adopted_and_nobody_tells_how_it_ended(place):
    d = place.driver()
    text = d.server("00000000000000ac", *SLEEPER)
    d.kill()
    d = place.driver()
    assert d.ask("adopt_server", "00000000000000ac", text)["result"] == 1
    os.kill(json.loads(text)["pid"], signal.SIGKILL)
    e = d.event(event="SERVER_EXIT")
    assert (e["known"], e["code"], e["signal"]) == (False, -1, 0)
    nothing_left(place, d)


def test_an_adopted_server_is_stopped_as_any(place):
    d = place.driver()
    text = d.server("00000000000000ad", "/bin/sh", "-c", "trap '' TERM; setsid sleep 1000 & sleep 1000; sleep 1000")
    wait_for(lambda: len(owned(place.mark.encode())) >= 4)
    d.kill()
    d = place.driver()
    assert d.ask("adopt_server", "00000000000000ad", text)["result"] == 1
    d.send("stop", "00000000000000ad", 200)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_handles_of_others_are_gone(place):
    d = place.driver()
    sid = "00000000000000ae"
    text = d.server(sid, "/bin/sh", "-c", "sleep 1000 & sleep 1000")
    h = json.loads(text)
    wait_for(lambda: len(owned(place.mark.encode())) >= 4)
    d.kill()
    d = place.driver()
    for change in ({"boot": "0" * 36}, {"pidns": 1}, {"start": h["start"] + 1}, {"socket": None}):
        other = {k: v for k, v in {**h, **change, "cgroup": None}.items() if v is not None}
        other.pop("output", None)
        assert d.ask("adopt_server", "00000000000000ff", json.dumps(other))["result"] == 0
    assert d.ask("adopt_server", sid, "nonsense")["result"] == 0
    assert alive(h["pid"]), "somebody else's process was hurt"
    # Ended meanwhile: gone, and what it left is cleaned away.
    os.kill(h["pid"], signal.SIGKILL)
    wait_for(lambda: not alive(h["pid"]))
    assert d.ask("adopt_server", sid, text)["result"] == 0
    nothing_left(place, d)


def test_without_a_state_folder_outputs_are_in_memory(place):
    d = place.driver(state="")
    sid = "00000000000000af"
    text = d.server(sid, "/bin/sh", "-c", "echo in memory; exec sleep 1000")
    assert "output" not in json.loads(text)
    d.kill()
    d = place.driver(state="")
    assert d.ask("adopt_server", sid, text)["result"] == 1
    d.send("logs", sid, "server", 5, 1)
    assert d.event(event="LOGS")["text"] == "in memory\n"
    # Markers of runs are beside the sockets then.
    d.run("r1", *program("r1", "echo said; exit 3"))
    d.send("release", "r1")
    e = d.event(event="RUN_EXIT")
    assert (e["code"], e["tail"]) == (3, "said\n")
    assert len(list((place.runtime / "runs").glob("*.started"))) == 1
    d.send("kill", sid)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_the_runtime_folder(place):
    long = place.dir / ("x" * 100)
    long.mkdir()
    assert "too long" in place.driver(runtime=long).opened["text"]
    d = place.driver(runtime="")
    h = json.loads(d.server("00000000000000b0", *SLEEPER))
    folder = os.path.dirname(h["socket"])
    assert folder == f"/tmp/daglet-{os.geteuid()}-0"
    assert os.stat(folder).st_mode & 0o777 == 0o700
    d.send("kill", "00000000000000b0")
    d.event(event="SERVER_EXIT")
    d.quit()
    os.rmdir(folder)
    os.symlink("/tmp", folder)
    try:
        assert "only this user" in place.driver(runtime="").opened["text"]
    finally:
        os.unlink(folder)


# --- runs --------------------------------------------------------------------------------------


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


# --- cgroups -----------------------------------------------------------------------------------


def own_cgroup(handle):
    return json.loads(handle).get("cgroup")


def test_out_of_memory_is_seen(place):
    d = place.driver()
    sid = "00000000000000c1"
    handle = d.server(sid, "/bin/sh", "-c",
                      "while [ ! -e $EFFECTS/go ]; do sleep 0.01; done;"
                      "exec python3 -c 'x = bytearray(300 << 20)'")
    cgroup = own_cgroup(handle)
    limit = None
    for name in ("memory.max", "memory.limit_in_bytes"):
        if cgroup and os.path.exists(os.path.join(cgroup, name)):
            limit = os.path.join(cgroup, name)
    try:
        if not limit:
            raise OSError
        with open(limit, "w", encoding="ascii") as f:
            f.write(str(60 << 20))
    except OSError:
        d.send("kill", sid)
        d.event(event="SERVER_EXIT")
        pytest.skip("no cgroup with a memory limit can be made here")
    (place.effects / "go").touch()
    e = d.event(event="SERVER_EXIT")
    assert (e["signal"], e["oom"]) == (signal.SIGKILL, True)
    assert not os.path.exists(cgroup)
    nothing_left(place, d)


def test_without_cgroups_all_is_the_same(place):
    """In a mount namespace that hides them: no cgroup is made, the tree still goes."""
    unshare = shutil.which("unshare")
    if not unshare or os.geteuid() != 0 or subprocess.run(
            [unshare, "-m", "umount", "-l", "/sys/fs/cgroup"], check=False,
            capture_output=True).returncode:
        pytest.skip("cgroups cannot be hidden here")
    wrapper = place.dir / "hidden"
    wrapper.write_text(f"#!/bin/sh\nexec {unshare} -m sh -c 'umount -l /sys/fs/cgroup; exec {TOOL} \"$@\"' sh \"$@\"\n")
    wrapper.chmod(0o700)
    globals_tool = globals()["TOOL"]
    globals()["TOOL"] = str(wrapper)
    try:
        d = place.driver()
    finally:
        globals()["TOOL"] = globals_tool
    sid = "00000000000000c2"
    handle = d.server(sid, "/bin/sh", "-c",
                      "trap '' TERM; setsid sleep 1000 & (setsid sleep 1001 &); sleep 1000; sleep 1000")
    assert own_cgroup(handle) is None
    wait_for(lambda: len(owned(place.mark.encode())) >= 5)
    d.send("stop", sid, 100)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


# --- a real code server ------------------------------------------------------------------------


def test_a_real_code_server(place):
    dagster = shutil.which("dagster")
    if not dagster:
        pytest.skip("no dagster in PATH")
    (place.dir / "defs.py").write_text("import dagster\ndefs = dagster.Definitions()\n")
    d = place.driver()
    sid = "00000000000000d1"
    d.send("env", f"DAGSTER_CLI_API_GRPC_PYTHON_FILE={place.dir / 'defs.py'}")
    d.send("env", "DAGSTER_CLI_API_GRPC_LAZY_LOAD_USER_CODE=1")
    h = json.loads(d.server(sid, dagster, "api", "grpc"))

    def listens():
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(h["socket"])
            except OSError:
                return False
            return True

    wait_for(listens, 60)
    d.send("stop", sid, 20000)
    d.event(limit=40, event="SERVER_EXIT")
    nothing_left(place, d)
