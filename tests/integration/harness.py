"""What integration tests are made of: a devplane, an agent, and the proof that both are gone.

Everything that is started gets DAGLET_TEST_ID=<id> in its environment and so do its children,
however they are started. ended() ends and reports all that still carries an id.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from devplane.client import Client, Failed

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parents[1]
EXAMPLES = ROOT / "contrib" / "examples"
BIN = Path(sys.executable).parent
MARK = "DAGLET_TEST_ID"

DAGSTER_YAML = """\
instance_class:
  module: dagster_cloud
  class: DagsterCloudAgentInstance
dagster_cloud_api:
  url: {url}
  agent_token: {token}
  deployment: prod
user_code_launcher:
  module: dagster_cloud.workspace.user_code_launcher
  class: ProcessUserCodeLauncher
"""


# --- processes ---------------------------------------------------------------------------------


def environment(test_id, **more):
    """A small, known environment: the venv first in PATH, the mark, nothing of DAGSTER_*."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("DAGSTER_", "DAGLET_", "DEVPLANE_"))}
    env["PATH"] = f"{BIN}{os.pathsep}{env.get('PATH', '')}"
    env["PYTHONUNBUFFERED"] = "1"
    env[MARK] = test_id
    env.update(more)
    return env


def alive(pid):
    """Is it there and not a zombie?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def marked(test_id):
    """{pid: command line} of all living processes with this mark in their environment."""
    needle = f"{MARK}={test_id}".encode()
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as f:
                if needle not in f.read().split(b"\0"):
                    continue
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if alive(int(entry)):
            found[int(entry)] = line
    return found


def until(look, timeout, what, step=0.05):
    """The first truthy look(); for things that cannot be waited for as an event."""
    end = time.monotonic() + timeout
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout:g} s")
        time.sleep(step)


def end_all(test_id, timeout=10.0):
    """End every process with the mark: TERM, then KILL. Returns what had to be killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in marked(test_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)
        end = time.monotonic() + timeout
        while marked(test_id) and time.monotonic() < end:
            time.sleep(0.05)
    return marked(test_id)


class Process:
    """A program in its own session, its output in a file."""

    def __init__(self, argv, test_id, log, cwd=None, **env):
        self.argv, self.test_id, self.log = [str(a) for a in argv], test_id, Path(log)
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=environment(test_id, **env), cwd=cwd, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def output(self, limit=20000):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text[-limit:]

    def running(self):
        return self.popen.poll() is None

    def send(self, number):
        if self.running():
            self.popen.send_signal(number)

    def stop(self, timeout=30.0, number=signal.SIGTERM):
        """Ask it to end; its exit status, or kill it and fail."""
        self.send(number)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.argv[0]} did not end within {timeout:g} s:\n{self.output()}") from None

    def kill(self):
        self.send(signal.SIGKILL)
        return self.popen.wait()


# --- devplane ----------------------------------------------------------------------------------


class Devplane(Process):
    """`devplane serve` on a free loopback port, with its Client as `.client`; verbs of the
    client can be called on the object itself: plane.location_add(...)."""

    def __init__(self, home, test_id, *options):
        self.home = Path(home)
        super().__init__(
            [BIN / "devplane", "serve", "--listen", "127.0.0.1:0", "--home", home, *options],
            test_id, f"{home}.log")
        info = self.home / "devplane.json"
        until(lambda: info.exists() or not self.running(), 60, "devplane starts")
        if not self.running():
            raise AssertionError(f"devplane did not start:\n{self.output()}")
        self.client = Client.of_home(home)
        self.url, self.token = self.client.url, self.client.token

    def __getattr__(self, verb):
        if verb.startswith("_") or verb == "client":
            raise AttributeError(verb)
        return getattr(self.client, verb)

    def dagster_home(self, deployment="prod"):
        return self.home / "deployments" / deployment

    def unimplemented(self):
        return self.client.problems(kind="unimplemented")["problems"]


# --- agents ------------------------------------------------------------------------------------


