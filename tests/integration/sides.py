"""Two agents side by side, each on a devplane of its own with the same content, asked the same:
what test_compare.py compares. A Side keeps everything that its agent sent, byte by byte."""

import base64
import json
import shutil
import zlib
from pathlib import Path

import harness
from spans import spans

LOCATION, STATEFUL, BROKEN = "quickstart", "stateful", "broken"
WAIT = 90.0
LABEL = "the agent"
CONFIG = harness.DAGSTER_YAML.replace("  deployment: prod\n",
                                      f"  deployment: prod\n  agent_label: {LABEL}\n")
LEGACY = CONFIG.replace("user_code_launcher:", """\
user_code_launcher:
  config: {{direct_snapshot_uploads: false}}""")

# name -> (kind, what is asked); {home} is the agent's directory
SAMPLES = {
    "ping": ("PING_LOCATION", {}),
    "ping, unknown location": ("PING_LOCATION", {"location": "nowhere"}),
    "plan": ("GET_EXTERNAL_EXECUTION_PLAN", {"job": "report_job"}),
    "plan, bad run config": ("GET_EXTERNAL_EXECUTION_PLAN",
                             {"job": "color_job", "run_config": {"ops": 1}}),
    "plan, unknown location": ("GET_EXTERNAL_EXECUTION_PLAN",
                               {"location": "nowhere", "job": "report_job"}),
    "plan, broken location": ("GET_EXTERNAL_EXECUTION_PLAN",
                              {"location": BROKEN, "job": "report_job"}),
    "subset": ("GET_SUBSET_EXTERNAL_PIPELINE_RESULT",
               {"job": "report_job", "ops": ["make_report"]}),
    "subset, unknown op": ("GET_SUBSET_EXTERNAL_PIPELINE_RESULT",
                           {"job": "report_job", "ops": ["nothing"]}),
    "partition config": ("GET_EXTERNAL_PARTITION_CONFIG",
                         {"job": "color_job", "partition": "red"}),
    "partition config, broken": ("GET_EXTERNAL_PARTITION_CONFIG",
                                 {"job": "color_job", "partition": "broken"}),
    "partition tags": ("GET_EXTERNAL_PARTITION_TAGS", {"job": "color_job", "partition": "red"}),
    "partition tags, broken": ("GET_EXTERNAL_PARTITION_TAGS",
                               {"job": "color_job", "partition": "broken"}),
    "partition names": ("GET_EXTERNAL_PARTITION_NAMES", {"job": "color_job"}),
    "partition names, broken": ("GET_EXTERNAL_PARTITION_NAMES", {"job": "lost_job"}),
    "partition set": ("GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA",
                      {"job": "color_job", "partitions": ["red", "green"]}),
    "partition set, broken": ("GET_EXTERNAL_PARTITION_SET_EXECUTION_PARAM_DATA",
                              {"job": "color_job", "partitions": ["red", "broken"]}),
    "schedule": ("GET_EXTERNAL_SCHEDULE_EXECUTION_DATA",
                 {"schedule": "daily_report", "timestamp": 1700000000.0}),
    "schedule, failing": ("GET_EXTERNAL_SCHEDULE_EXECUTION_DATA",
                          {"schedule": "failing_schedule", "timestamp": 1700000000.0}),
    "sensor": ("GET_EXTERNAL_SENSOR_EXECUTION_DATA",
               {"sensor": "counting_sensor", "cursor": "41"}),
    "sensor, failing": ("GET_EXTERNAL_SENSOR_EXECUTION_DATA", {"sensor": "failing_sensor"}),
    "sensor, too slow": ("GET_EXTERNAL_SENSOR_EXECUTION_DATA",
                         {"sensor": "slow_sensor", "timeout": 1}),
    "notebook": ("GET_EXTERNAL_NOTEBOOK_DATA", {"notebook": "{home}/notebook.ipynb"}),
    "notebook, not there": ("GET_EXTERNAL_NOTEBOOK_DATA", {"notebook": "/nonexistent.ipynb"}),
    "component state": ("REFRESH_COMPONENT_STATE", {"location": STATEFUL, "keys": ["feed"]}),
    "component state, unknown": ("REFRESH_COMPONENT_STATE",
                                 {"location": STATEFUL, "keys": ["nothing"]}),
    "unknown kind": ("PAINT_IT_BLACK", {"body": {
        "__class__": "DagsterCloudApiRequest", "request_id": "@ID@",
        "request_api": {"__enum__": "DagsterCloudApi.PAINT_IT_BLACK"}, "request_args": None,
        "deployment_name": "prod", "expire_at": 4000000000.0, "is_branch_deployment": False}}),
    "deprecated kind": ("CHECK_STEP_HEALTH", {"body": {
        "__class__": "DagsterCloudApiRequest", "request_id": "@ID@",
        "request_api": {"__enum__": "DagsterCloudApi.CHECK_STEP_HEALTH"}, "request_args": None,
        "deployment_name": "prod", "expire_at": 4000000000.0, "is_branch_deployment": False}}),
}

