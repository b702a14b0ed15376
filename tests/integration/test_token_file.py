"""The agent's token in a file of its own: served and run with it, and never seen elsewhere."""

import subprocess

import harness
import pytest

CONFIG = """
instance_class: {{module: dagster_cloud, class: DagsterCloudAgentInstance}}
dagster_cloud_api:
  url: {url}
  deployment: prod
user_code_launcher:
  module: dagster_cloud.workspace.user_code_launcher
  class: ProcessUserCodeLauncher
"""


def test_token_comes_from_a_file(bench):
    reason = harness.why_not("daglet")
    if reason:
        pytest.skip(reason)
    plane = bench.devplane()
    plane.secret_set(name="GREETING", value="hello")
    plane.location_add(path=str(harness.EXAMPLES / "quickstart" / "dagster_cloud.yaml"))
    home = bench.directory / "agent"
    home.mkdir()
    (home / "token").write_text(plane.token + "\n")
    (home / "daglet.yaml").write_text("token_file: token\n")
    bench.agent("daglet", plane, config=CONFIG)
    plane.location_wait(name="quickstart", server="RUNNING", wait=120)
    run = plane.run_launch(job="report_job", location="quickstart", wait=60)
    assert plane.run(run_id=run["run_id"], wait=120)["status"] == "SUCCESS"
    for line in harness.marked(bench.test_id).values():
        assert plane.token not in line
    kept = subprocess.run(["grep", "-rlF", plane.token, home / ".daglet"], capture_output=True,
                          text=True)
    assert kept.stdout == "" and kept.returncode == 1