def daglet_binary():
    """The daglet under test: $DAGLET_BIN, else what a build directory in $DAGLET_BUILD has."""
    for path in (os.environ.get("DAGLET_BIN"),
                 os.environ.get("DAGLET_BUILD") and os.environ["DAGLET_BUILD"] + "/daglet"):
        if path:
            return Path(path).resolve()
    return None


AGENTS = ("python", "daglet", "daglet-as-dagster-cloud", "daglet-as-dagster-plus")


def why_not(kind):
    """Why this agent cannot be tested here, or None."""
    if kind == "python":
        return None
    binary = daglet_binary()
    if binary is None:
        return "no daglet to test: neither DAGLET_BIN nor DAGLET_BUILD is set"
    if not binary.exists():
        return f"no daglet to test: {binary} does not exist"
    return None


def agent_command(kind, directory, home):
    """argv that serves `home` with this agent; aliases are made in `directory`."""
    if kind == "python":
        return [BIN / "dagster-cloud", "agent", "run", home]
    if kind == "daglet":
        return [daglet_binary(), "run", home]
    alias = Path(directory) / kind.removeprefix("daglet-as-")
    if not alias.exists():
        alias.symlink_to(daglet_binary())
    return [alias, "agent", "run", home]


class Agent(Process):
    """An agent of one of AGENTS on a home of its own. `config` replaces DAGSTER_YAML,
    `more` is appended to it; **env is added to the environment."""

    def __init__(self, kind, directory, plane, config=None, more="", name="agent", **env):
        self.kind = kind
        self.home = Path(directory) / name
        self.home.mkdir(parents=True, exist_ok=True)
        text = (config or DAGSTER_YAML).format(url=plane.url, token=plane.token) + more
        (self.home / "dagster.yaml").write_text(text)
        super().__init__(agent_command(kind, directory, self.home), plane.test_id,
                         Path(directory) / f"{name}.log", cwd=self.home, **env)

    @property
    def is_daglet(self):
        return self.kind != "python"

    @property
    def sockets(self):
        """Its runtime folder where nothing else is said (src/master/startup.c): one that was
        killed leaves it to the next with the same state."""
        value = 2166136261
        for byte in os.fsencode((self.home / ".daglet").resolve()):
            value = (value ^ byte) * 16777619 & 0xFFFFFFFF
        return Path(f"/tmp/daglet-{os.geteuid()}-{value:08x}")


def certificate(directory):
    """(certificate, key) files for localhost and 127.0.0.1, signed by itself."""
    cert, key = Path(directory) / "cert.pem", Path(directory) / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    return cert, key


# --- a place to test in ------------------------------------------------------------------------


class Bench:
    """A directory, an id, and all that is started with it. Use as a context manager."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.test_id = uuid.uuid4().hex
        self.processes = []

    def devplane(self, *options, name="plane"):
        plane = Devplane(self.directory / name, self.test_id, *options)
        self.processes.append(plane)
        return plane

    def agent(self, kind, plane, **more):
        agent = Agent(kind, self.directory, plane, **more)
        self.processes.append(agent)
        return agent

    def outputs(self):
        """The ends of all outputs, to be shown when a test fails."""
        return "\n".join(
            f"===== {p.log.name} ({' '.join(p.argv)}) =====\n{p.output()}"
            for p in self.processes)

    def end(self):
        """End everything; nothing that was started here may be left."""
        for process in reversed(self.processes):
            if process.running():
                with contextlib.suppress(AssertionError):
                    process.stop()
        left = end_all(self.test_id)
        for process in self.processes:
            if isinstance(process, Agent) and process.is_daglet:
                shutil.rmtree(process.sockets, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        assert not left, f"processes that would not end: {left}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


__all__ = ["AGENTS", "Agent", "Bench", "Client", "Devplane", "EXAMPLES", "Failed", "Process",
           "agent_command", "alive", "certificate", "end_all", "environment", "marked",
           "until", "why_not"]
