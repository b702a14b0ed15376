"""devplane itself: what it pops, takes, refuses and breaks on demand."""

import hashlib
import json
import socket
import time
import zlib
from urllib.parse import urlsplit

import harness
import pytest
from dagster._serdes import serialize_value
from dagster._utils.error import SerializableErrorInfo
from wire import HEARTBEAT, POP, WORKSPACE, Wire, success


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with harness.Bench(tmp_path_factory.mktemp("devplane")) as bench:
        yield bench.devplane("--deployment", "prod", "--deployment", "dev",
                             "--branch", "fix-1", "--branch", "fix-2")


@pytest.fixture(autouse=True)
def clean(plane):
    yield
    plane.fault_clear()
    plane.queue_clear()
    plane.rtt(ms=0)


@pytest.fixture
def wire(plane):
    with Wire(plane) as w:
        yield w


def ping(plane, count=1, **where):
    return plane.request(kind="PING_LOCATION", location="any", count=count, **where)["ids"]


def popped(items):
    return [item["requestId"] for item in items]


# --- pop ---------------------------------------------------------------------------------------


def test_pop_takes_ten_per_full_deployment(plane, wire):
    prod, dev = ping(plane, 12), ping(plane, 3, deployment="dev")
    assert popped(wire.pop(["prod", "dev"])) == prod[:10] + dev
    assert popped(wire.pop(["prod", "dev"])) == prod[10:]
    assert wire.pop(["prod", "dev"]) == []


def test_pop_takes_ten_for_all_branches_together(plane, wire):
    one, two = ping(plane, 7, deployment="fix-1"), ping(plane, 7, deployment="fix-2")
    assert wire.pop(["prod"]) == []
    assert wire.pop(["fix-1"]) == []
    assert popped(wire.pop([], branches=True)) == one + two[:3]
    items = wire.pop(["prod"], branches=True)
    assert popped(items) == two[3:]
    assert {(i["deploymentName"], i["isBranchDeployment"]) for i in items} == {("fix-2", True)}


def test_pop_sees_only_its_queues_in_order_of_arrival(plane, wire):
    a, b = ping(plane, queue="gpu"), ping(plane)
    c, d = ping(plane, queue="gpu"), ping(plane, queue="other")
    assert popped(wire.pop(queues=["gpu", None])) == a + b + c
    assert wire.pop(queues=["gpu", None]) == []
    assert popped(wire.pop(queues=["other"])) == d


def test_locations_are_seen_by_their_queue(plane, wire):
    for name, queue in (("plain", None), ("heavy", "gpu")):
        plane.location_add(name=name, notify=False, fields={
            "module_name": "m", "agent_queue": queue})

    def names(queues):
        _, body = wire.graphql(WORKSPACE, deploymentNames=["prod"], agentQueues=queues,
                               includeAllServerlessDeployments=False)
        return [e["locationName"] for e in body["data"]["deployments"][0]["workspaceEntries"]]

    assert names([None]) == ["plain"]
    assert names(["gpu"]) == ["heavy"]
    assert names([None, "gpu"]) == ["plain", "heavy"]
    for name in ("plain", "heavy"):
        plane.location_remove(name=name)


def test_request_bodies(plane, wire):
    (id,) = ping(plane)
    (item,) = wire.pop()
    body = json.loads(item["requestBody"])
    assert (body["request_id"], item["requestApi"]) == (id, "PING_LOCATION")
    assert isinstance(body["expire_at"], float) and body["expire_at"] > time.time() + 500


def test_feed_and_stats(plane, wire):
    fed = plane.feed(kind="PING_LOCATION", location="any", rate=2000, total=20)
    assert fed["sent"] == 20
    items = wire.pop() + wire.pop()
    assert plane.stats(since=fed["since"])["popped"] == 20
    for item in items[:15]:
        assert wire.answer(success(item["requestId"]))[0] == 200
    stats = plane.stats(since=fed["since"], answered=15, wait=5)
    assert (stats["requests"], stats["answered"], stats["duplicates"]) == (20, 15, 0)
    assert 0 < stats["pop_to_answer_ms"]["p50"] <= stats["enqueue_to_answer_ms"]["max"]


