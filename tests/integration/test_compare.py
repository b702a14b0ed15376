"""What daglet sends is what the unmodified Python agent sends for the same requests on the same
code: byte for byte, but for the paths in compare_exceptions.json, each with its reason."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import pytest
from sides import LEGACY, RUNS, Side, part
from spans import blanked, ordered, spans

EXCEPTIONS = json.loads((Path(__file__).parent / "compare_exceptions.json").read_text())
USED = set()
AGENT_EVENT = "[DagsterCloudAgent]"


def paths(what, rule="blank"):
    """The excepted paths of a document; `what` may be several words."""
    return [e["path"] for e in EXCEPTIONS
            if set(what.split()) & set(e["in"].split()) and e["rule"] == rule]


def plain(side, what, text):
    """A text of the wire without what may differ."""
    used = set()
    text = ordered(side.own(text), paths(what, "order"), used)
    text = blanked(text, paths(what), used)
    USED.update((what, path) for path in used)
    return text


def same(sides, what, pick):
    """pick(side) is a text or a list of texts; it must be the same for both."""
    ours, theirs = (pick(side) for side in sides)
    if isinstance(ours, str):
        ours, theirs = [ours], [theirs]
    ours, theirs = ([plain(side, what, text) for text in texts]
                    for side, texts in zip(sides, (ours, theirs)))
    assert ours == theirs


def both(directory, work, **more):
    """(daglet's side, the Python agent's), after work(side) on each, side by side."""
    def one(bench, kind):
        side = Side(bench, kind, **more)
        work(side)
        return side

    with harness.Bench(directory / "d") as ours, harness.Bench(directory / "p") as theirs:
        with ThreadPoolExecutor(2) as pool:
            started = [pool.submit(one, ours, "daglet"), pool.submit(one, theirs, "python")]
            try:
                yield tuple(future.result() for future in started)
            except Exception:
                print(ours.outputs(), theirs.outputs())
                raise


def work(side):
    side.ask_all()
    side.run_all()
    side.check_updates()
    side.settle()


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    if harness.why_not("daglet"):
        pytest.skip(harness.why_not("daglet"))
    yield from both(tmp_path_factory.mktemp("compare"), work)


@pytest.fixture(scope="module")
def legacy(tmp_path_factory):
    if harness.why_not("daglet"):
        pytest.skip(harness.why_not("daglet"))
    yield from both(tmp_path_factory.mktemp("legacy"), lambda side: None, config=LEGACY)


def ops(*names):
    """The bodies of the calls of these operations, as texts."""
    return lambda side: [call["body"].decode() for call in side.calls()
                         if call["operations"][0] in names]


# --- answers -----------------------------------------------------------------------------------


def test_answers(sides):
    assert sides[0].answers.keys() == sides[1].answers.keys()
    different = {}
    for name in sides[1].answers:
        texts = [plain(side, "answer", side.answers[name]) for side in sides]
        if texts[0] != texts[1]:
            different[name] = texts
    assert different == {}


def test_every_kind_is_compared(sides):
    from test_scenario import KINDS

    outcomes = {}
    for text in sides[0].answers.values():
        answer = json.loads(text)
        response = answer["response"]
        inner = response.get("serialized_response_or_error", "")
        failed = (response["__class__"] == "DagsterCloudApiErrorResponse"
                  or re.match(r'{"__class__": "\w+Error', inner) is not None
                  or '"success": false' in inner)
        outcomes.setdefault(answer["request_api"], set()).add(failed)
    assert {kind for kind in KINDS if outcomes.get(kind) == {True, False}} == KINDS - {
        "PING_LOCATION"}  # which cannot fail
    assert outcomes["PING_LOCATION"] == {False}


# --- definitions -------------------------------------------------------------------------------


def uploads(side):
    """Per location what was asked and sent, repositories and jobs in order of their hash."""
    return sorted(call["query"] for call in side.calls(op="check_snapshot")
                  if "type=error" not in call["query"])


def test_snapshots_that_are_offered(sides):
    """The hashes and sizes of repositories and jobs; and so the bytes that were PUT, which
    devplane has checked against them."""
    assert uploads(sides[0]) == uploads(sides[1]) != []
    for side in sides:
        put = [c for c in side.calls(path="/blob/snapshot/*", method="PUT")]
        confirmed = side.calls(op="confirm_upload")
        assert len(put) == len(confirmed) == len(side.calls(op="check_snapshot"))
        assert all("content-type" not in c["headers"] for c in put)


def test_errors_that_are_uploaded(sides):
    def errors(side):
        return [side.plane.snapshot(sha1=c["variables"]["sha1"])["text"]
                for c in side.calls(op="confirm_upload") if c["variables"]["type"] == "error"]

    assert len(errors(sides[0])) == 1
    same(sides, "error_snapshot", errors)


def test_confirmations(sides):
    def bodies(side):
        return sorted((c["body"].decode() for c in side.calls(op="confirm_upload")
                       if c["variables"]["type"] != "error"),
                      key=lambda text: json.loads(text)["sha1"])

    same(sides, "confirm", bodies)


def test_update_results(sides):
    """In order for each location: the first one before its jobs are uploaded, the last after."""
    def bodies(side):
        return sorted((c["body"].decode() for c in side.calls(op="code_location_update_result")),
                      key=lambda text: json.loads(text)["location_name"])

    same(sides, "update_result", bodies)


def test_legacy_uploads(legacy):
    """direct_snapshot_uploads: false."""
    def entries(side):
        return sorted((part(c["body"]).decode()
                       for c in side.calls(op="upload_workspace_entry")),
                      key=lambda text: json.loads(text)["location_name"])

    def jobs(side):
        return sorted(part(c["body"]).decode() for c in side.calls(op="upload_job_snapshot"))

    assert len(jobs(legacy[0])) >= 8
    same(legacy, "workspace_entry", entries)
    same(legacy, "job", jobs)


# --- heartbeats --------------------------------------------------------------------------------


def newest_heartbeat(side):
    return side.plane.heartbeats()["heartbeats"][0]["text"]


def servers(side):
    """What the newest heartbeat says of each location, in order of their names."""
    text = newest_heartbeat(side)
    return [text[start:end] for _, start, end in sorted(
        (json.loads(text[start:end])["location_name"], start, end)
        for path, start, end in spans(text) if path == "code_server_heartbeats[]")]


def test_heartbeats(sides):
    """With two locations that run and one that failed."""
    states = [json.loads(s)["server_status"]["__enum__"].partition(".")[2]
              for s in servers(sides[0])]
    assert states == ["FAILED", "RUNNING", "RUNNING"]
    same(sides, "server", servers)
    same(sides, "heartbeat", newest_heartbeat)


def test_calls_that_bring_heartbeats(sides):
    same(sides, "graphql heartbeat_call",
         lambda side: ops("userCloudAgent.addAgentHeartbeats")(side)[-1])


def test_errors_in_heartbeats(sides):
    """The newest first; those of requests are the same, so are their texts."""
    def errors(side):
        return [json.dumps(e) for e in side.errors]

    assert errors(sides[0])
    same(sides, "error", errors)


# --- runs --------------------------------------------------------------------------------------


def of_the_agent(side, run_id):
    """Bodies of the agent's own events and tags of a run, in order; those of run workers and
    code servers are told apart by what they say."""
    found = []
    for call in side.calls(run_id=run_id):
        (op,) = call["operations"]
        body = call["body"].decode()
        if op == "eventLogs.StoreEvent":
            event = call["variables"]["eventRecord"]["dagsterEvent"]
            if event is None or not (event["message"] or "").startswith(
                    (AGENT_EVENT, "Sending run termination")):
                continue
        elif op != "runs.addRunTags":
            continue
        found.append((op, body))
    return found


@pytest.mark.parametrize("name", RUNS)
def test_events_and_tags(sides, name):
    def of_kind(op):
        return lambda side: [body for one, body in of_the_agent(side, RUNS[name][0])
                             if one == op]

    order = [[op for op, _ in of_the_agent(side, RUNS[name][0])] for side in sides]
    assert order[0] == order[1] and order[0]
    same(sides, "graphql event", of_kind("eventLogs.StoreEvent"))
    same(sides, "graphql tags", of_kind("runs.addRunTags"))


def test_daglet_sends_no_other_events(sides):
    """Told apart by the user agent, which only daglet's own calls bear."""
    side = sides[0]
    own = [c for c in side.calls(op="eventLogs.StoreEvent")
           if c["headers"]["user-agent"].startswith("daglet/")]
    assert len(own) == sum(
        1 for id, _ in RUNS.values() for op, _ in of_the_agent(side, id)
        if op == "eventLogs.StoreEvent")


# --- what children get -------------------------------------------------------------------------


def test_instance_refs(sides):
    """As code servers and run workers get them."""
    assert all(set(side.refs) == {"server", "run"} for side in sides)
    same(sides, "ref", lambda side: side.refs["server"])
    same(sides, "ref", lambda side: side.refs["run"])


# --- the exceptions ----------------------------------------------------------------------------


def test_exceptions_are_few_and_needed(sides, legacy, request):
    here = {item.originalname for item in request.session.items
            if item.module is request.module}
    if here != {name for name in dir(request.module) if name.startswith("test_")}:
        pytest.skip("only parts of the comparison were chosen")
    assert len(EXCEPTIONS) <= 30
    assert len({e["path"] for e in EXCEPTIONS}) <= 30
    assert all(e["reason"] for e in EXCEPTIONS)
    used = {path for _, path in USED}
    assert [e["path"] for e in EXCEPTIONS if e["path"] not in used] == []