# name -> (run id, job)
RUNS = {
    "isolated": ("11111111-1111-4111-8111-111111111111", "report_job"),
    "not isolated": ("22222222-2222-4222-8222-222222222222", "shared_job"),
    "terminated": ("33333333-3333-4333-8333-333333333333", "long_job"),
    "terminated, not isolated": ("44444444-4444-4444-8444-444444444444", "shared_long_job"),
    "nowhere": ("55555555-5555-4555-8555-555555555555", "shared_job"),
}


class Side:
    """One agent and all that it said. answers: sample -> text; calls: what devplane recorded
    with `body` as bytes, oldest first."""

    def __init__(self, bench, kind, config=CONFIG):
        self.bench, self.kind = bench, kind
        self.plane = bench.devplane("--bodies")
        self.plane.secret_set(name="GREETING", value="hello from devplane")
        self.code = bench.directory / "code"
        self.code.mkdir()
        (self.code / "broken.py").write_text("import nothing_of_that_name\n")
        for name in (LOCATION, STATEFUL):
            self.plane.location_add(
                path=str(harness.EXAMPLES / name / "dagster_cloud.yaml"))
        self.plane.location_add(name=BROKEN, fields={
            "python_file": str(self.code / "broken.py"), "working_directory": str(self.code)})
        self.agent = bench.agent(kind, self.plane, config=config)
        shutil.copy(harness.EXAMPLES / "quickstart" / "notebook.ipynb", self.agent.home)
        self.answers, self.refs = {}, {}
        for name in (LOCATION, STATEFUL):
            self.plane.location_wait(name=name, server="RUNNING", wait=WAIT)
        self.plane.location_wait(name=BROKEN, server="FAILED", wait=WAIT)

    def keep(self, name, answer):
        (self.answers[name],) = answer["answers"]

    def ask(self, name, kind, location=LOCATION, body=None, **want):
        if "notebook" in want:
            want["notebook"] = want["notebook"].format(home=self.agent.home)
        if body is not None:
            want["body"] = json.dumps(body)
        answer = self.plane.request(kind=kind, location=location, wait=WAIT, **want)["answer"]
        self.keep(name, answer)
        return answer

    def ask_all(self):
        for name, (kind, want) in SAMPLES.items():
            self.ask(name, kind, **want)

    def launch(self, name):
        id, job = RUNS[name]
        launched = self.plane.run_launch(job=job, location=LOCATION, run_id=id)
        self.keep(f"launch, {name}",
                  self.plane.answer(id=launched["request_id"], wait=WAIT))

    def run_all(self):
        for name in RUNS:
            if name == "nowhere":
                continue
            self.launch(name)
            id = RUNS[name][0]
            if name.startswith("terminated"):
                self.until_it_steps(id)
                self.look_at_refs()
                self.keep(f"terminate, {name}",
                          self.plane.run_terminate(run_id=id, wait=WAIT)["answer"])
            assert self.plane.run(run_id=id, wait=WAIT)["finished"]
        self.launch_nowhere()

    def until_it_steps(self, id):
        cursor = None
        while True:
            run = self.plane.run(run_id=id, cursor=cursor, until="events", wait=WAIT)
            assert run["reached"] and not run["finished"], run
            cursor = run["cursor"]
            if "STEP_START" in [e["type"] for e in run["events"]]:
                return

    def launch_nowhere(self):
        """LAUNCH_RUN and TERMINATE_RUN of a run in a location that is not there."""
        id, job = RUNS["nowhere"]
        self.plane.run_launch(job=job, location=LOCATION, run_id=id, enqueue=False)
        for kind in ("LAUNCH_RUN", "TERMINATE_RUN"):
            made = self.plane.request(kind=kind, location=LOCATION, run_id=id, queue="nobody's")
            body = json.loads(self.plane.answer(id=made["id"])["body"])
            args = json.loads(json.dumps(body["request_args"]).replace(
                json.dumps(LOCATION), json.dumps("nowhere")))
            self.ask(f"{kind}, nowhere", kind, args=args)

    def look_at_refs(self):
        """The instance refs in the arguments and the environment of what the agent started."""
        for pid, line in harness.marked(self.bench.test_id).items():
            role = ("run" if "execute_run" in line else
                    "server" if "api grpc" in line or "code-server" in line else None)
            if role is None or pid in (self.agent.pid, self.plane.pid):
                continue
            try:
                words = [word for name in ("cmdline", "environ")
                         for word in Path(f"/proc/{pid}/{name}").read_text().split("\0")]
            except OSError:
                continue
            for word in words:
                word = word[word.find("{"):] if "{" in word else ""
                if '"InstanceRef"' not in word:
                    continue
                (start, end), *_ = [
                    (start, end) for path, start, end in spans(word)
                    if word[start:end].startswith('{"__class__": "InstanceRef"')]
                self.refs.setdefault(role, word[start:end])

    def check_updates(self):
        """CHECK_FOR_WORKSPACE_UPDATES, well and refused."""
        self.ask("workspace updates", "CHECK_FOR_WORKSPACE_UPDATES", location=None)
        self.plane.fault_set(kind="errors", match="deployments", deployment="prod",
                             message="no workspace today")
        try:
            self.ask("workspace updates, refused", "CHECK_FOR_WORKSPACE_UPDATES", location=None)
        finally:
            self.plane.fault_clear()

    def settle(self):
        """Wait for a heartbeat that tells the present state of all."""
        seen = self.plane.heartbeats()["heartbeats"][0]["received"]
        self.plane.heartbeats(since=seen, count=1, wait=WAIT)
        self.errors = self.plane.heartbeats()["errors"].get("errors", [])

    def calls(self, **where):
        found = self.plane.calls(**where)["calls"]
        for call in found:
            call["body"] = base64.b64decode(call["body"]) if call["body"] else b""
        return found

    def own(self, text):
        """Text of the wire with what this side has of its own (address, directories, id)
        replaced."""
        id = self.plane.heartbeats()["heartbeats"][0]["heartbeat"]["agent_id"]
        text = text.replace(id, "AGENT").replace(f"Agent {id[:8]} ", "AGENT ")
        return (text.replace(self.plane.url, "PLANE").replace(str(self.agent.home), "HOME")
                .replace(str(self.code), "CODE"))


def part(body):
    """The inflated bytes of the only part of a multipart body."""
    head, _, rest = body.partition(b"\r\n\r\n")
    boundary = head.split(b"\r\n")[0]
    return zlib.decompress(rest[:rest.rindex(b"\r\n" + boundary)])
