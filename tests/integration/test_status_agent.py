"""What the status socket and dagletctl show of a real agent at work, from start to end."""

import json
import os
import signal
import socket
import subprocess
from http.client import HTTPConnection

import harness
import pytest

LOCATION = "quickstart"


class Looked:
    """A served project and dagletctl on it."""

    def __init__(self, bench):
        self.bench = bench
        self.plane = bench.devplane()
        self.plane.secret_set(name="GREETING", value="hello from devplane")
        self.plane.location_add(
            path=str(harness.EXAMPLES / "quickstart" / "dagster_cloud.yaml"))
        self.agent = bench.agent("daglet", self.plane)
        self.tool = harness.daglet_binary().parent / "dagletctl"

    def ctl(self, *args):
        return subprocess.run(
            [self.tool, "--home", self.agent.home, *args], capture_output=True, text=True,
            timeout=60, env=harness.environment(self.bench.test_id))

    def json(self, *args):
        r = self.ctl("--json", *args)
        return json.loads(r.stdout) if r.stdout.startswith("{") else {}

    def until(self, command, look, what, timeout=60):
        def turn():
            try:
                return look(self.json(command))
            except (KeyError, IndexError):
                return None
        return harness.until(turn, timeout, what)

    def metric(self, name):
        path = next((self.agent.home / ".daglet").rglob("status.sock"))
        c = HTTPConnection("daglet", timeout=10)
        c.sock = socket.socket(socket.AF_UNIX)
        c.sock.connect(str(path))
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        c.close()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
                for line in text.splitlines() if line.startswith(name)}


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    reason = harness.why_not("daglet")
    if reason:
        pytest.skip(reason)
    with harness.Bench(tmp_path_factory.mktemp("status")) as bench:
        yield Looked(bench)


def test_it_becomes_ready(looked):
    r = harness.until(lambda: (x := looked.ctl("check")).returncode == 0 and x, 120, "ready")
    assert r.stdout.startswith("ready\n")
    s = looked.json("status")
    assert {x["role"] for x in s["roles"]} == {
        "master", "ledger", "status", "reporter", "launcher", "poller"}
    for role in s["roles"]:
        if role["role"] == "master":
            assert role["pid"] == looked.agent.pid and role["drain"] == "no"
            continue
        assert role["state"] == "ready" and harness.alive(role["pid"]), role
        assert role["restarts"] == 0 and role["pulse_age"] < 10, role
    assert s["agent"]["agent_id"]
    assert looked.ctl("status").returncode == 0


def test_the_location_and_its_server_are_shown(looked):
    look = looked.until("locations", lambda s: s["locations"][0]["state"] == "SERVING" and s,
                        "the location serves", 120)
    (location,), (server,) = look["locations"], look["servers"]
    assert location["location"] == LOCATION and location["server"] == server["server"]
    assert server["state"] == "serving" and harness.alive(int(server["handle"]))
    assert look["locations"][0]["error"] is None


def test_the_logs_of_a_server_by_the_name_of_its_location(looked):
    r = looked.ctl("logs", LOCATION, "-n", "50")
    assert r.returncode == 0, r.stderr
    r = looked.ctl("logs", "0123456789abcdef")
    assert r.returncode == 1 and r.stderr.startswith("dagletctl: ")


def test_requests_are_counted_by_kind_and_outcome(looked):
    looked.plane.request(kind="PING_LOCATION", location=LOCATION, wait=60)
    key = 'daglet_requests_total{kind="PING_LOCATION",outcome='
    harness.until(lambda: any(k.startswith(key) for k in looked.metric("daglet_requests_total")),
                  20, "the request is counted")
    assert looked.metric("daglet_requests_recorded_total")['daglet_requests_recorded_total{inst=""}'] >= 1
    assert looked.json("requests")["count"] == 0


def test_a_run_is_shown_to_its_end_with_its_output(looked):
    run = looked.plane.run_launch(job="report_job", location=LOCATION, wait=120)["run"]
    (row,) = looked.until("runs", lambda s: s["runs"][0]["status"] == "SUCCESS" and s["runs"],
                          "the run's worker has ended")
    assert row["run_id"] == run["run_id"]
    assert row["run_id"] in looked.ctl("runs").stdout
    r = looked.ctl("logs", row["run_id"], "-n", "5000")
    assert r.returncode == 0 and "RUN_SUCCESS" in r.stdout, (r.stdout, r.stderr)
    assert looked.metric("daglet_runs") == {'daglet_runs{status="SUCCESS"}': 1}


def test_a_role_that_was_killed_is_back_and_counted(looked):
    def poller(s):
        return next(r for r in s["roles"] if r["role"] == "poller" and r["inst"] != "workspace")

    before = poller(looked.json("status"))
    os.kill(before["pid"], signal.SIGKILL)
    after = looked.until(
        "status", lambda s: (p := poller(s))["state"] == "ready" and p["pid"] != before["pid"] and p,
        "the poller is back", 20)
    assert after["restarts"] == before["restarts"] + 1
    assert "9" in after["last_exit"]
    harness.until(lambda: looked.ctl("check").returncode == 0, 20, "ready again")


def test_status_itself_is_replaced_and_knows_everything_again(looked):
    before = looked.json("status")
    os.kill(next(r for r in before["roles"] if r["role"] == "status")["pid"], signal.SIGKILL)
    after = looked.until("status", lambda s: s["locations"] and s["roles"] and
                         s["health"]["ready"] and s, "status is back", 20)
    assert after["locations"][0]["server"] == before["locations"][0]["server"]
    assert len(after["roles"]) == len(before["roles"])


def test_the_ledgers_death_is_survived(looked):
    before = looked.json("status")
    os.kill(next(r for r in before["roles"] if r["role"] == "ledger")["pid"], signal.SIGKILL)
    after = looked.until(
        "status", lambda s: s["health"]["ready"] and
        next(r for r in s["roles"] if r["role"] == "ledger")["restarts"] == 1 and s,
        "ready again", 20)
    assert after["locations"][0]["server"] == before["locations"][0]["server"]


def test_a_broken_location_is_told_with_its_error(looked):
    code = looked.bench.directory / "broken"
    code.mkdir()
    (code / "broken_defs.py").write_text("import dagster\nraise ValueError('this is broken')\n")
    (code / "dagster_cloud.yaml").write_text(
        "locations:\n  - location_name: broken\n    code_source:\n"
        f"      python_file: {code}/broken_defs.py\n")
    looked.plane.location_add(path=str(code / "dagster_cloud.yaml"))
    looked.until("locations", lambda s: any(
        x["location"] == "broken" and x["status"] == "FAILED" for x in s["locations"]),
        "the location is broken", 60)
    r = looked.ctl("locations")
    assert r.returncode == 1 and "this is broken" in r.stdout, r.stdout
    assert "location broken: it has failed" in looked.ctl("check").stdout
    up = looked.metric("daglet_location_up")
    assert sorted(up.values()) == [0, 1]


def test_when_it_has_ended_nobody_listens(looked):
    assert looked.agent.stop() == 0, looked.agent.output()
    assert not list((looked.agent.home / ".daglet").rglob("status.sock"))
    r = looked.ctl("status")
    assert r.returncode == 3 and "is it running?" in r.stderr
