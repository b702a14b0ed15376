"""The other ways in which an agent can be told to work, for every agent."""

import harness
import pytest

QUICKSTART = str(harness.EXAMPLES / "quickstart" / "dagster_cloud.yaml")


def served(bench, kind, *options, locations=({},), more="", config=None, **env):
    plane = bench.devplane(*options)
    for location in locations:
        plane.location_add(path=QUICKSTART, **location)
    bench.agent(kind, plane, more=more, config=config, **env)
    return plane


def names_asked(plane, location="quickstart", wait=90.0, **more):
    return plane.request(kind="GET_EXTERNAL_PARTITION_NAMES", location=location,
                         job="color_job", wait=wait, **more)["answer"]


def has_names(answer):
    return answer["value"]["partition_names"] == ["red", "green", "blue", "broken"]


def test_old_way_of_uploading(bench, agent_kind):
    """direct_snapshot_uploads: false, and answers in batches."""
    config = harness.DAGSTER_YAML.replace("user_code_launcher:", """\
user_code_launcher:
  config: {{direct_snapshot_uploads: false}}""")
    plane = served(bench, agent_kind, config=config,
                   DAGSTER_CLOUD_AGENT_UPLOAD_API_RESPONSE_BATCHING_ENABLED="true")
    plane.location_wait(name="quickstart", server="RUNNING", wait=120)
    ids = plane.request(kind="PING_LOCATION", location="quickstart", count=10)["ids"]
    answers = plane.answers(ids=ids, wait=30)["answers"]
    assert [a["accepted"] for a in answers] == [1] * 10
    paths = {c["path"] for c in plane.calls()["calls"]}
    assert {"/upload_workspace_entry", "/upload_job_snapshot"} <= paths
    assert not paths & {"/check_snapshot", "/code_location_update_result"}
    assert plane.problems()["problems"] == []


def test_queues(bench, agent_kind):
    """An agent sees the locations and the requests of its queues, and no others."""
    plane = served(
        bench, agent_kind, locations=(
            {"fields": {"agent_queue": "mine"}},
            ), more="agent_queues:\n  include_default_queue: false\n"
        "  additional_queues: [mine]\n")
    fields = plane.location_list(full=True)["locations"][0]["fields"]
    plane.location_add(name="theirs", fields={**fields, "agent_queue": "theirs"})
    plane.location_add(name="nobodys", fields={**fields, "agent_queue": None})
    assert has_names(names_asked(plane))
    others = [plane.request(kind="PING_LOCATION", location=name)["id"]
              for name in ("theirs", "nobodys")]
    assert has_names(names_asked(plane))
    assert [a["pops"] for a in plane.answers(ids=others)["answers"]] == [[], []]
    wanted = {"quickstart": "RUNNING", "theirs": None, "nobodys": None}
    harness.until(lambda: wanted == {one["name"]: one["server"] for one in
                                     plane.location_list()["locations"]},
                  120, "one location is served, the others are not")
    assert plane.problems()["problems"] == []


def test_branch_deployments(bench, agent_kind):
    """Their locations are found by the requests for them; runs go to the branch's storage."""
    config = harness.DAGSTER_YAML.replace(
        "  deployment: prod\n", "  deployment: prod\n  branch_deployments: true\n")
    plane = served(bench, agent_kind, "--branch", "fix-1", config=config,
                   locations=({"deployment": "fix-1"},))
    assert has_names(names_asked(plane, deployment="fix-1"))
    run = plane.run_launch(job="report_job", location="quickstart", deployment="fix-1",
                           wait=120)["run"]
    assert run["status"] == "SUCCESS"
    assert plane.runs(deployment="prod")["runs"] == []
    assert plane.problems()["problems"] == []


def test_no_compute_logs(bench, agent_kind):
    """With NoOpComputeLogManager a run uploads no log."""
    plane = served(bench, agent_kind, more="compute_logs:\n"
                   "  module: dagster._core.storage.noop_compute_log_manager\n"
                   "  class: NoOpComputeLogManager\n")
    plane.location_wait(name="quickstart", server="RUNNING", wait=120)
    run = plane.run_launch(job="report_job", location="quickstart", wait=120)["run"]
    assert run["status"] == "SUCCESS"
    assert plane.calls(path="/gen_logs_url")["calls"] == []
    assert plane.problems()["problems"] == []


@pytest.mark.parametrize("fault", [
    {"kind": "status", "status": 503, "count": 2, "match": "upload_api_response"},
    {"kind": "status", "status": 429, "retry_after": 1, "count": 1, "match": "upload_api_*"},
    {"kind": "lost", "count": 1, "match": "upload_api_response"},
    {"kind": "maintenance", "count": 2, "match": "deployments"},
    {"kind": "reset", "count": 3, "match": "userCloudAgent.*"},
])
def test_trouble_that_passes(bench, agent_kind, fault):
    """Trouble that every agent survives; an answer may come twice if the first was lost."""
    plane = served(bench, agent_kind)
    plane.location_wait(name="quickstart", server="RUNNING", wait=120)
    set_ = plane.fault_set(**fault)["fault"]
    assert has_names(names_asked(plane))

    def over():
        return plane.fault_list()["faults"][0]["hit"] == fault["count"]

    harness.until(over, 60, f"{set_} hits")
    answer = names_asked(plane)
    assert has_names(answer) and answer["accepted"] >= 1


SECRETIVE = """\
import os
import dagster as dg

@dg.op
def tell(context):
    context.log.info("the run has " + os.environ["DEVPLANE_TOLD_ME"])

@dg.job
def telling():
    tell()

@dg.sensor(job=telling)
def asking():
    return dg.SkipReason("the server has " + os.environ["DEVPLANE_TOLD_ME"])

defs = dg.Definitions(jobs=[telling], sensors=[asking])
"""


def test_secrets(bench, agent_kind, tmp_path):
    """A secret that the control plane holds is in the environment of code server and run."""
    (tmp_path / "code.py").write_text(SECRETIVE)
    plane = bench.devplane()
    plane.secret_set(name="DEVPLANE_TOLD_ME", value="a 'secret' ü")
    plane.location_add(name="code", fields={
        "python_file": str(tmp_path / "code.py"), "working_directory": str(tmp_path)})
    bench.agent(agent_kind, plane)
    plane.location_wait(name="code", server="RUNNING", wait=120)
    tick = plane.tick(type="sensor", name="asking", location="code")
    assert tick["skip_reason"] == "the server has a 'secret' ü"
    run = plane.run_launch(job="telling", location="code", wait=120)["run"]
    assert run["status"] == "SUCCESS"
    assert "the run has a 'secret' ü" in [e["message"] for e in run["events"]]