# --- answers -----------------------------------------------------------------------------------


def test_answers_are_counted(plane, wire):
    (id,) = ping(plane)
    wire.pop()
    assert wire.answer(success(id))[0] == 200
    assert wire.answer(success(id))[0] == 200
    answer = plane.answer(id=id)
    assert answer["accepted"] == 2 and len(answer["answers"]) == 2


def test_answers_in_a_batch(plane, wire):
    ids = ping(plane, 3)
    wire.pop()
    batch = {"__class__": "BatchDagsterCloudUploadApiResponse",
             "batch": [success(id) for id in ids]}
    assert wire.answer(batch, name="api_response_batch.tmp")[0] == 200
    assert [a["accepted"] for a in plane.answers(ids=ids)["answers"]] == [1, 1, 1]


@pytest.mark.parametrize("spoil, said", [
    (lambda a: a["response"]["thread_telemetry"].update(
        submitted_to_executor_timestamp=1700000000), "submitted_to_executor_timestamp"),
    (lambda a: a["response"].update(__class__="Nonsense"), "Nonsense"),
    (lambda a: a.update(request_api="LAUNCH_RUN"), "the answer is to LAUNCH_RUN"),
    (lambda a: a.update(request_id="nobody"), "never made"),
    (lambda a: a.pop("request_id"), "without request_id"),
    (lambda a: a["response"].update(
        __class__="DagsterCloudApiGrpcResponse", serialized_response_or_error=7), "cannot be"),
    (lambda a: a["response"].update(
        __class__="DagsterCloudApiErrorResponse", error_infos=[1]), "cannot be"),
])
def test_answers_that_are_refused(plane, wire, spoil, said):
    (id,) = ping(plane)
    wire.pop()
    answer = success(id)
    spoil(answer)
    status, body = wire.answer(answer)
    assert status == 400 and said in body.decode()
    assert plane.answer(id=id)["accepted"] == 0


def test_answers_of_the_wrong_deployment_or_unpopped(plane, wire):
    (id,) = ping(plane)
    assert wire.answer(success(id))[0] == 400
    wire.pop()
    assert wire.answer(success(id), deployment="dev")[0] == 400
    assert wire.answer(success(id))[0] == 200


def test_error_answers_are_taken(plane, wire):
    (id,) = ping(plane)
    wire.pop()
    answer = success(id)
    info = SerializableErrorInfo("boom\n", ["line"], "Exception")
    answer["response"] |= {"__class__": "DagsterCloudApiErrorResponse",
                           "error_infos": [json.loads(serialize_value(info))]}
    assert wire.answer(answer)[0] == 200


def test_uploads_that_are_not_zlib(plane, wire):
    for content in (b"\x1f\x8b00", b"x\x9cnonsense", b"{}"):
        assert wire.multipart(
            "PUT", "/upload_api_response", "api_response.tmp", content)[0] == 400
    assert wire.multipart("PUT", "/upload_api_response", "other.tmp", b"")[0] == 400
    assert wire.call("PUT", "/upload_api_response", b"{}", "prod")[0] == 400


# --- headers and documents ---------------------------------------------------------------------


def test_token(plane, wire):
    wire.token = "agent:devplane:other"
    assert wire.call("POST", "/graphql", json.dumps({"query": POP}))[0] == 401
    assert wire.call("PUT", "/upload_api_response", b"", "prod")[0] == 401


@pytest.mark.parametrize("deployment, headers, said", [
    ("prod", {}, "is called with Dagster-Cloud-Scope organization"),
    (None, {"Dagster-Cloud-Scope": "galaxy"}, "galaxy"),
    (None, {"Dagster-Cloud-Deployment": "prod"}, "does not go with"),
])
def test_scope_headers_of_pop(wire, deployment, headers, said):
    status, body, _ = wire.call("POST", "/graphql", json.dumps({"query": POP}), deployment,
                                **headers)
    assert status == 400 and said in body.decode()


