"""One devplane with a deployment for each agent, and the agents on it."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import harness
import measure

PROJECTS = Path(__file__).resolve().parent / "projects"
MARK = "BENCH_AGENT"


class Rig:
    """Use as a context manager; ends all that it started."""

    def __init__(self, directory, tls=False):
        self.bench = harness.Bench(directory)
        self.tls = tls
        self.agents = {}
        self.env = {}
        options = ["--deployment", "daglet", "--deployment", "python", "--log-level", "warning"]
        if tls:
            ca, cert, key = make_certificates(Path(directory))
            self.env["REQUESTS_CA_BUNDLE"] = str(ca)
            options += ["--tls-cert", str(cert), "--tls-key", str(key)]
        self.plane = self.bench.devplane(*options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bench.end()

    # --- agents ---

    def start(self, kind, **env):
        """A new agent of this kind; it serves the deployment of that name."""
        config = harness.DAGSTER_YAML.replace("deployment: prod", f"deployment: {kind}")
        begun = time.time()
        agent = self.bench.agent(
            kind, self.plane, config=config, name=f"{kind}-{len(self.bench.processes)}",
            **{**self.env, **env, MARK: kind})
        agent.begun = begun
        self.agents[kind] = agent
        return agent

    def stop(self, kind):
        """End an agent, at once, and whatever it started."""
        agent = self.agents.pop(kind, None)
        if agent is None:
            return
        pids = [agent.pid, *self.descendants(agent.pid)]
        agent.kill()
        pids += [pid for pid in harness.marked(self.bench.test_id) if mark_of(pid) == kind]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        harness.until(lambda: not any(harness.alive(p) for p in pids), 20, f"{kind} ends")
        self.bench.processes.remove(agent)
        for one in self.plane.location_list(deployment=kind)["locations"]:
            self.plane.location_remove(name=one["name"], deployment=kind)
        self.plane.queue_clear()

    @staticmethod
    def descendants(pid):
        children = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as f:
                        parent = int(f.read().rpartition(")")[2].split()[1])
                    children.setdefault(parent, []).append(int(name))
        found, todo = [], [pid]
        while todo:
            more = children.get(todo.pop(), [])
            found += more
            todo += more
        return found

    def pids(self, kind):
        """All processes of an agent; code servers and runs are not among them."""
        pid = self.agents[kind].pid
        return [p for p in (pid, *self.descendants(pid)) if measure.kind_of(p) == kind]

    def running(self, kind):
        agent = self.agents[kind]
        if not agent.running():
            raise SystemExit(f"bench: the agent {kind} ended:\n{agent.output(4000)}")
        return True

    # --- locations and requests ---

    def locations(self, kind, names, project="tiny", wait=180.0):
        """Add locations and wait until each was uploaded."""
        for name in names:
            fields = {"python_file": str(PROJECTS / f"{project}.py"),
                      "working_directory": str(PROJECTS)}
            self.plane.location_add(name=name, fields=fields, deployment=kind)
        for name in names:
            seen = self.plane.location_wait(name=name, deployment=kind, wait=wait)
            if seen["error"]:
                raise SystemExit(f"bench: location {name}: {seen['error']['message']}")

    def settled(self, since, seconds):
        """Statistics of the requests after `since` when all are answered, or time is up."""
        end = time.monotonic() + seconds
        while True:
            stats = self.plane.stats(since=since)
            if stats["answered"] == stats["requests"] or time.monotonic() > end:
                return stats
            time.sleep(0.1)


def mark_of(pid):
    """Which agent started this process (code servers and runs have their agent's environment)."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/environ", "rb") as f:
            for one in f.read().split(b"\0"):
                if one.startswith(MARK.encode() + b"="):
                    return one.partition(b"=")[2].decode()
    return None


def make_certificates(directory):
    """A certificate authority of our own and a server certificate for 127.0.0.1."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=daglet bench", "-keyout",
            "ca.key", "-out", "ca.pem")
    openssl("req", *curve, "-subj", "/CN=localhost", "-keyout", "server.key", "-out",
            "server.csr")
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", "server.pem")
    return directory / "ca.pem", directory / "server.pem", directory / "server.key"
