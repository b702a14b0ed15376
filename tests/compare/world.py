"""Where a scenario takes place: a devplane, and agents of one kind on it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import harness
import measure
import rig

HERE = Path(__file__).resolve().parent
PROJECTS = {"work": HERE / "projects", "slow": HERE / "projects", "exits": HERE / "projects",
            "tiny": rig.PROJECTS, "sleepy": rig.PROJECTS}
POP = "*popUserCloudAgentRequests*"
BEAT = "*addAgentHeartbeats*"
UPLOAD = "*upload_api_response*"
SENSOR = "GET_EXTERNAL_SENSOR_EXECUTION_DATA"


class Beyond:
    """A figure of something that did not happen within the time that was given to it."""

    def __init__(self, limit):
        self.limit = limit

    def __repr__(self):
        return f"Beyond({self.limit:g})"


class World(rig.Rig):
    """The bench's rig with one kind of agent, and what scenarios do again and again."""

    def __init__(self, kind, directory, quick=False, tls=False, options=()):
        self.kind, self.quick = kind, quick
        self.options = options
        super().__init__(directory, tls)
        self.directory = Path(directory)
        self.marks = self.directory / "marks"
        self.temp = self.directory / "temp"
        for folder in (self.marks, self.temp):
            folder.mkdir()

    @property
    def is_daglet(self):
        return self.kind == "daglet"

    def pick(self, full, quick):
        return quick if self.quick else full

    # --- agents ---

    def agent(self, config="", more="", name="agent", url=None, **env):
        """An agent of this kind on the home `name`; a second one on the same home takes its
        place. `config` is put below dagster_cloud_api, `more` at the end of the file."""
        text = harness.DAGSTER_YAML.replace("deployment: prod",
                                            f"deployment: {self.kind}\n{config}".rstrip())
        if url:
            text = text.replace("{url}", url)
        begun = time.time()
        agent = self.bench.agent(
            self.kind, self.plane, config=text, more=more, name=name,
            **{**self.env, "COMPARE_MARKS": str(self.marks), "LIGHT_MARKS": str(self.marks),
               "TMPDIR": str(self.temp), rig.MARK: self.kind, **env})
        agent.begun = begun
        self.agents[self.kind] = agent
        return agent

    def first_pop(self, since=0, wait=60):
        """When an agent asked for requests, and was answered, for the first time after this
        call's number; None if not within the time."""
        end = time.monotonic() + wait
        while True:
            calls = self.plane.calls(op=POP, since=since, status=200)["calls"]
            good = [c["time"] for c in calls if not c["fault"]]
            if good:
                return good[0]
            if time.monotonic() > end:
                return None
            time.sleep(0.02)

    def polled(self, agent, wait=90):
        """Wait until an agent asks for requests."""
        harness.until(lambda: not agent.running() or self.first_pop(wait=0), wait, "it polls")
        if not agent.running():
            raise AssertionError(f"the agent ended:\n{agent.output(3000)}")

    def ready(self, *names, project="tiny", **more):
        """An agent that serves these locations; the first request of it is answered."""
        agent = self.agent(**more)
        self.serve(*names, project=project)
        self.ping(names[0])
        return agent

    def everybody(self, agent):
        """All processes of an agent."""
        return [p for p in (agent.pid, *self.descendants(agent.pid))
                if measure.kind_of(p) == self.kind]

    def kill(self, agent):
        """SIGKILL for all of the agent at once, not for what it started."""
        pids = self.everybody(agent)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        agent.popen.wait()
        harness.until(lambda: not any(map(harness.alive, pids)), 10, "the agent is dead")

    # --- locations ---

    def serve(self, *names, project="tiny", wait=120, **fields):
        """Add locations and wait until their code is served."""
        self.add(*names, project=project, **fields)
        for name in names:
            seen = self.plane.location_wait(name=name, deployment=self.kind, wait=wait)
            assert not seen["error"], seen["error"]

    def add(self, *names, project="tiny", **fields):
        folder = PROJECTS[project]
        for name in names:
            self.plane.location_add(name=name, deployment=self.kind, fields={
                "python_file": str(folder / f"{project}.py"),
                "working_directory": str(folder), **fields})

    def update(self, name, wait=120):
        """Deploy a location anew; how long until it was uploaded, or Beyond."""
        loads = self.loads(name)
        begun = time.monotonic()
        self.plane.location_update(name=name, deployment=self.kind)
        return self.within(lambda: self.loads(name) > loads, wait, begun=begun)

    def served_within(self, name, seconds):
        """Was it uploaded, well or as an error, within that time?"""
        return not isinstance(self.within(lambda: self.loads(name), seconds), Beyond)

    def loads(self, name):
        for one in self.plane.location_list(deployment=self.kind)["locations"]:
            if one["name"] == name:
                return one["loads"]
        return 0

    def servers(self):
        """pids of the living code servers."""
        found = []
        for pid, line in harness.marked(self.bench.test_id).items():
            if " api grpc" in line and "sh " not in line[:12]:
                found.append(pid)
        return found

    def server_of(self, name):
        """pid of a location's newest code server."""
        needle = f"DAGSTER_LOCATION_NAME={name}".encode()
        found = []
        for pid in self.servers():
            with contextlib.suppress(OSError):
                if needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found.append((born(pid), pid))
        return max(found)[1] if found else None

    # --- requests ---

    def ask(self, kind, location, **want):
        """Enqueue requests; their ids."""
        return self.plane.request(kind=kind, location=location, deployment=self.kind,
                                  **want)["ids"]

    def ping(self, location, wait=60):
        """A call that a code server answers; how long it took, in seconds, or Beyond."""
        begun = time.monotonic()
        (id,) = self.ask("PING_LOCATION", location)
        with contextlib.suppress(harness.Failed):
            self.plane.answer(id=id, wait=wait)
            return time.monotonic() - begun
        return Beyond(wait)

    def nap(self, seconds, count=1, location="work", sensor="nap"):
        """Sensor calls that take so long, popped already."""
        ids = self.ask(SENSOR, location, sensor=sensor, cursor=str(seconds), count=count)
        self.popped(ids)
        return ids

    def popped(self, ids, wait=60):
        harness.until(lambda: all(a["pops"] for a in self.described(ids)), wait, "popped",
                      step=0.005)

    def described(self, ids, **more):
        return self.plane.answers(ids=ids, **more)["answers"]

    def unanswered(self, ids, wait):
        """How many of these are not answered within the time."""
        return sum(1 for a in self.described(ids, wait=wait) if not a["accepted"])

    def well(self, location, wait, job="tiny_job", begun=None):
        """Seconds until a question to this location's code server gets a good answer (for
        plans every agent asks the server), or Beyond, and how many errors came before. Asks
        once a second, each time anew."""
        begun, errors, open_ids = begun or time.time(), 0, []
        while time.time() - begun < wait:
            open_ids += self.ask("GET_EXTERNAL_EXECUTION_PLAN", location, job=job)
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                answers = [a for a in self.described(open_ids, full=True) if a["accepted"]]
                good = [a for a in answers if "GrpcResponse" in a["response"]["__class__"]]
                errors += len(answers) - len(good)
                if good:
                    return min(a["answered"] for a in good) - begun, errors
                for a in answers:
                    open_ids.remove(a["id"])
                time.sleep(0.05)
        return Beyond(wait), errors

    # --- runs ---

    def launch(self, job, location="work", **want):
        return self.plane.run_launch(job=job, location=location, deployment=self.kind,
                                     **want)["run_id"]

    def launched(self, job, location="work", **want):
        """A run whose code has begun: (run id, pid of the process that executes it)."""
        run = self.launch(job, location, **want)
        path = self.marks / run
        harness.until(lambda: path.exists() and path.read_text().strip(), 60, f"{job} begins")
        return run, int(path.read_text().split()[0])

    def run_processes(self, run):
        """Living processes of a run: its worker and steps carry its id in argv or environment,
        or descend from one that does."""
        found = set()
        for pid in harness.marked(self.bench.test_id):
            with contextlib.suppress(OSError):
                told = Path(f"/proc/{pid}/cmdline").read_bytes()
                told += Path(f"/proc/{pid}/environ").read_bytes()
                if run.encode() in told:
                    found.update([pid, *self.descendants(pid)])
        return [p for p in found if harness.alive(p)
                and measure.kind_of(p) is None and not is_helper(p)]

    def set_tag(self, run, key, value):
        """Change a run's tag in the control plane's own storage."""
        code = ("import sys, dagster\n"
                "with dagster.DagsterInstance.from_config(sys.argv[1]) as instance:\n"
                "    instance.add_run_tags(sys.argv[2], {sys.argv[3]: sys.argv[4]})\n")
        subprocess.run(
            [sys.executable, "-c", code, self.plane.dagster_home(self.kind), run, key, value],
            env=harness.environment(self.bench.test_id), check=True, capture_output=True)

    @staticmethod
    def told_to(pid):
        """A process's command line."""
        return b" ".join(measure.command_line(pid)).decode(errors="replace")

    def threads(self, agent):
        """How many threads all of an agent's processes have."""
        return sum(measure.threads(pid) for pid in self.everybody(agent))

    def everything_ends(self):
        """Before what the agents were given goes away."""
        for agent in list(self.bench.processes):
            if agent is not self.plane and agent.running():
                agent.stop(60)

    # --- time ---

    def within(self, look, limit, begun=None, step=0.02):
        """Seconds until look() is true, or Beyond."""
        begun = time.monotonic() if begun is None else begun
        while not look():
            if time.monotonic() - begun > limit:
                return Beyond(limit)
            time.sleep(step)
        return time.monotonic() - begun

    def ends(self, agent, limit):
        """Seconds until an agent has ended, or Beyond."""
        return self.within(lambda: not agent.running(), limit)


def is_helper(pid):
    argv = measure.command_line(pid)
    return bool(argv) and os.path.basename(argv[0]) == b"daglet-run"


def born(pid):
    """When a process was started, in ticks since boot."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return int(f.read().rpartition(")")[2].split()[19])


class Asking(threading.Thread):
    """Sends a ping every `every` seconds while entered; `.worst` is the longest wait in
    seconds (of one without an answer: so far)."""

    def __init__(self, world, location, every=0.5):
        super().__init__(daemon=True)
        self.world, self.location, self.every = world, location, every
        self.over, self.ids = threading.Event(), []

    def run(self):
        while not self.over.wait(self.every):
            self.ids += self.world.ask("PING_LOCATION", self.location)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def worst(self, wait=60):
        answers = self.world.described(self.ids, wait=wait)
        now = time.time()
        return max((a["answered"] or now) - a["enqueued"] for a in answers)
