"""The end of an agent, its drain, reload and restart: what is under way is finished, servers
stay or go as it was asked for, the exit code tells."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import harness
import pytest

DEFS = """\
import os, time
import dagster as dg

@dg.op
def nothing(): pass

@dg.job
def job(): nothing()

@dg.sensor(job=job, minimum_interval_seconds=86400)
def slow(context):
    open(os.environ["SLOW_FLAG"], "w").close()
    time.sleep(float(os.environ.get("SLOW", "3")))
    yield dg.SkipReason("slept")

defs = dg.Definitions(jobs=[job], sensors=[slow])
"""

LEFT = 75


class Stand:
    """A plane, a location whose sensor takes a while, an agent, dagletctl."""

    def __init__(self, bench, slow=3, daglet_yaml="", ctl_args=(), **more):
        self.bench, self.slow, self.ctl_args = bench, slow, ctl_args
        self.plane = bench.devplane()
        code = bench.directory / "code"
        code.mkdir()
        (code / "slow_defs.py").write_text(DEFS)
        (code / "dagster_cloud.yaml").write_text(
            "locations:\n  - location_name: slow\n    code_source:\n"
            f"      python_file: {code}/slow_defs.py\n")
        self.flag = bench.directory / "asked"
        self.plane.location_add(path=str(code / "dagster_cloud.yaml"))
        self.home = bench.directory / "agent"
        self.home.mkdir()
        (self.home / "daglet.yaml").write_text(daglet_yaml)
        self.more = more
        self.agent = self.start()
        self.plane.location_wait(name="slow", server="RUNNING", wait=120)
        harness.until(lambda: self.ctl("check").returncode == 0, 30, "ready")

    def start(self, name="agent"):
        return self.bench.agent("daglet", self.plane, SLOW_FLAG=str(self.flag),
                                SLOW=str(self.slow), **self.more)

    def ctl(self, *args, **more):
        return subprocess.run(
            [harness.daglet_binary().parent / "dagletctl", "--home", self.home, *self.ctl_args, *args],
            capture_output=True, text=True, timeout=90,
            env=harness.environment(self.bench.test_id), **more)

    def status(self):
        return json.loads(self.ctl("--json", "status").stdout)

    def master(self):
        return next(r for r in self.status()["roles"] if r["role"] == "master")

    def server(self):
        """The pid of the one that serves."""
        s = self.status()
        (location,) = s["locations"]
        return int(next(x["handle"] for x in s["servers"]
                        if x["server"] == location["server"]))

    def tick(self):
        """Ask for the slow sensor, and return when user code has begun with it."""
        self.flag.unlink(missing_ok=True)
        got = self.plane.request(kind="GET_EXTERNAL_SENSOR_EXECUTION_DATA", location="slow",
                                 sensor="slow", wait=0)
        harness.until(self.flag.exists, 30, "the sensor runs")
        return got["id"]



@pytest.fixture
def stand(bench):
    reason = harness.why_not("daglet")
    if reason:
        pytest.skip(reason)
    return lambda **more: Stand(bench, **more)


def test_what_is_under_way_is_finished_and_its_answer_delivered(stand):
    s = stand()
    server, request = s.server(), s.tick()
    began = time.monotonic()
    assert s.agent.stop() == 0, s.agent.output()
    assert time.monotonic() - began < 15
    got = s.plane.answer(id=request)
    assert got["accepted"] == 1 and "slept" in json.dumps(got["response"])
    assert harness.alive(server), "SIGTERM keeps process servers"
    calls = s.plane.calls(limit=100000)["calls"]
    ends = {c["time"] + c["seconds"]: c["operations"] + [c["path"]] for c in calls}
    assert "userCloudAgent.addAgentHeartbeats" in ends[max(ends)], "one last heartbeat"
    assert any("upload_api_response" in o for e in list(ends)[-5:] for o in ends[e])
    # and nothing is popped any more
    late = s.plane.request(kind="PING_LOCATION", location="slow")["id"]
    assert s.plane.calls(limit=100000)["seq"] == calls[-1]["seq"]
    # the next one uses the server that was kept
    agent = s.start()
    assert s.plane.answer(id=late, wait=30)["accepted"] == 1
    harness.until(lambda: s.ctl("check").returncode == 0, 30, "ready")
    assert s.server() == server
    assert agent.stop(number=signal.SIGINT) == 0
    harness.until(lambda: not harness.alive(server), 10, "Ctrl-C removes servers")


def test_what_does_not_end_in_time_stays_in_the_store(stand):
    s = stand(slow=30, daglet_yaml="drain_timeout: 1\n")
    request = s.tick()
    began = time.monotonic()
    assert s.agent.stop() == LEFT, s.agent.output()
    assert time.monotonic() - began < 10
    assert "1 requests are not answered" in s.agent.output()
    assert s.plane.answer(id=request)["accepted"] == 0
    s.slow = 0
    s.start()
    assert s.plane.answer(id=request, wait=60)["accepted"] == 1


def test_the_second_signal_ends_at_once(stand):
    s = stand(slow=30, daglet_yaml="on_stop: remove\n")
    server, request = s.server(), s.tick()
    s.agent.send(signal.SIGTERM)
    harness.until(lambda: "SIGTERM: no more work" in s.agent.output(), 10, "it stops")
    began = time.monotonic()
    assert s.agent.stop() == LEFT
    assert time.monotonic() - began < 3
    assert not harness.alive(server), "on_stop: remove holds in a hurry too"
    assert s.plane.answer(id=request)["accepted"] == 0


def test_drain_says_when_it_is_done_and_can_be_undone(stand):
    s = stand()
    request = s.tick()
    assert s.ctl("drain", "--no-wait").returncode == 0
    assert s.master()["drain"] == "draining"
    r = s.ctl("drain")
    assert (r.returncode, r.stdout.splitlines()[-1]) == (0, "drained: nothing is under way")
    assert s.plane.answer(id=request)["accepted"] == 1, "it was finished first"
    assert s.ctl("check").returncode == 1 and "no work is taken" in s.ctl("check").stdout
    # a poller that is replaced does not pop either
    poller = next(r for r in s.status()["roles"]
                  if r["role"] == "poller" and r["inst"] == "queue")
    os.kill(poller["pid"], signal.SIGKILL)
    harness.until(lambda: any(r["role"] == "poller" and r["inst"] == "queue" and
                              r["state"] == "ready" and r["pid"] != poller["pid"]
                              for r in s.status()["roles"]), 20, "the poller is back")
    late = s.plane.request(kind="PING_LOCATION", location="slow", wait=0)["id"]
    beats = s.plane.heartbeats(count=1, wait=60)
    assert beats, "it is still there"
    assert s.plane.answer(id=late)["accepted"] == 0
    assert s.ctl("drain", "--undo").returncode == 0
    assert s.plane.answer(id=late, wait=20)["accepted"] == 1
    assert s.ctl("check").returncode == 0


def test_reload_says_what_a_change_takes_and_a_bad_file_changes_nothing(stand):
    s = stand()
    server, yaml = s.server(), s.home / "daglet.yaml"
    r = s.ctl("reload")
    assert (r.returncode, r.stdout) == (0, "nothing has changed in the configuration\n")
    pids = {(r["role"], r["inst"]): r["pid"] for r in s.status()["roles"]}
    yaml.write_text("log_level: debug\nserver_output_max: 100000\nreplicas: shared\n")
    r = s.ctl("reload")
    assert r.returncode == 0, r.stderr
    lines = r.stdout.splitlines()
    assert lines[0] == "the new configuration is in force (number 2)"
    assert "  log_level: in force" in lines
    assert "  server_output_max: in force; starts anew: launcher" in lines
    assert any(x.startswith("  replicas: needs a restart of the agent") for x in lines)
    reload = s.master()["reload"]
    assert reload["ok"] and {c["key"]: c["needs"] for c in reload["changes"]} == {
        "log_level": "reload", "server_output_max": "role", "replicas": "agent"}
    harness.until(lambda: s.ctl("check").returncode == 0, 30, "ready again")
    after = {(r["role"], r["inst"]): r["pid"] for r in s.status()["roles"]}
    assert {k for k in pids if pids[k] != after[k]} == {("launcher", "process")}
    assert all(r["restarts"] == 0 for r in s.status()["roles"])
    assert s.server() == server
    # a file with an error, by command and by signal
    yaml.write_text("log_level: loud\n")
    r = s.ctl("reload")
    assert r.returncode == 1 and re.search(r"daglet\.yaml:1:12: .*log_level", r.stderr), r.stderr
    assert r.stderr.endswith("the configuration stays as it was\n")
    assert not s.master()["reload"]["ok"] and s.master()["configuration"] == 2
    size = len(s.agent.log.read_bytes())
    s.agent.send(signal.SIGHUP)
    harness.until(lambda: b"stays as it was" in s.agent.log.read_bytes()[size:], 10, "the log")
    s.plane.request(kind="PING_LOCATION", location="slow", wait=20)


def test_restart_keeps_the_process_and_the_servers_and_loses_nothing(stand):
    s = stand()
    server, request, before = s.server(), s.tick(), s.master()
    r = s.ctl("restart")
    assert r.returncode == 0, r.stderr
    assert s.plane.answer(id=request, wait=20)["accepted"] == 1
    after = s.master()
    assert after["pid"] == before["pid"] == s.agent.pid and after["since"] > before["since"]
    harness.until(lambda: s.ctl("check").returncode == 0, 30, "ready again")
    assert s.server() == server
    s.plane.request(kind="PING_LOCATION", location="slow", wait=20)
    assert s.agent.stop() == 0


def test_only_the_right_users_may_give_orders(stand):
    if os.geteuid() != 0:
        pytest.skip("becoming somebody else needs root")
    folder = tempfile.mkdtemp(prefix="daglet-test-")
    try:
        os.chmod(folder, 0o755)
        s = stand(daglet_yaml=f"status_socket: {folder}/s\n",
                  ctl_args=("--socket", f"{folder}/s"))
        os.chmod(f"{folder}/s", 0o666)
        for order in ("drain", "undrain", "reload", "restart"):
            status, text = as_nobody(f"{folder}/s", "POST", order)
            assert status == 403 and "only root" in text, text
        assert as_nobody(f"{folder}/s", "GET", "livez") == (200, "ok\n")
        assert s.master()["drain"] == "no"
        assert s.agent.stop() == 0
    finally:
        shutil.rmtree(folder)


def as_nobody(sock, method, path):
    """An HTTP exchange from a process of another user: (status, body)."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            c = socket.socket(socket.AF_UNIX)
            c.settimeout(20)
            c.connect(sock)
            c.sendall(f"{method} /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                      "Connection: close\r\n\r\n".encode())
            while got := c.recv(65536):
                os.write(there, got)
        os._exit(0)
    os.close(there)
    with open(here, "rb") as f:
        head, _, body = f.read().decode().partition("\r\n\r\n")
    os.waitpid(child, 0)
    return int(head.split()[1]) if head else 0, body


def test_a_new_token_is_taken_from_its_file(stand):
    s = stand()
    # the same agent, now with a token file
    assert s.agent.stop() == 0
    token = s.home / "token"
    token.write_text(s.plane.token)
    (s.home / "daglet.yaml").write_text("token_file: token\n")
    agent = s.start()
    harness.until(lambda: s.ctl("check").returncode == 0, 30, "ready")
    server = s.server()
    token.write_text("agent:test:not-the-one")
    harness.until(lambda: "there is a new token" in agent.output(), 10, "it is seen")
    harness.until(lambda: "fails and is tried again" in agent.output(), 20, "it is refused")
    late = s.plane.request(kind="PING_LOCATION", location="slow", wait=0)["id"]
    token.write_text(s.plane.token)
    assert s.plane.answer(id=late, wait=30)["accepted"] == 1
    assert s.server() == server, "servers are not touched"
    (s.home / "daglet.yaml").write_text("token_file: token\non_token_change: replace\n")
    assert s.ctl("reload").returncode == 0 and s.server() == server
    token.write_text("agent:test:another-one")
    harness.until(lambda: "running code servers are replaced" in agent.output(), 20,
                  "they are replaced")
    token.write_text(s.plane.token)  # the one that was begun with the wrong token is dropped
    harness.until(lambda: s.server() != server, 60, "a server with the right token")
    harness.until(lambda: not harness.alive(server), 20, "the old one is gone")
    s.plane.request(kind="PING_LOCATION", location="slow", wait=20)
