"""What quickstart.sh shows: devplane and an agent on the example project, step by step.

Every answer that is printed was read back from devplane's store under its request's id. The
processes run in sessions of their own and log to files in the home.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback

from devplane.client import Client, Failed

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.join(HERE, "examples", "quickstart")
BIN = os.path.dirname(sys.executable)
MARK = "DAGLET_QUICKSTART"
LOCATION = "quickstart"
PATIENCE = 300.0  # for one step; it may run on a quarter of a core
AGENT_ENDS = 45.0

DAGSTER_YAML = """\
instance_class:
  module: dagster_cloud
  class: DagsterCloudAgentInstance
dagster_cloud_api:
  url: {url}
  agent_token: {token}
  deployment: prod
  agent_label: quickstart
user_code_launcher:
  module: dagster_cloud.workspace.user_code_launcher
  class: ProcessUserCodeLauncher
"""
BROKEN = """\
raise RuntimeError("this project cannot be loaded (quickstart --break-server)")
"""


class Wrong(Exception):
    """What was not as it should be."""


# --- processes -----------------------------------------------------------------------------------


def marked(home):
    """Pids of all live processes that were started for this home, also by others' hands."""
    want = f"{MARK}={home}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as f:
                if want in f.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found


def alive(pid):
    """Whether it still runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(what, look, seconds):
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            raise Wrong(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def start(home, name, argv, cwd, cgroups=()):
    """A process in a session of its own that logs to NAME.log."""
    def enter():
        for group in cgroups:
            with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as f:
                f.write("0")

    environ = {**os.environ, MARK: home, "PATH": f"{BIN}:{os.environ['PATH']}"}
    environ.pop("DAGSTER_HOME", None)
    with open(os.path.join(home, f"{name}.log"), "ab") as log:
        process = subprocess.Popen(
            argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, preexec_fn=enter if cgroups else None)
    with open(os.path.join(home, f"{name}.pid"), "w", encoding="utf-8") as f:
        f.write(f"{process.pid}\n")
    return process


def stop(home):
    """End the agent as Ctrl-C would (its code servers go too), then devplane, then whatever
    is left; returns the pids of what had to be killed."""
    ours = marked(home)
    for name, number, seconds in (("agent", signal.SIGINT, AGENT_ENDS),
                                  ("devplane", signal.SIGTERM, 10.0)):
        try:
            with open(os.path.join(home, f"{name}.pid"), encoding="utf-8") as f:
                pid = int(f.read())
        except (OSError, ValueError):
            continue
        if pid not in ours:
            continue
        try:
            os.kill(pid, number)
            wait_for(name, lambda: reaped(pid), seconds)
        except (ProcessLookupError, Wrong):
            pass
    end = time.monotonic() + 5.0
    while marked(home) and time.monotonic() < end:
        time.sleep(0.1)
    left = marked(home)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_for("killed processes", lambda: not any(alive(p) for p in left), 10.0)
    return left


def reaped(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # of an earlier quickstart
    return not alive(pid)


# --- the walk ------------------------------------------------------------------------------------


class Walk:
    def __init__(self, options):
        self.options, self.home = options, options.home
        self.begun = time.monotonic()
        self.plane = self.agent = None

    def say(self, what, text):
        lines = text.splitlines() or [""]
        print(f"[{time.monotonic() - self.begun:6.1f} s] {what:<12} {lines[0]}", flush=True)
        for line in lines[1:]:
            print(" " * 24 + line, flush=True)

    def argv(self):
        home = os.path.join(self.home, "agent")
        if self.options.agent == "python":
            return [os.path.join(BIN, "dagster-cloud"), "agent", "run", home]
        return [os.path.join(self.options.build, "daglet"), "run", home]

    def start(self):
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(os.path.join(self.home, "agent"))
        dp = os.path.join(self.home, "devplane")
        process = start(self.home, "devplane", [
            os.path.join(BIN, "devplane"), "serve", "--listen", "127.0.0.1:0", "--home", dp],
            self.home)

        def up():
            if process.poll() is not None:
                raise Wrong(f"devplane ended: {self.tail('devplane')}")
            return os.path.exists(os.path.join(dp, "devplane.json"))

        wait_for("devplane", up, 60.0)
        self.plane = Client.of_home(dp)
        self.plane.secret_set(name="GREETING", value="hello")
        self.say("devplane", f"serves {self.plane.url}, deployment prod")
        config = os.path.join(self.home, "agent", "dagster.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(DAGSTER_YAML.format(url=self.plane.url, token=self.plane.token))
        os.chmod(config, 0o600)
        argv = self.argv()
        begun = time.time()
        # A code server gives out notebooks that lie below its directory, which is the agent's.
        self.agent = start(self.home, "agent", argv, PROJECT, self.options.cgroup)
        self.say("agent", f"{' '.join(argv)} (pid {self.agent.pid})")
        self.poll(lambda: self.plane.calls(op="*popUserCloudAgentRequests*", limit=1)["calls"],
                  "the agent's first poll")
        first = self.plane.calls(op="*popUserCloudAgentRequests*", limit=1)["calls"][0]
        self.say("agent", f"polls, {max(0.0, first['time'] - begun) * 1000:.0f} ms after its start")

    def poll(self, look, what):
        """Until look() is true, or the agent ends."""
        def watched():
            if self.agent.poll() is not None:
                raise Wrong(f"the agent ended with status {self.agent.returncode}:\n"
                            f"{self.tail('agent')}")
            return look()

        wait_for(what, watched, PATIENCE)

    def tail(self, name, lines=30):
        with open(os.path.join(self.home, f"{name}.log"), encoding="utf-8",
                  errors="replace") as f:
            return "".join(f.readlines()[-lines:]).rstrip()

    def add_location(self):
        fields = {}
        if self.options.break_server:
            broken = os.path.join(self.home, "broken.py")
            with open(broken, "w", encoding="utf-8") as f:
                f.write(BROKEN)
            fields = {"python_file": broken}
        begun = time.monotonic()
        self.plane.location_add(path=os.path.join(PROJECT, "dagster_cloud.yaml"), fields=fields)
        seen = {}

        def loaded():
            seen.update(next(one for one in self.plane.location_list(full=True)["locations"]
                             if one["name"] == LOCATION))
            return seen["error"] or seen["loads"]

        self.poll(loaded, f"location {LOCATION}")
        took = time.monotonic() - begun
        if seen["error"]:
            raise Wrong(f"location {LOCATION} could not be loaded ({took:.1f} s after it was "
                        f"added):\n{told(seen['error'])}")
        self.say("location", f"{LOCATION} is loaded, {took:.1f} s after it was added")
        self.manifest = seen["manifest"]

    def heartbeat(self):
        """What the agent says of the code server (every 30 s)."""
        self.plane.location_wait(name=LOCATION, server="RUNNING", wait=PATIENCE)
        self.say("heartbeat", f"the code server of {LOCATION} is RUNNING")

    def definitions(self):
        for repository in self.manifest["repositories"]:
            text = self.plane.snapshot(sha1=repository["stored_snapshot"]["sha1"])["text"]
            snap = json.loads(text)
            jobs = [ref["name"] for ref in snap["external_job_refs"]
                    if not ref["name"].startswith("__")]
            self.say("definitions", f"{repository['name']}: {len(text)} bytes uploaded\n"
                     f"jobs: {', '.join(jobs)}\n"
                     f"schedules: {names(snap['external_schedule_datas'])}\n"
                     f"sensors: {names(snap['external_sensor_datas'])}")

    def stored(self, id):
        """The one answer that devplane has for a request."""
        answer = self.plane.answer(id=id)
        if answer["accepted"] != 1:
            raise Wrong(f"{answer['api']} {id} has {answer['accepted']} answers instead of one")
        response = answer["response"]
        if response["__class__"] == "DagsterCloudApiErrorResponse":
            raise Wrong(f"{answer['api']} {id}: {response['error_infos'][0]['message']}")
        return answer

    def ask(self, kind, **want):
        """(id, the code server's own answer) of a request."""
        id = self.plane.request(kind=kind, location=LOCATION, wait=PATIENCE, **want)["id"]
        return id, self.stored(id)["value"]

    def ticks(self):
        tick = self.plane.tick(type="sensor", name="counting_sensor", location=LOCATION,
                               timeout=PATIENCE)
        value = self.stored(tick["request_id"])["value"]
        keys = [r["run_key"] for r in value["run_requests"]]
        if keys != ["count-1"] or value["cursor"] != "1":
            raise Wrong(f"counting_sensor answered {value}")
        self.say("sensor", f"counting_sensor asks for a run, key {keys[0]}, cursor "
                 f"{value['cursor']}  (request {tick['request_id']})")
        tick = self.plane.tick(type="schedule", name="daily_report", location=LOCATION,
                               timeout=PATIENCE)
        value = self.stored(tick["request_id"])["value"]
        tags = value["run_requests"][0]["tags"]
        if "scheduled" not in tags:
            raise Wrong(f"daily_report answered {value}")
        self.say("schedule", f"daily_report asks for a run of {tags['scheduled']}"
                 f"  (request {tick['request_id']})")

    def queries(self):
        id, value = self.ask("GET_EXTERNAL_PARTITION_NAMES", job="color_job")
        if value["partition_names"] != ["red", "green", "blue", "broken"]:
            raise Wrong(f"partition names: {value}")
        self.say("partitions", f"color_job: {', '.join(value['partition_names'])}"
                 f"  (request {id})")
        id, value = self.ask("GET_EXTERNAL_EXECUTION_PLAN", job="report_job")
        steps = [s["key"] for s in value["steps"]]
        if steps != ["make_report", "send_report"]:
            raise Wrong(f"execution plan: {value}")
        self.say("plan", f"report_job: {' -> '.join(steps)}  (request {id})")
        id, value = self.ask("GET_SUBSET_EXTERNAL_PIPELINE_RESULT", job="assets_job",
                             assets=["numbers"])
        if not value["success"]:
            raise Wrong(f"subset: {value['error']}")
        job = value["external_pipeline_data"]["pipeline_snapshot"]
        nodes = job["dep_structure_snapshot"]["solid_invocation_snaps"]
        ops = [n["solid_name"] for n in nodes]
        self.say("subset", f"assets_job without its second asset: {', '.join(ops)}"
                 f"  (request {id})")
        path = os.path.join(PROJECT, "notebook.ipynb")
        id, _ = self.ask("GET_EXTERNAL_NOTEBOOK_DATA", notebook=path)
        content = self.stored(id)["response"]["serialized_response_or_error"]
        with open(path, encoding="utf-8") as f:
            if content != f.read():
                raise Wrong("the notebook is not what is on disk")
        self.say("notebook", f"{len(content)} characters, {len(json.loads(content)['cells'])} cells"
                 f"  (request {id})")

    def run(self, job, what):
        launched = self.plane.run_launch(job=job, location=LOCATION, timeout=PATIENCE,
                                         wait=PATIENCE)
        run = launched["run"]
        self.plane.answer(id=launched["request_id"], wait=PATIENCE)
        self.stored(launched["request_id"])
        steps = [e for e in run["events"] if (e["type"] or "").startswith("STEP_")]
        self.say(what, f"{job} {run['run_id']}: {run['status']}"
                 f"  (request {launched['request_id']})")
        for e in run["events"]:
            if e["type"] in ("STEP_START", "ASSET_MATERIALIZATION", "STEP_SUCCESS",
                             "STEP_FAILURE", "RUN_FAILURE", "PIPELINE_FAILURE",
                             "PIPELINE_SUCCESS") or (
                                 e["type"] is None and "greeting" in (e["message"] or "")):
                print(" " * 24 + f"pid {e['pid'] or '-':>7}  {e['type'] or 'LOG':<22} "
                      f"{e['step'] or ''}{'' if e['type'] else '  ' + e['message']}", flush=True)
        if run["status"] != "SUCCESS":
            raise Wrong(f"run {run['run_id']} ended as {run['status']}")
        if not steps:
            raise Wrong(f"run {run['run_id']} has no step events")
        return run

    def runs(self):
        shared = self.run("shared_job", "shared run")
        servers = {e["pid"] for e in shared["events"] if e["pid"] and e["step"]}
        run = self.run("assets_job", "run")
        workers = {e["pid"] for e in run["events"] if e["pid"] and e["step"]}
        if not workers or workers & (servers | {self.agent.pid}):
            raise Wrong(f"run {run['run_id']} was not executed by a worker of its own: {workers}")
        greeted = [e for e in run["events"] if "greeting" in (e["message"] or "")]
        if not greeted or "hello" not in greeted[0]["message"]:
            raise Wrong("the secret GREETING did not reach the run")
        return run

    def problems(self):
        found = [p for p in self.plane.problems()["problems"]]
        if found:
            raise Wrong("devplane met problems:\n" + json.dumps(found, indent=2))

    def dagster(self, run):
        """The same run as the open-source command sees it."""
        home = self.plane.status()["dagster_homes"]["prod"]
        listed = subprocess.run(
            [os.path.join(BIN, "dagster"), "run", "list", "--limit", "5"], check=True,
            env={**os.environ, "DAGSTER_HOME": home}, capture_output=True, text=True).stdout
        if run["run_id"] not in listed:
            raise Wrong(f"dagster run list does not know the run:\n{listed}")
        self.say("dagster", f"DAGSTER_HOME={home} dagster run list: shows it")

    def further(self):
        home = self.plane.status()["dagster_homes"]["prod"]
        agent = os.path.join(self.home, "agent")
        lines = [f"logs            {self.home}/agent.log, devplane.log",
                 f"runs, events    DAGSTER_HOME={home} {BIN}/dagster run list"]
        if self.options.keep:
            lines += [f"web page        {BIN}/pip install dagster-webserver && "
                      f"DAGSTER_HOME={home} {BIN}/dagster-webserver --empty-workspace",
                      f"ask more        {BIN}/devplane --home {self.home}/devplane request "
                      f"PING_LOCATION --location {LOCATION} --wait 5",
                      f"start a run     {BIN}/devplane --home {self.home}/devplane run launch "
                      f"report_job --location {LOCATION} --watch"]
            if self.options.agent == "daglet":
                lines.append(f"the agent       {self.options.build}/dagletctl "
                             f"--home {agent} status")
            lines.append("end it          contrib/quickstart.sh --stop" + (
                "" if self.options.default_home else f" --home {self.home}"))
        self.say("look further", "\n".join(lines))

    def all(self):
        self.start()
        self.add_location()
        self.definitions()
        self.ticks()
        self.queries()
        run = self.runs()
        self.heartbeat()
        self.dagster(run)
        self.problems()
        self.further()
        return run


def told(error):
    """An error's message and those of what caused it."""
    lines = [error["message"].strip()]
    if error.get("cause"):
        lines.append(told(error["cause"]))
    return "\nbecause of ".join(lines)


def names(datas):
    return ", ".join(d["name"] for d in datas or ())


def parse(argv):
    p = argparse.ArgumentParser(prog="quickstart.sh")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--stop", action="store_true")
    p.add_argument("--break-server", action="store_true")
    p.add_argument("--agent", choices=("daglet", "python"), default="daglet")
    p.add_argument("--build", required=True)
    p.add_argument("--home", required=True, action="append")
    p.add_argument("--cgroup", action="append", default=[])
    options = p.parse_args(argv)
    options.default_home = len(options.home) == 1
    options.home = os.path.abspath(options.home[-1])
    options.build = os.path.abspath(options.build)
    return options


def main():
    options = parse(sys.argv[1:])
    stop(options.home)  # what an earlier one left with --keep
    if options.stop:
        return 0
    walk = Walk(options)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    kept = False
    try:
        run = walk.all()
        kept = options.keep
        print(f"quickstart: run {run['run_id']} ended in {run['status']}")
        return 0
    except Exception as e:
        if not isinstance(e, (Wrong, Failed, OSError)):
            traceback.print_exc()
        walk.say("FAILED", str(e))
        print(f"quickstart: failed; logs are in {options.home}")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if not kept:
            left = stop(options.home)
            if left:
                print(f"quickstart: {len(left)} processes had to be killed", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