@pytest.mark.parametrize("deployment, headers, said", [
    (None, {}, "is called with Dagster-Cloud-Scope deployment"),
    (None, {"Dagster-Cloud-Scope": "deployment"}, "needs the header"),
    ("nowhere", {}, "no deployment nowhere"),
])
def test_scope_headers_of_runs(wire, deployment, headers, said):
    query = "query { runs { hasRun(runId: \"x\") } }"
    status, body, _ = wire.call("POST", "/graphql", json.dumps({"query": query}), deployment,
                                **headers)
    assert status == 400 and said in body.decode()


def test_nothing_depends_on_who_asks(plane):
    """User agent, versions and type of agent are swapped: the replies are equal."""
    others = [
        {}, {"User-Agent": "python-requests/2.32.0", "Dagster-Cloud-Version": "1.13.27",
             "Python-Version": "3.11.2"},
        {"User-Agent": "daglet/0.1", "Dagster-Cloud-Version": "0.0.1",
         "Python-Version": "2.7.18"},
        {"User-Agent": "", "Dagster-Cloud-Agent-Type": "KUBERNETES"},
    ]
    query = "query { runs { getRunsCount hasRun(runId: \"x\") } }"
    plane.location_add(name="same", notify=False, fields={"module_name": "m"})
    heartbeat = json.loads(HEARTBEAT_TEXT)
    replies = []
    for n, headers in enumerate(others):
        with Wire(plane, **headers) as w:
            heartbeat["agent_type"] = f"Type{n}"
            ids = ping(plane, 2)
            items = w.pop()
            for item in items:
                item["requestBody"] = sorted(json.loads(item.pop("requestBody")))
            assert [item.pop("requestId") for item in items] == ids
            replies.append([
                items, w.graphql(query, "prod"), w.answer(success(ids[0])),
                w.graphql(HEARTBEAT, serializedErrors=[], serializedAgentHeartbeats=[{
                    "deploymentName": "prod",
                    "serializedAgentHeartbeat": json.dumps(heartbeat)}]),
                w.graphql(WORKSPACE, deploymentNames=["prod"], agentQueues=[None],
                          includeAllServerlessDeployments=False),
                w.call("GET", "/check_snapshot?type=error&sha1=0&size=1&formats=none", b"",
                       "prod")[:2],
            ])
    plane.location_remove(name="same")
    assert all(reply == replies[0] for reply in replies)


HEARTBEAT_TEXT = json.dumps({
    "__class__": "AgentHeartbeat", "agent_id": "a", "agent_label": None, "agent_type": "T",
    "agent_queues_config": {"__class__": "AgentQueuesConfig", "additional_queues": None,
                            "include_default_queue": True},
    "code_server_heartbeats": [], "errors": None, "metadata": {"version": "1"},
    "run_worker_statuses": None, "timestamp": 1700000000.5})


def test_heartbeats_are_decoded(plane, wire):
    def beat(text):
        return wire.graphql(HEARTBEAT, serializedErrors=[], serializedAgentHeartbeats=[
            {"deploymentName": "prod", "serializedAgentHeartbeat": text}])

    assert beat(HEARTBEAT_TEXT)[0] == 200
    status, body = beat(HEARTBEAT_TEXT.replace("1700000000.5", "1700000000"))
    assert status == 400 and "AgentHeartbeat" in body["errors"][0]["message"]


def test_documents_are_dispatched_by_their_fields(plane, wire):
    """The name of the operation says nothing; aliases, fragments and literals work."""
    ids = ping(plane, 1)
    query = """mutation StoreEvent { a: userCloudAgent {
        b: popUserCloudAgentRequests(forFullDeployments: ["prod"], agentQueues: [null]) {
          ...F __typename } } }
      fragment F on UserCloudAgentRequest { id: requestId requestApi }"""
    status, body = wire.graphql(query)
    assert status == 200
    assert body == {"data": {"a": {"b": [{"id": ids[0], "requestApi": "PING_LOCATION",
                                          "__typename": "UserCloudAgentRequest"}]}}}


