"""The real daglet-ledger between a poller, a launcher and a reporter that are played here."""

import json
import os
import time

import pytest
import roles
from roles import ROLES, Role, memfd, pair

#: rows of request.h, by their place in the table
KINDS = [name for name in (roles.TOP / "include/daglet/request.h").read_text().split("X(")[1:]]
KINDS = [row.split(",")[0].strip() for row in KINDS]


class Ledger(Role):
    """with Ledger(dir) as led: led.peer("POLLER", "queue") is a linked Channel."""

    def __init__(self, directory, **env):
        super().__init__("ledger", {"daglet.state_dir": str(directory) if directory else ""},
                         link=False, env=env)
        self.peers = []

    def __enter__(self):
        super().__enter__()
        self.control.until("READY")
        return self

    def peer(self, role, inst="", have=()):
        self.epoch += 1
        ours, theirs = pair(self.epoch)
        with theirs:
            self.control.send("PEER", role=ROLES.index(role), epoch=self.epoch, inst=inst,
                              link=os.dup(theirs.fileno()))
        ours.until("IDENTITY")
        for id in have:
            ours.send("HAVE", id)
        if role != "STATUS":
            ours.send("HAVE_END")
        self.peers.append(ours)
        return ours

    def forgotten(self):
        """Wait until the ledger holds no request."""
        status = self.peer("STATUS")
        end = time.monotonic() + roles.LIMIT
        count = 1
        while count:
            assert time.monotonic() < end, f"{count} requests are left"
            status.send("COMMAND", 1, op="requests", args="{}")
            count = json.loads(status.until("RESULT")[1]["body"])["count"]

    def kill(self):
        """As by a crash; what the ledger had committed is all that is left."""
        self.process.kill()
        self.process.wait()

    def __exit__(self, *what):
        for p in self.peers:
            p.close()
        super().__exit__(*what)


def ask(poller, seq, id, kind="PING_LOCATION", location="here", body=b"{}", slot=0):
    poller.send("REQUEST", seq, slot=slot, kind=KINDS.index(kind), expire=int(4e15),
                popped=int(time.time() * 1e6), request_id=id, api=kind, deployment="prod",
                location=location, body=body)


def recorded(poller, seq):
    """Acknowledgements are cumulative."""
    while poller.until("RECORDED")[0] < seq:
        pass


