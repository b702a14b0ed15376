"""Where the soak takes place: devplane, daglet, the folders that both use, and what is measured
before and after."""

import collections
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import harness
import light
import measure

HERE = Path(__file__).resolve().parent
PROJECTS = HERE.parent / "bench" / "projects"
REAL, TINY = "real", "tiny_job"
ROLES = 6


class Place(harness.Bench):
    def __init__(self, directory, locations):
        super().__init__(directory)
        self.marks, self.temp, self.answers = (
            self.directory / name for name in ("marks", "temp", "answers"))
        for folder in (self.marks, self.temp, self.answers):
            folder.mkdir()
        self.light = [f"light{n}" for n in range(locations)]
        self.plane = self.devplane(
            "--record", "20000", "--keep", "1000000", "--log-level", "warning")
        self.plane.secret_set(name="CRASH_MARKS", value=str(self.marks))
        self.upstream = self.directory / "upstream.sock"
        self.env = {"LIGHT_MARKS": str(self.marks), "LIGHT_ANSWERS": str(self.answers),
                    "LIGHT_UPSTREAM": str(self.upstream), "TMPDIR": str(self.temp),
                    "RUNTIME_DIRECTORY": str(self.temp), "PYTHONDONTWRITEBYTECODE": "1"}
        self.program = light.worker(
            self.directory, server=f"{sys.executable} -E -s {HERE / 'light_server.py'}")
        self.real_server()
        self.deaths = []  # (time, what)
        self.killed = ""  # command lines and environments of the runs' workers that were killed
        self.agent_ = None

    def real_server(self):
        """The one real code server that all stand-ins answer for."""
        program = light.worker(self.directory, "real-python")
        # Its runs are executed by what the stand-ins are.
        program.write_text(program.read_text().replace(
            f'sys.executable = "{program}"', f'sys.executable = "{self.program}"'))
        server = harness.Process(
            [program, "-m", "dagster", "api", "grpc", "--socket", self.upstream, "--python-file",
             PROJECTS / "tiny.py", "--working-directory", PROJECTS,
             "--use-python-environment-entry-point"], self.test_id,
            self.directory / "upstream.log", **self.env)
        self.processes.append(server)
        harness.until(self.upstream.exists, 60, "the real code server listens")

    def start(self):
        self.agent_ = self.agent("daglet", self.plane, **self.env)

    def add_locations(self):
        code = self.directory / "code"
        code.mkdir()
        shutil.copy(harness.TESTS / "crash_defs.py", code / "definitions.py")
        self.plane.location_add(name=REAL, fields={
            "python_file": str(code / "definitions.py"), "working_directory": str(code)})
        for name in self.light:
            self.plane.location_add(name=name, fields={
                "python_file": str(PROJECTS / "tiny.py"), "working_directory": str(PROJECTS),
                "executable_path": str(self.program)})

    # --- a look inside ---

    def get(self, path="/status.json"):
        """What the status socket says; None while nobody answers."""
        c = http.client.HTTPConnection("daglet", timeout=5)
        try:
            c.sock = socket.socket(socket.AF_UNIX)
            c.sock.settimeout(5)
            c.sock.connect(str(self.temp / "status.sock"))
            c.request("GET", path)
            return json.loads(c.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            c.close()

    def roles(self):
        """{role: pid}, once all are ready; else None."""
        seen = self.get()
        if not seen or any(r["state"] != "ready" for r in seen["roles"]):
            return None
        found = {r["role"] + (":" + r["inst"] if r["inst"] else ""): r["pid"]
                 for r in seen["roles"] if r["role"] != "master"}
        return found if len(found) == ROLES else None

    def ready(self, limit=60):
        return harness.until(self.roles, limit, "all roles are ready", step=0.05)

    def servers(self):
        """{pid: location} of the code servers that live."""
        found = {}
        for pid in harness.marked(self.test_id):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/environ", "rb") as f:
                    words = f.read().split(b"\0")
                name = next((w for w in words if w.startswith(b"DAGSTER_LOCATION_NAME=")), None)
                line = b" ".join(measure.command_line(pid))
                if name and b"grpc" in line and b"execute_run" not in line:
                    found[pid] = name.partition(b"=")[2].decode()
        return found

    def workers(self):
        """pids of real run workers that live."""
        return [pid for pid, line in harness.marked(self.test_id).items()
                if "execute_run" in line and "daglet-run" not in line.split(" ")[0]]

    def settled(self, limit):
        """Wait until nothing is queued or held, and one server is there for each location."""
        def look():
            held = self.get("/requests")
            return (held is not None and held["count"] == 0
                    and not self.plane.stats(since=10 ** 12)["waiting"] and not self.workers()
                    and sorted(self.servers().values()) == sorted([REAL, *self.light]))

        harness.until(look, limit, "all is settled", step=0.5)

    # --- deaths ---

    def strike(self, what, pid, number=signal.SIGKILL):
        self.deaths.append((time.time(), what))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def strike_run(self, pid):
        with contextlib.suppress(OSError):
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    self.killed += f.read().decode(errors="replace")
        self.strike("run", pid)

    def strike_agent(self):
        """All of the agent dies at once; another one takes its place."""
        roles = self.ready()
        for pid in (self.agent_.pid, *roles.values()):
            self.strike("agent", pid)
        self.agent_.popen.wait()
        harness.until(lambda: not any(map(harness.alive, roles.values())), 10, "all died")
        self.processes.remove(self.agent_)
        self.start()

    # --- what may not grow ---

    def rested(self, most, limit):
        """Measured when connections that nobody used for a while are closed again, at the
        latest after the limit."""
        end = time.monotonic() + limit
        while (found := self.measured())["descriptors"] > most and time.monotonic() < end:
            time.sleep(2.0)
        return found

    def measured(self):
        pids = [self.agent_.pid, *self.ready().values()]
        return {
            "descriptors": descriptors(pids).total(),
            "what they are": descriptors(pids),
            "private dirty, MB": measure.memory(pids)[1],
            "processes": len(harness.marked(self.test_id)),
            "zombies": sum(zombie(pid) for pid in os.listdir("/proc") if pid.isdigit()),
            "sockets": sum(map(is_socket, self.temp.rglob("*"))),
            "temporary files": sum(1 for p in self.temp.rglob("*") if not is_socket(p)),
            **self.disk(),
        }

    def disk(self):
        """The state folder. Apart from the rest: what is kept of runs for seven days, so that
        none starts twice, and their output, which is kept for a day."""
        found = {"state, files": 0, "state, MB": 0.0, "run markers": 0,
                 "run outputs": 0, "state.db, MB": 0.0}
        for path in (self.agent_.home / ".daglet").rglob("*"):
            with contextlib.suppress(OSError):
                size = path.stat().st_blocks * 512 / 1e6
                if not path.is_file():
                    continue
                if "runs" in path.parts:
                    found["run markers"] += 1
                elif ".run.log" in path.name:
                    found["run outputs"] += 1
                elif path.name.startswith("state.db"):
                    found["state.db, MB"] += size
                else:
                    found["state, files"] += 1
                    found["state, MB"] += size
        return found


def descriptors(pids):
    """What these processes have open, counted by program and sort."""
    found = collections.Counter()
    for pid in pids:
        name = os.path.basename(measure.command_line(pid)[0]).decode()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
                found[name, re.sub(r"[0-9a-f]{8,}|[0-9]+|-", "*", os.path.basename(target))] += 1
    return found


def is_socket(path):
    with contextlib.suppress(OSError):
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    return False


def zombie(pid):
    """Is it a dead child that its parent, a part of daglet, does not bury?"""
    with contextlib.suppress(OSError, IndexError, ValueError):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            state, parent = f.read().rpartition(")")[2].split()[:2]
        return state == "Z" and measure.kind_of(int(parent)) == "daglet"
    return False