@pytest.mark.parametrize("query, variables, kind", [
    ("query { runs { paintItBlack } }", {}, "unimplemented"),
    ("query { runs { hasRun } }", {}, "violation"),
    ("query Q($n: Int) { runs { getRunIds(limit: $n) } }", {"n": 1.0}, "violation"),
    ("query Q($n: Int) { runs { getRunIds(limit: $n) } }", {"n": "1"}, "violation"),
    ("query Q { runs { getRunIds }", {}, "violation"),
])
def test_documents_that_are_refused(plane, wire, query, variables, kind):
    plane.record_clear()
    status, body = wire.graphql(query, "prod", **variables)
    assert status == 400 and body["errors"]
    (problem,) = plane.problems()["problems"]
    assert problem["kind"] == kind
    plane.record_clear()


# --- snapshots ---------------------------------------------------------------------------------


def offer(wire, text, size=None):
    sha1 = hashlib.sha1(text).hexdigest()
    size = len(text) if size is None else size
    _, body, _ = wire.call(
        "GET", f"/check_snapshot?type=error&sha1={sha1}&size={size}&formats=json.gz"
        "&formats=json", b"", "prod")
    return json.loads(body)


def put(wire, offered, content, **headers):
    parts = urlsplit(offered["upload_data"]["presigned_put_url"])
    return wire.raw("PUT", f"{parts.path}?{parts.query}", content, **headers)[0]


def confirm(wire, offered):
    return wire.call("PUT", "/confirm_upload", json.dumps(offered["upload_data"]), "prod")[:2]


def test_snapshots(wire):
    text = json.dumps({"n": time.time()}).encode()
    offered = offer(wire, text)
    assert offered["stored_snapshot"] is None
    assert put(wire, offered, zlib.compress(text)) == 200
    status, body = confirm(wire, offered)
    assert status == 200
    stored = json.loads(body)["stored_snapshot"]
    assert stored["decompressed_size"] == len(text)
    assert offer(wire, text)["upload_data"] is None


def test_snapshots_that_are_refused(wire):
    text = json.dumps({"m": time.time()}).encode()
    offered = offer(wire, text)
    assert confirm(wire, offered)[0] == 400
    assert put(wire, offered, zlib.compress(text),
               **{"Dagster-Cloud-Api-Token": wire.token}) == 400
    for content, said in ((zlib.compress(text + b" "), "bytes"), (text, "zlib"),
                          (zlib.compress(text.replace(b"m", b"n")), "SHA-1")):
        assert put(wire, offered, content) == 200
        status, body = confirm(wire, offered)
        assert status == 400 and said in body.decode()
    changed = {"upload_data": {**offered["upload_data"], "sha1": "0" * 40}}
    assert "echo" in confirm(wire, changed)[1].decode()


# --- faults ------------------------------------------------------------------------------------


def test_fault_status(plane, wire):
    plane.fault_set(kind="status", status=429, retry_after=7, count=2, body="slow down",
                    match="userCloudAgent.popUserCloudAgentRequests")
    for _ in range(2):
        status, body, headers = wire.call("POST", "/graphql", json.dumps({"query": POP}))
        assert (status, body, headers["Retry-After"]) == (429, b"slow down", "7")
    assert wire.pop() == []
    plane.fault_set(kind="status", status=413, match="/upload_api_response")
    assert wire.answer({})[0] == 413
    (fault, _) = plane.fault_list()["faults"]
    assert (fault["seen"], fault["hit"]) == (3, 2)


def test_fault_skip_and_probability(plane, wire):
    plane.fault_set(kind="status", status=500, skip=1, count=1, match="GetUserCloudRequests")
    assert [wire.call("POST", "/graphql", json.dumps({"query": POP}))[0]
            for _ in range(3)] == [200, 500, 200]
    named = json.dumps({"query": POP})
    plane.fault_clear()
    plane.fault_set(kind="status", status=500, probability=0.5)
    seen = [wire.call("POST", "/graphql", named)[0] for _ in range(60)]
    assert 10 < seen.count(500) < 50


