"""The status role and dagletctl, with a hand-made master and ledger."""

import json
import os
import socket
import stat
import subprocess
import threading
import time

import pytest

from roles import BUILD, Role

DEPLOYMENT, LOCATION, SERVER, RUN, ROLE = range(5)


class Agent(Role):
    """A status role with its socket in DIR."""

    def __init__(self, folder, **values):
        self.folder = folder
        self.socket = os.path.join(folder, "status.sock")
        super().__init__("status", {"daglet.state_dir": folder, **values})

    def say(self, kind, key, body):
        self.ledger.send("STATE", kind=kind, key=key, body=json.dumps(body).encode())

    def say_role(self, key, **body):
        self.control.send("STATE", kind=ROLE, key=key, body=json.dumps(body).encode())

    def get(self, target, method="GET"):
        """(status, headers, body)"""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(self.socket)
            s.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            raw = b""
            while chunk := s.recv(65536):
                raw += chunk
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        assert int(headers["content-length"]) == len(body) or method == "HEAD"
        return int(first.split()[1]), headers, body.decode()

    def until(self, target, condition, limit=10):
        end = time.monotonic() + limit
        while True:
            got = self.get(target)
            if condition(got):
                return got
            assert time.monotonic() < end, got
            time.sleep(0.01)

    def ctl(self, *args, **env):
        return subprocess.run(
            [BUILD / "dagletctl", "--socket", self.socket, *args],
            capture_output=True, text=True, timeout=30, env={**os.environ, **env},
        )

    def well(self):
        for role in ("ledger:", "launcher:process", "poller:"):
            self.say_role(role, pid=42, state="ready", since=time.time(), restarts=0,
                          last_exit=None, pulse_age=0.1, success_age=0.2, text="fine")
        self.say(ROLE, "launcher:process", {"ready": True})
        self.say(LOCATION, "prod\netl", {
            "deployment": "prod", "location": "etl", "state": "SERVING",
            "status": "RUNNING", "server": "00ff", "error": None, "held": 0})
        self.say(SERVER, "00ff", {"deployment": "prod", "location": "etl", "calls": 0, "slots": 7})
        self.until("/readyz", lambda r: r[0] == 200)


@pytest.fixture
def agent(tmp_path):
    with Agent(str(tmp_path)) as a:
        yield a
    assert a.process.returncode == 0
    assert not os.path.exists(a.socket)


def answer(agent, code, body):
    """Answer the next COMMAND; returns what it asked."""
    got = {}

    def turn():
        msg_id, fields = agent.ledger.until("COMMAND")
        got.update(fields)
        agent.ledger.send("RESULT", msg_id, code=code, body=body)

    t = threading.Thread(target=turn)
    t.start()
    return t, got


def test_the_socket_is_for_its_user_and_group(agent):
    assert stat.S_IMODE(os.stat(agent.socket).st_mode) == 0o660


def test_ready_is_said_only_when_everything_is_up(agent):
    assert agent.get("/livez")[0] == 200
    code, _, text = agent.get("/readyz")
    assert code == 503 and "the master has not named its roles yet" in text
    agent.well()
    assert agent.get("/readyz")[2] == "ok\n"
    agent.say_role("poller:", pid=None, state="backoff", last_exit="killed by signal 9")
    code, _, text = agent.until("/readyz", lambda r: r[0] == 503)
    assert text == "poller: is in state backoff: killed by signal 9\n"