def silent(channel, *names, limit=0.3):
    """None of these messages comes for a while."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            got = channel.recv(max(0, end - time.monotonic()))
        except TimeoutError:
            return
        assert got is None or got[0] not in names, got


@pytest.fixture
def led(tmp_path):
    with Ledger(tmp_path) as ledger:
        yield ledger


def serve(launcher, reporter, request_id, response=b'"yes"'):
    """One request from DO to DELIVERED."""
    id, do = launcher.until("DO")
    assert do["request_id"] == request_id
    launcher.send("ANSWER", id, outcome="ok", response=response)
    assert launcher.until("ANSWERED")[0] == id
    delivered, m = reporter.until("DELIVER")
    assert (delivered, m["request_id"], m["response"]) == (id, request_id, response)
    reporter.send("DELIVERED", id, attempts=1)
    return id


def test_from_pop_to_delivery(led):
    poller, launcher, reporter = (led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER"))
    assert poller.until("CREDIT")[1]["requests"] > 0
    ask(poller, 1, "r1", body=b"small")
    recorded(poller, 1)
    id, do = launcher.until("DO")
    assert do["body"] == b"small" and do["attempt"] == 0 and do["location"] == "here"
    launcher.send("ANSWER", id, outcome="ok", response=b"x" * 100000)
    assert reporter.until("DELIVER")[1]["response"] == b"x" * 100000
    reporter.send("DELIVERED", id, attempts=1)
    ask(poller, 2, "r2")
    assert serve(launcher, reporter, "r2") > id


def test_a_request_told_twice_is_one_request(led):
    poller, launcher = led.peer("POLLER"), led.peer("LAUNCHER")
    ask(poller, 1, "r1")
    ask(poller, 2, "r1")
    recorded(poller, 2)
    launcher.until("DO")
    silent(launcher, "DO")


def test_an_answer_given_twice_is_one_answer(led):
    poller, launcher, reporter = (led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER"))
    ask(poller, 1, "r1")
    id, _ = launcher.until("DO")
    launcher.send("ANSWER", id, outcome="ok", response=b"1")
    assert launcher.until("ANSWERED")[0] == id
    launcher.send("ANSWER", id, outcome="ok", response=b"2")
    assert launcher.until("ANSWERED")[0] == id
    assert reporter.until("DELIVER")[1]["response"] == b"1"
    silent(reporter, "DELIVER")


def test_a_dead_launchers_work_is_given_again(led):
    poller, launcher = led.peer("POLLER"), led.peer("LAUNCHER")
    for n in range(3):
        ask(poller, n + 1, f"r{n}", location=f"loc{n}")
    ids = [launcher.until("DO")[0] for _ in range(3)]
    launcher.close()
    again = led.peer("LAUNCHER")
    got = [again.until("DO") for _ in range(3)]
    assert [g[0] for g in got] == ids and {g[1]["attempt"] for g in got} == {1}


def test_a_restarted_ledger_gives_only_what_the_launcher_does_not_have(tmp_path):
    with Ledger(tmp_path) as led:
        poller, launcher = led.peer("POLLER"), led.peer("LAUNCHER")
        for n in range(3):
            ask(poller, n + 1, f"r{n}")
        ids = [launcher.until("DO")[0] for _ in range(3)]
        led.kill()
    with Ledger(tmp_path) as led:
        launcher, reporter = led.peer("LAUNCHER", have=[ids[1]]), led.peer("REPORTER")
        assert [launcher.until("DO")[0] for _ in range(2)] == [ids[0], ids[2]]
        silent(launcher, "DO")
        for id in ids:
            launcher.send("ANSWER", id, outcome="ok", response=b"1")
        assert sorted(reporter.until("DELIVER")[0] for _ in ids) == ids


def test_nothing_is_given_before_have_end(led):
    poller = led.peer("POLLER")
    ask(poller, 1, "r1")
    recorded(poller, 1)
    led.epoch += 1
    launcher, theirs = pair(led.epoch)
    with theirs:
        led.control.send("PEER", role=ROLES.index("LAUNCHER"), epoch=led.epoch,
                         link=os.dup(theirs.fileno()))
    silent(launcher, "DO")
    launcher.send("HAVE_END")
    launcher.until("DO")
    launcher.close()


def test_a_delivery_that_a_dead_ledger_did_not_hear_is_told_again(tmp_path):
    with Ledger(tmp_path) as led:
        poller, launcher = led.peer("POLLER"), led.peer("LAUNCHER")
        for n in range(2):
            ask(poller, n + 1, f"r{n}")
            id, _ = launcher.until("DO")
            launcher.send("ANSWER", id, outcome="ok", response=b"1")
            launcher.until("ANSWERED")
        led.kill()
    with Ledger(tmp_path) as led:
        led.epoch += 1
        reporter, theirs = pair(led.epoch)
        with theirs:
            led.control.send("PEER", role=ROLES.index("REPORTER"), epoch=led.epoch,
                             link=os.dup(theirs.fileno()))
        reporter.send("DELIVERED", id, attempts=0)
        reporter.send("HAVE_END")
        first, _ = reporter.until("DELIVER")
        assert first < id
        silent(reporter, "DELIVER")
        poller = led.peer("POLLER")
        ask(poller, 1, "r9")
        recorded(poller, 1)
        launcher = led.peer("LAUNCHER")
        assert launcher.until("DO")[0] > id, "ids are not used again"
        reporter.close()


def test_ids_of_an_emptied_store_are_not_used_again(tmp_path):
    with Ledger(tmp_path) as led:
        poller, launcher, reporter = (led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER"))
        ask(poller, 1, "r1")
        serve(launcher, reporter, "r1")
        ask(poller, 2, "r2")
        id = serve(launcher, reporter, "r2")
        led.forgotten()
    with Ledger(tmp_path) as led:
        poller, launcher = led.peer("POLLER"), led.peer("LAUNCHER")
        ask(poller, 1, "r3")
        assert launcher.until("DO")[0] > id


def test_a_dead_reporters_deliveries_are_given_again(led):
    poller, launcher, reporter = (led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER"))
    ids = []
    for n in range(3):
        ask(poller, n + 1, f"r{n}")
        ids.append(launcher.until("DO")[0])
        launcher.send("ANSWER", ids[-1], outcome="ok", response=b"1")
        reporter.until("DELIVER")
    reporter.send("DELIVERED", ids[0], attempts=1)
    reporter.close()  # what it said before its end counts
    again = led.peer("REPORTER")
    assert [again.until("DELIVER")[0] for _ in range(2)] == ids[1:]
    silent(again, "DELIVER")


def test_a_launch_leaves_a_tombstone(tmp_path):
    with Ledger(tmp_path) as led:
        poller, launcher, reporter = (led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER"))
        ask(poller, 1, "run", kind="LAUNCH_RUN")
        serve(launcher, reporter, "run", b'"launched"')
        led.forgotten()
        ask(poller, 2, "run", kind="LAUNCH_RUN")
        id, m = reporter.until("DELIVER")
        assert m["request_id"] == "run" and m["response"] == b'"launched"'
        reporter.send("DELIVERED", id, attempts=1)
        silent(launcher, "DO")
        led.forgotten()
    with Ledger(tmp_path) as led:
        poller, launcher, reporter = (led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER"))
        ask(poller, 1, "run", kind="LAUNCH_RUN")
        assert reporter.until("DELIVER")[1]["response"] == b'"launched"'
        silent(launcher, "DO")


def test_a_launch_is_known_as_sent_after_a_crash(tmp_path):
    with Ledger(tmp_path) as led:
        poller, launcher = led.peer("POLLER"), led.peer("LAUNCHER")
        ask(poller, 1, "run", kind="LAUNCH_RUN")
        id, do = launcher.until("DO")
        assert do["attempt"] == 0
        launcher.send("INTENT", 5, request=id, run_id="the-run", nonce="n", deployment="prod")
        assert launcher.until("INTENT_OK")[0] == 5
        launcher.send("HANDLE", 6, what=1, stage=1, request=id, key="the-run",
                      deployment="prod", handle=b"{}")
        assert launcher.until("HANDLE_OK")[0] == 6
        led.kill()
    with Ledger(tmp_path) as led:
        launcher = led.peer("LAUNCHER")
        known = launcher.until("KNOWN")[1]
        assert (known["key"], known["stage"], known["handle"]) == ("the-run", 1, b"{}")
        again, do = launcher.until("DO")
        assert again == id and do["attempt"] == 1


def test_lanes(led):
    """A location that stands still holds at most its share, and delays nobody else."""
    poller, launcher = led.peer("POLLER"), led.peer("LAUNCHER")
    for n in range(300):
        ask(poller, n + 1, f"slow{n}", location="slow")
    recorded(poller, 300)
    slow = [launcher.until("DO")[0] for _ in range(256)]
    silent(launcher, "DO")
    ask(poller, 301, "quick", location="quick")
    assert launcher.until("DO")[1]["request_id"] == "quick"
    launcher.send("ANSWER", slow[0], outcome="ok", response=b"1")
    assert launcher.until("DO")[1]["request_id"] == "slow256"


def pop_answer(*ids):
    def body(id):
        return json.dumps({
            "__class__": "DagsterCloudApiRequest", "request_id": id,
            "request_api": {"__enum__": "DagsterCloudApi.PING_LOCATION"},
            "request_args": {"__class__": "PingLocationArgs", "location_name": "here"},
            "deployment_name": "prod", "expire_at": 4000000000.0,
            "is_branch_deployment": False})

    items = [{"requestId": id, "requestApi": "PING_LOCATION", "requestBody": body(id),
              "deploymentName": "prod", "isBranchDeployment": False} for id in ids]
    return json.dumps({"data": {"userCloudAgent": {"popUserCloudAgentRequests": items}}}).encode()


def test_a_dead_pollers_memfd_is_read_but_nothing_is_done_twice(led):
    poller, launcher, reporter = (led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER"))
    poller.send("POP_RAW", slot=3, raw=memfd(pop_answer("r1", "r2", "r3")))
    ask(poller, 1, "r1", slot=3)
    serve(launcher, reporter, "r1")
    led.forgotten()  # and still in the memfd
    poller.close()
    assert [launcher.until("DO")[1]["request_id"] for _ in range(2)] == ["r2", "r3"]
    silent(launcher, "DO")


def test_calls_go_to_the_reporter_and_back(led):
    launcher, reporter = led.peer("LAUNCHER"), led.peer("REPORTER")
    for n in (7, 8):
        launcher.send("CALL", n, op=0, deployment="prod", subject="run", key=f"k{n}", body=b"{}")
    launcher.send("CALL", 7, op=0, deployment="prod", subject="run", key="k7", body=b"{}")
    calls = [reporter.until("CALL") for _ in range(2)]
    assert [c[1]["key"] for c in calls] == ["k7", "k8"]
    silent(reporter, "CALL")
    reporter.send("CALL_DONE", calls[0][0], cls=0, http=200, body=b"done")
    id, done = launcher.until("CALL_DONE")
    assert id == 7 and done["body"] == b"done"
    reporter.close()
    reporter = led.peer("REPORTER")
    id, call = reporter.until("CALL")
    assert (id, call["key"]) == (calls[1][0], "k8")
    launcher.close()  # its event is still told, and nobody hears of it
    launcher = led.peer("LAUNCHER")
    reporter.send("CALL_DONE", id, cls=0, http=200)
    silent(launcher, "CALL_DONE")


def test_a_malformed_message_is_reported(led):
    poller = led.peer("POLLER", "queue")
    poller.sock.sendall(b"nonsense")
    m = led.control.until("MISBEHAVED")[1]
    assert m["inst"] == "queue" and m["role"] == ROLES.index("POLLER")


def test_without_a_folder_everything_is_in_memory():
    with Ledger(None) as led:
        poller, launcher, reporter, status = (
            led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER", "STATUS"))
        ask(poller, 1, "r1")
        recorded(poller, 1)
        serve(launcher, reporter, "r1")
        while True:
            m = status.until("STATE")[1]
            if m["key"] == "ledger:":
                break
        assert json.loads(m["body"])["store"]["durability"] == "none"


def test_a_store_that_cannot_be_written_acknowledges_nothing(tmp_path):
    """The spool's folder is gone: what needs it waits, and is recorded once it is back."""
    with Ledger(tmp_path) as led:
        poller, status = led.peer("POLLER"), led.peer("STATUS")
        ask(poller, 1, "r1")
        recorded(poller, 1)
        spool = next(tmp_path.rglob("spool"))
        os.rename(spool, tmp_path / "away")
        spool.write_text("not a folder")
        ask(poller, 2, "large", body=b"x" * 400000)
        silent(poller, "RECORDED", limit=1)
        while True:
            m = status.until("STATE", 15)[1]
            if m["key"] == "ledger:" and json.loads(m["body"])["store"]["error"]:
                break
        assert json.loads(m["body"])["store"]["durability"] == "paused"
        spool.unlink()
        os.rename(tmp_path / "away", spool)
        recorded(poller, 2)