def test_fault_maintenance_and_errors(plane, wire):
    plane.fault_set(kind="maintenance", count=1, message="back soon", retry_interval=2)
    assert wire.graphql(POP)[1] == {"maintenance": {
        "message": "back soon", "timeout": 3600, "retry_interval": 2}}
    plane.fault_set(kind="errors", count=1, message="no")
    assert wire.graphql(POP)[1] == {"errors": [{"message": "no"}]}


def test_fault_garbage(plane, wire):
    plane.fault_set(kind="garbage", count=1, body="<html>")
    assert wire.call("POST", "/graphql", json.dumps({"query": POP}))[:2] == (200, b"<html>")
    plane.fault_set(kind="garbage", count=1, base64="AP8=")
    assert wire.call("POST", "/graphql", json.dumps({"query": POP}))[1] == b"\x00\xff"


def test_fault_lost_answer_was_served(plane):
    (id,) = ping(plane)
    plane.fault_set(kind="lost", count=1)
    with Wire(plane) as w, pytest.raises((ConnectionError, OSError)):
        w.pop()
    assert len(plane.answer(id=id)["pops"]) == 1
    with Wire(plane) as w:
        assert w.pop() == []


def test_fault_reset_was_not_served(plane):
    (id,) = ping(plane)
    plane.fault_set(kind="reset", count=1)
    with Wire(plane) as w, pytest.raises(ConnectionResetError):
        w.pop()
    with Wire(plane) as w:
        assert popped(w.pop()) == [id]


def test_fault_cut_answer(plane):
    ping(plane, 10)
    plane.fault_set(kind="cut", share=0.5, count=1)
    with Wire(plane) as w, pytest.raises(Exception) as e:
        w.pop()
    assert 0 < len(e.value.partial) < 6000


def test_fault_blackhole(plane):
    plane.fault_set(kind="blackhole", count=1)
    with Wire(plane, timeout=0.5) as w, pytest.raises(socket.timeout):
        w.pop()


def test_fault_delay_and_rtt(plane, wire):
    plane.fault_set(kind="delay", seconds=0.3, count=1)
    begin = time.monotonic()
    wire.pop()
    assert time.monotonic() - begin > 0.29
    plane.rtt(ms=50)
    begin = time.monotonic()
    wire.pop()
    assert 0.049 < time.monotonic() - begin < 0.3


def test_fault_duplicate(plane, wire):
    ids = ping(plane, 3)
    plane.fault_set(kind="duplicate", duplicates=2, count=1)
    assert popped(wire.pop()) == ids
    assert popped(wire.pop()) == ids[:2]
    assert wire.pop() == []
    assert [len(a["pops"]) for a in plane.answers(ids=ids)["answers"]] == [2, 2, 1]


def test_fault_refuse(plane):
    plane.fault_set(kind="refuse", seconds=0.5)
    with Wire(plane) as w, pytest.raises(ConnectionRefusedError):
        w.pop()
    assert plane.fault_list()["listening"] is False

    def again():
        with Wire(plane) as w:
            try:
                return w.pop() == []
            except ConnectionRefusedError:
                return False

    harness.until(again, 5, "it listens again")


# --- the rest ----------------------------------------------------------------------------------


def test_calls_are_recorded_without_the_token(plane, wire):
    since = plane.calls(limit=1)["seq"]
    wire.pop(queues=["gpu"])
    (call,) = plane.calls(since=since, op="userCloudAgent.*")["calls"]
    assert call["variables"]["agentQueues"] == ["gpu"]
    assert call["status"] == 200 and call["scope"] == "organization"
    assert plane.token not in json.dumps(call)