def test_status_json_holds_everything(agent):
    agent.ledger.send("IDENTITY", slot=1, agent_id="agent-1", installation="inst")
    agent.well()
    agent.say(RUN, "run-1", {"status": "RUNNING", "deployment": "prod"})
    agent.say(DEPLOYMENT, "prod", {"branch": False})
    _, headers, body = agent.until("/status.json", lambda r: '"prod", "branch"' in r[2])
    s = json.loads(body)
    assert headers["content-type"] == "application/json"
    assert s["agent"] == {"agent_id": "agent-1", "installation": "inst", "slot": 1}
    assert s["daglet"]["protocol_release"] == "1.13.27"
    assert [r["role"] for r in s["roles"]] == ["launcher", "ledger", "poller"]
    assert s["locations"][0]["location"] == "etl"
    assert s["servers"][0]["server"] == "00ff"
    assert s["runs"] == [{"run_id": "run-1", "status": "RUNNING", "deployment": "prod"}]
    assert s["deployments"] == [{"deployment": "prod", "branch": False}]
    assert json.loads(agent.get("/locations")[2])["servers"] == s["servers"]
    assert json.loads(agent.get("/runs")[2])["runs"] == s["runs"]


def test_metrics_are_prometheus_text(agent):
    agent.well()
    _, headers, body = agent.get("/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'daglet_location_up{deployment="prod",location="etl"} 1\n' in body
    for line in body.splitlines():
        assert line.startswith("# ") or line.rsplit(" ", 1)[1].replace(".", "").isdigit(), line


@pytest.mark.parametrize("target, method, code", [
    ("/nothing", "GET", 404), ("/../etc/passwd", "GET", 404), ("/", "POST", 405),
    ("/status.json", "DELETE", 405), ("/logs", "GET", 400), ("/logs?server=", "GET", 400),
    ("/logs?server=a&run=b", "GET", 400), ("/logs?run=a&lines=0", "GET", 400),
    ("/logs?run=a&lines=5x", "GET", 400), ("/logs?run=a&lines=99999999999999999999", "GET", 400),
    ("/logs?run=" + "a" * 300, "GET", 400), ("/" + "a" * 70000, "GET", 414), ("/", "HEAD", 200),
])
def test_what_is_not_served_is_refused(agent, target, method, code):
    if code == 414:
        with pytest.raises((AssertionError, OSError, ValueError)):
            agent.get(target)  # cut off or refused, as the library likes
            raise ValueError
    else:
        assert agent.get(target, method)[0] == code
    assert agent.get("/livez")[0] == 200


def test_requests_and_logs_are_asked_of_the_ledger(agent):
    for target, code, body, asked in [
        ("/requests", 200, b'{"count": 0, "requests": []}', ("requests", {"limit": 1000})),
        ("/logs?server=00ff", 200, b"one\ntwo\n", ("logs", {"server": "00ff", "lines": 100})),
        ("/logs?run=r%20%221&lines=3", 404, b'gone',
         ("logs", {"run": 'r "1', "lines": 3})),
        ("/logs?run=r&lines=9999", 200, b"x" * 3_000_000, ("logs", {"run": "r", "lines": 9999})),
    ]:
        t, got = answer(agent, code, body)
        status, _, text = agent.get(target)
        t.join()
        assert (status, text) == (code, body.decode())
        assert (got["op"], json.loads(got["args"])) == asked


def test_many_wait_at_once_and_each_gets_its_own_answer(agent):
    results = {}
    askers = [threading.Thread(target=lambda i=i: results.update({i: agent.get(f"/logs?run=r{i}")}))
              for i in range(20)]
    for t in askers:
        t.start()
    asked = [agent.ledger.until("COMMAND") for _ in askers]
    for msg_id, fields in reversed(asked):
        run = json.loads(fields["args"])["run"]
        agent.ledger.send("RESULT", msg_id, code=200, body=run.encode())
    for t in askers:
        t.join()
    assert {i: r[2] for i, r in results.items()} == {i: f"r{i}" for i in range(20)}


def test_an_answer_that_never_comes_is_504_and_one_that_comes_late_is_nobodys(agent):
    results = []
    t = threading.Thread(target=lambda: results.append(agent.get("/requests")))
    t.start()
    msg_id, _ = agent.ledger.until("COMMAND")
    assert agent.get("/livez")[0] == 200, "others are served meanwhile"
    t.join()
    assert results[0][0] == 504
    agent.ledger.send("RESULT", msg_id, code=200, body=b"late")
    assert agent.get("/livez")[0] == 200


def test_a_client_that_goes_away_while_it_waits_is_forgotten(agent):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(agent.socket)
        s.sendall(b"GET /requests HTTP/1.1\r\nHost: x\r\n\r\n")
        msg_id, _ = agent.ledger.until("COMMAND")
    agent.ledger.send("RESULT", msg_id, code=200, body=b"{}")
    assert agent.get("/livez")[0] == 200


def test_when_the_ledger_goes_those_who_wait_are_told(agent):
    agent.well()
    results = []
    t = threading.Thread(target=lambda: results.append(agent.get("/requests")))
    t.start()
    agent.ledger.until("COMMAND")
    agent.ledger.close()
    assert "there is no link to the ledger" in agent.until("/readyz", lambda r: r[0] == 503)[2]
    assert agent.get("/requests")[0] == 503
    agent.relink()
    t.join()
    assert results[0][0] == 503
    assert agent.get("/readyz")[0] == 200, "what was known is still shown"


def test_more_clients_than_it_takes_do_no_harm(agent):
    idle = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    try:
        for s in idle:
            s.setblocking(False)
            s.connect_ex(agent.socket)
        agent.say(RUN, "after", {})
    finally:
        for s in idle:
            s.close()
    agent.until("/runs", lambda r: "after" in r[2])


def test_a_malformed_state_is_reported_as_the_ledgers_bug(agent):
    agent.ledger.send("STATE", kind=LOCATION, key="x", body=b"[1]")
    _, m = agent.control.until("MISBEHAVED")
    assert m["role"] == 1 and "no JSON object" in m["text"]
    agent.ledger.send("STATE", kind=77, key="x", body=b"{}")
    _, m = agent.control.until("MISBEHAVED")
    assert "unknown kind" in m["text"]


def test_a_socket_that_a_dead_agent_left_is_replaced(tmp_path):
    with Agent(str(tmp_path)) as a:
        a.process.kill()
        a.process.wait()
        assert os.path.exists(a.socket)
    with Agent(str(tmp_path)) as a:
        assert a.get("/livez")[0] == 200


def test_a_socket_where_somebody_listens_is_left_alone(tmp_path):
    with Agent(str(tmp_path)) as a:
        b = Agent(str(tmp_path))
        b.link = False
        with b:
            assert b.wait() == 1
        assert a.get("/livez")[0] == 200


def test_a_long_path_is_no_obstacle(tmp_path):
    folder = tmp_path / ("d" * 100) / ("e" * 60)
    folder.mkdir(parents=True)
    with Agent(str(folder)) as a:
        r = a.ctl("check")
        assert r.returncode == 1 and r.stdout.startswith("not ready\n")


def test_tcp_when_asked_for(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with Agent(str(tmp_path), **{"daglet.status_listen": f"127.0.0.1:{port}"}):
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            assert s.recv(65536).startswith(b"HTTP/1.")


def test_a_bad_tcp_address_is_a_configuration_error(tmp_path):
    a = Agent(str(tmp_path), **{"daglet.status_listen": "localhost:http"})
    a.link = False
    with a:
        assert a.wait() == 78


# dagletctl


def test_ctl_shows_tables_and_json(agent):
    agent.well()
    r = agent.ctl("status")
    assert r.returncode == 0, r.stderr
    assert "etl" in r.stdout and "SERVING" in r.stdout and "\033" not in r.stdout
    assert json.loads(agent.ctl("--json", "status").stdout)["health"]["ready"] is True
    assert agent.ctl("locations").stdout.startswith("Locations\n")
    assert agent.ctl("runs").returncode == 0
    assert agent.ctl("check").stdout == "ready\n"
    agent.say(LOCATION, "prod\nml", {"deployment": "prod", "location": "ml", "state": "BROKEN",
                                     "status": "FAILED", "error": {"message": "No module x\n"}})
    agent.until("/locations", lambda r: "BROKEN" in r[2])
    r = agent.ctl("locations")
    assert r.returncode == 1 and "No module x" in r.stdout
    r = agent.ctl("check")
    assert (r.returncode, r.stdout) == (0, "ready\n  location ml: it has failed\n")


def test_ctl_requests_and_logs(agent):
    agent.well()
    t, _ = answer(agent, 200, json.dumps({"count": 1, "requests": [
        {"id": 1, "request_id": "req", "kind": "PING_LOCATION", "state": "working"}]}).encode())
    r = agent.ctl("requests")
    t.join()
    assert r.returncode == 0 and "PING_LOCATION" in r.stdout
    t, got = answer(agent, 200, b"hello\n")
    r = agent.ctl("logs", "etl", "-n", "7")
    t.join()
    assert (r.returncode, r.stdout) == (0, "hello\n")
    assert json.loads(got["args"]) == {"server": "00ff", "lines": 7}
    t, got = answer(agent, 404, b'nobody knows it')
    r = agent.ctl("logs", "1b4e28ba-2fa1-41d2-883f-0016d3cca427")
    t.join()
    assert r.returncode == 1 and "nobody knows it" in r.stderr
    assert "run" in json.loads(got["args"])


def test_ctl_follows_a_log(agent):
    agent.well()
    p = subprocess.Popen([BUILD / "dagletctl", "-s", agent.socket, "logs", "-f", "-n", "1", "00ff"],
                         stdout=subprocess.PIPE, text=True)
    try:
        for body in (b"a\nb\n", b"a\nb\nc\n"):
            msg_id, _ = agent.ledger.until("COMMAND")
            agent.ledger.send("RESULT", msg_id, code=200, body=body)
        assert [p.stdout.readline() for _ in range(2)] == ["b\n", "c\n"]
    finally:
        p.kill()
        p.communicate()


@pytest.mark.parametrize("args, code, text", [
    ([], 2, "usage: dagletctl"), (["nonsense"], 2, "there is no command 'nonsense'"),
    (["status", "more"], 2, "takes nothing more"), (["logs"], 2, "takes one ID"),
    (["logs", "x", "-n", "0"], 2, "--lines"), (["--odd"], 2, "--help"),
    (["-s", "/nonexistent/s", "status"], 3, "no daglet listens at /nonexistent/s"),
    (["-H", "/nonexistent", "status"], 3, "start it with \"daglet run\""),
])
def test_ctl_says_what_is_wrong(args, code, text):
    r = subprocess.run([BUILD / "dagletctl", *args], capture_output=True, text=True, timeout=30)
    assert r.returncode == code and text in r.stderr


def test_ctl_help_and_version():
    for flag, text in (("--help", "usage: dagletctl"), ("--version", "protocol 1.13.27")):
        r = subprocess.run([BUILD / "dagletctl", flag], capture_output=True, text=True, timeout=30)
        assert r.returncode == 0 and text in r.stdout


def test_ctl_finds_the_agent_below_a_dagster_home(tmp_path):
    slot = tmp_path / ".daglet" / "replica-0"
    slot.mkdir(parents=True)
    with Agent(str(slot)) as a:
        a.well()
        for extra in (["-H", str(tmp_path)], []):
            r = subprocess.run([BUILD / "dagletctl", *extra, "check"], capture_output=True,
                               text=True, timeout=30,
                               env={**os.environ, "DAGSTER_HOME": str(tmp_path)})
            assert (r.returncode, r.stdout) == (0, "ready\n")
        other = tmp_path / ".daglet" / "replica-1"
        other.mkdir()
        with Agent(str(other)):
            r = subprocess.run([BUILD / "dagletctl", "-H", str(tmp_path), "check"],
                               capture_output=True, text=True, timeout=30)
            assert r.returncode == 2 and "several agents listen" in r.stderr