def test_locations_of_both_yaml_forms(plane, tmp_path):
    for name, text in (("list.yaml", """
defaults: {agent_queue: gpu}
locations:
  - location_name: one
    code_source: {module_name: one}
    image: "registry/one:1"
  - location_name: two
    code_source: {python_file: two.py}
    agent_queue: null
"""), ("map.yaml", """
locations:
  three: {package_name: three, working_directory: src, executable_path: /bin/python}
""")):
        (tmp_path / name).write_text(text)
        plane.location_add(path=str(tmp_path / name), notify=False)
    fields = {location["name"]: location["fields"]
              for location in plane.location_list(full=True)["locations"]}
    assert fields["one"] == {"module_name": "one", "image": "registry/one:1",
                             "agent_queue": "gpu"}
    assert fields["two"] == {"python_file": str(tmp_path / "two.py"),
                             "working_directory": str(tmp_path)}
    assert fields["three"]["working_directory"] == str(tmp_path / "src")
    (tmp_path / "bad.yaml").write_text("locations: [{location_name: x}]")
    with pytest.raises(harness.Failed, match="exactly one of"):
        plane.location_add(path=str(tmp_path / "bad.yaml"))
    for name in fields:
        plane.location_remove(name=name)


def test_secrets_by_location(plane, wire):
    plane.secret_set(name="A", value="everywhere")
    plane.secret_set(name="A", value="only etl", locations=["etl"])
    plane.secret_set(name="B", value="dev only", deployment="dev")

    def secrets(location, deployment="prod"):
        _, body = wire.graphql("query Secrets($n: String) { scopedSecrets(locationName: $n) {"
                               " secretName secretValue locationNames } }", deployment,
                               n=location)
        return [(s["secretName"], s["secretValue"]) for s in body["data"]["scopedSecrets"]]

    assert secrets("etl") == [("A", "everywhere"), ("A", "only etl")]
    assert secrets(None) == [("A", "everywhere")]
    assert secrets("x", "dev") == [("A", "everywhere"), ("B", "dev only")]
    plane.secret_remove(name="A")
    plane.secret_remove(name="B")


def test_a_restart_forgets_nothing(bench):
    plane = bench.devplane()
    plane.location_add(name="kept", fields={"module_name": "m"}, notify=False)
    plane.secret_set(name="S", value="v")
    done, waiting = ping(plane), ping(plane)
    with Wire(plane) as w:
        items = w.pop()
        assert popped(items) == done + waiting
        assert w.answer(success(done[0]))[0] == 200
    later = ping(plane)
    stamp = plane.location_list()["locations"][0]["timestamp"]
    assert plane.stop() == 0
    plane = bench.devplane()
    with Wire(plane) as w:
        assert popped(w.pop()) == later
        assert w.answer(success(waiting[0]))[0] == 200
    assert [a["accepted"] for a in plane.answers(ids=done + waiting)["answers"]] == [1, 1]
    assert plane.location_list()["locations"][0]["timestamp"] == stamp
    assert plane.secret_list()["secrets"] == [
        {"name": "S", "deployment": None, "locations": []}]


def test_tls(bench):
    """Over TLS all is the same; the admin API is reached by its socket."""
    cert, key = harness.certificate(bench.directory)
    plane = bench.devplane("--tls-cert", cert, "--tls-key", key)
    assert plane.url.startswith("https://127.0.0.1:")
    ids = ping(plane, 3)
    with Wire(plane) as w:
        assert popped(w.pop()) == ids
        assert w.answer(success(ids[0]))[0] == 200
        text = b"{}"
        offered = offer(w, text)
        assert offered["upload_data"]["presigned_put_url"].startswith(plane.url)
    plane.fault_set(kind="reset", count=1)
    with Wire(plane) as w, pytest.raises((ConnectionError, OSError)):
        w.pop()


def test_every_process_ends(tmp_path):
    bench = harness.Bench(tmp_path / "b")
    bench.devplane()
    assert harness.marked(bench.test_id)
    bench.end()
    assert harness.marked(bench.test_id) == {}
