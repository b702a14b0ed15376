"""daglet's gRPC client against real servers: dagster's own, grpcio, and some that misbehave."""

import collections
import concurrent.futures
import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid

import grpc
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._grpc.__generated__ import dagster_api_pb2 as pb
from dagster._serdes import serialize_value

BUILD = os.environ.get("DAGLET_BUILD", os.getcwd())
TOOL = os.path.join(BUILD, "tests", "tools", "grpc-call")
LIMIT = 60  # seconds after which a test gives up on a call


def call(address, method, *options, field=None, timeout=20, wait=True):
    """Run the tool: a list of what each call came to, and the totals."""
    words = [TOOL, "--timeout", str(timeout), *options]
    if field is not None:
        words += ["--field", f"1={field}"]
    process = subprocess.Popen([*words, address, method], stdout=subprocess.PIPE, text=True)
    if not wait:
        return process
    return finish(process)


def finish(process):
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    return lines[:-1], lines[-1]


def one(*words, **options):
    (answer,), _ = call(*words, **options)
    return answer


# --- the real code server ----------------------------------------------------------------------

CODE = '''
import time
import dagster as dg

@dg.op
def o():
    return 1

@dg.job
def j():
    o()

@dg.sensor(job=j)
def slow(context):
    time.sleep(float(context.cursor or 0))
    return dg.SkipReason("no")

@dg.asset(description="d" * 2_000_000)
def large():
    return 1

defs = dg.Definitions(jobs=[j], sensors=[slow], assets=[large])
'''


@contextlib.contextmanager
def code_server(directory, *options, env=None):
    path = os.path.join(directory, "s")
    with open(os.path.join(directory, "defs.py"), "w", encoding="utf-8") as f:
        f.write(CODE)
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", "api", "grpc", "-f", "defs.py", "--socket", path,
         "--location-name", "here", *options],
        cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "DAGSTER_HOME": str(directory), **(env or {})})
    try:
        end = time.monotonic() + LIMIT
        while one(f"unix:{path}", "Ping", field="up?", timeout=5)["status"] != "OK":
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        yield f"unix:{path}", process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # Short, for the socket's path.
    with code_server(tmp_path_factory.mktemp("g")) as (address, _):
        yield address


ORIGIN = serialize_value(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"))


def test_ping(server):
    answer = one(server, "Ping", field="é ☃")
    assert answer["status"] == "OK" and answer["fields"][0] == "é ☃" and answer["messages"] == 1


def test_a_thousand_calls_one_by_one(server):
    _, total = call(server, "Ping", "--quiet", "--count", "1000", field="x")
    assert total["by_status"] == {"OK": 1000}


def test_many_at_once(server):
    _, total = call(server, "Ping", "--quiet", "--count", "2000", "--parallel", "200", field="x")
    assert total["by_status"] == {"OK": 2000}
    assert total["peak_kb"] < 10000


def test_what_a_location_holds(server):
    answer = one(server, "ListRepositories")
    assert json.loads(answer["fields"][0])["repository_code_pointer_dict"].keys() == {"__repository__"}


@pytest.mark.parametrize("bulk", [(), ("--bulk",)])
def test_a_repository_whole_and_in_pieces(server, tmp_path, bulk):
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    a = one(server, "ExternalRepository", *bulk, "--sink", "1", "--out", str(whole), "--bool", "2", field=ORIGIN)
    b = one(server, "StreamingExternalRepository", *bulk, "--stream", "--sink", "2", "--out", str(pieces),
            "--bool", "2", field=ORIGIN)
    assert a["status"] == b["status"] == "OK" and a["messages"] == 1
    assert whole.read_bytes() == pieces.read_bytes()
    assert json.loads(whole.read_text())["__class__"] == "ExternalRepositoryData"


def test_what_is_not_there(server):
    assert one(server, "NoSuchMethod")["status"] == "UNIMPLEMENTED"
    answer = one(server, "ExecutionPlanSnapshot", field="{")
    assert answer["status"] == "UNKNOWN" and "Exception calling application" in answer["text"]


def test_what_is_no_utf8_does_not_leave(server, tmp_path):
    (tmp_path / "bad").write_bytes(b"a\xffb")
    answer = one(server, "Ping", "--field", f"1=@{tmp_path / 'bad'}")
    assert (answer["status"], answer["sent"], answer["local"]) == ("INTERNAL", False, True)


def sensor_args(seconds):
    from dagster._grpc.types import SensorExecutionArgs

    return serialize_value(SensorExecutionArgs(
        repository_origin=RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"),
        instance_ref=None, sensor_name="slow", cursor=str(seconds), timeout=60))


def test_a_deadline(server):
    answer = one(server, "SyncExternalSensorExecution", field=sensor_args(2), timeout=0.5)
    assert answer["status"] == "DEADLINE_EXCEEDED" and answer["seconds"] < 1.5


def test_a_call_that_is_cancelled_leaves_the_others_alone(server):
    answers, _ = call(server, "SyncExternalSensorExecution", "--cancel-after", "0.2", field=sensor_args(1))
    assert answers == [{"cancelled": True}]
    assert one(server, "Ping", field="x")["status"] == "OK"


def test_a_stopped_server_is_told_from_a_busy_one(tmp_path_factory):
    """One PING tells: threads that are all at work do not matter, a stopped process does."""
    with code_server(tmp_path_factory.mktemp("g"), env={"DAGSTER_GRPC_MAX_WORKERS": "2"}) as (address, process):
        busy = call(address, "SyncExternalSensorExecution", "--count", "4", "--parallel", "4",
                    "--probe-after", "0.5", field=sensor_args(1.5), wait=False)
        answers, _ = finish(busy)
        assert {"alive": True} in answers
        assert [a["status"] for a in answers if "status" in a] == ["OK"] * 4
        stuck = call(address, "SyncExternalSensorExecution", "--probe-after", "1.5", field=sensor_args(1),
                     timeout=6, wait=False)
        time.sleep(0.7)  # the call is under way when the process stops
        process.send_signal(signal.SIGSTOP)
        answers, _ = finish(stuck)
        assert answers[0] == {"alive": False}
        assert answers[1]["status"] == "DEADLINE_EXCEEDED" and answers[1]["local"] and answers[1]["sent"]


def test_a_server_that_is_killed_and_started_again(tmp_path):
    with contextlib.ExitStack() as stack:
        address, process = stack.enter_context(code_server(tmp_path))
        open_call = call(address, "SyncExternalSensorExecution", field=sensor_args(30), wait=False)
        time.sleep(0.7)
        process.kill()
        (answer,), total = finish(open_call)
        assert (answer["status"], answer["sent"], answer["class"]) == ("UNAVAILABLE", True, "transport")
        assert total["seconds"] < 5
    assert one(address, "Ping", field="x")["status"] == "UNAVAILABLE"
    assert not one(address, "Ping", field="x")["sent"]


def test_memory_stays_flat(tmp_path_factory):
    """110 MB of repository pass through a client of a few megabytes."""
    directory = tmp_path_factory.mktemp("g")
    with echo_server(directory) as (address, seen):
        _, total = call(address, "/t.T/Stream", "--stream", "--sink", "2", "--bulk", "--quiet", field="110000000")
        assert total["by_status"] == {"OK": 1} and total["sunk"] == 110_000_000
        assert total["peak_kb"] < 8000


# --- a server of grpcio's, for what dagster's does not do --------------------------------------


class Echo(grpc.GenericRpcHandler):
    """/t.T/...: sizes and faults as the request (field 1) asks."""

    def __init__(self):
        self.seen = collections.Counter()

    def service(self, details):
        method = details.method.rpartition("/")[2]
        self.metadata = dict(details.invocation_metadata)
        self.seen[self.metadata.get("id")] += 1
        handler = getattr(self, "do_" + method.lower(), None)
        if handler is None:
            return None
        streams = method in ("Stream", "Broken")
        kind = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        return kind(handler, request_deserializer=pb.PingRequest.FromString,
                    response_serializer=lambda m: m.SerializeToString())

    def do_size(self, request, context):
        return pb.PingReply(echo="x" * int(request.echo))

    def do_length(self, request, context):
        return pb.PingReply(echo=str(len(request.echo)))

    def do_stream(self, request, context):
        left = int(request.echo)
        number = 0
        while left:
            n = min(left, 4_000_000)
            yield pb.StreamingChunkEvent(sequence_number=number, serialized_chunk=os.urandom(n // 2).hex())
            left -= n
            number += 1

    def do_broken(self, request, context):
        yield pb.StreamingChunkEvent(sequence_number=0, serialized_chunk="some")
        context.abort(grpc.StatusCode.DATA_LOSS, "no more")

    def do_message(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "é%\n" * (int(request.echo) // 3))

    def do_sleep(self, request, context):
        time.sleep(float(request.echo))
        return pb.PingReply(echo="slept")

    def do_meta(self, request, context):
        return pb.PingReply(echo=json.dumps({k: v for k, v in self.metadata.items() if isinstance(v, str)}))


@contextlib.contextmanager
def echo_server(directory, address=None, compression=None, workers=250):
    address = address or f"unix:{directory}/e"
    handler = Echo()
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(workers), compression=compression,
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers([handler])
    port = server.add_insecure_port(address)
    server.start()
    try:
        yield (address if address.startswith("unix:") else f"127.0.0.1:{port}"), handler.seen
    finally:
        server.stop(0).wait()


@pytest.fixture(scope="module")
def echo_and_count(tmp_path_factory):
    with echo_server(tmp_path_factory.mktemp("e")) as both:
        yield both


@pytest.fixture
def echo(echo_and_count):
    return echo_and_count[0]


@pytest.mark.parametrize("size", [0, 1, 16000, 16384, 65536, 1_000_000, 99_999_000])
def test_requests_and_replies_of_any_size(echo, tmp_path, size):
    (tmp_path / "body").write_bytes(b"y" * size)
    assert one(echo, "/t.T/Length", "--field", f"1=@{tmp_path / 'body'}")["fields"][0] == str(size)
    answer = one(echo, "/t.T/Size", "--show", "0", field=str(size))
    assert answer["status"] == "OK" and answer["bytes"] >= size


def test_what_is_too_large_either_way(echo, tmp_path):
    (tmp_path / "body").write_bytes(b"y" * 110_000_000)
    answer = one(echo, "/t.T/Length", "--field", f"1=@{tmp_path / 'body'}")
    assert (answer["status"], answer["sent"], answer["class"]) == ("RESOURCE_EXHAUSTED", False, "limit")
    answer = one(echo, "/t.T/Size", field="110000000")
    assert (answer["status"], answer["local"], answer["class"]) == ("RESOURCE_EXHAUSTED", True, "limit")
    assert "larger than max" in answer["text"]
    answer = one(echo, "/t.T/Length", "--send-max", "200000000", "--field", f"1=@{tmp_path / 'body'}")
    assert answer["fields"][0] == "110000000"
    answer = one(echo, "/t.T/Size", "--message-max", "200000000", "--show", "0", field="110000000")
    assert answer["status"] == "OK" and answer["bytes"] > 110_000_000
    answer = one(echo, "/t.T/Stream", "--stream", "--total-max", "5000000", "--sink", "2", field="9000000")
    assert answer["status"] == "RESOURCE_EXHAUSTED"


def test_a_reply_that_was_compressed_a_thousand_times(tmp_path):
    with echo_server(tmp_path, compression=grpc.Compression.Gzip) as (address, _):
        answers, total = call(address, "/t.T/Size", "--sink", "1", field="60000000")
        assert answers[0]["status"] == "OK" and total["sunk"] == 60_000_000
        answer = one(address, "/t.T/Size", "--message-max", "1000000", field="60000000")
        assert answer["status"] == "RESOURCE_EXHAUSTED"


def test_a_stream_that_breaks(echo):
    answer = one(echo, "/t.T/Broken", "--stream")
    assert (answer["status"], answer["text"], answer["local"]) == ("DATA_LOSS", "no more", False)
    assert answer["fields"][1] == "some"


@pytest.mark.parametrize("size", [3000, 40000])
def test_a_long_message_of_an_error(echo, size):
    answer = one(echo, "/t.T/Message", field=str(size))
    if answer["status"] == "FAILED_PRECONDITION":
        assert answer["text"].startswith("é%\né%\n")
    else:  # grpcio itself gives up on trailers that are too large
        assert answer["status"] in ("RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNKNOWN", "INTERNAL")


def test_an_error_of_100_kb_hurts_nobody_else(echo):
    """Calls on the same connection as one whose trailers are too large."""
    sleeper = call(echo, "/t.T/Sleep", "--count", "5", "--parallel", "5", field="1", wait=False)
    started = time.monotonic()
    answer = one(echo, "/t.T/Message", field="100000")
    assert answer["status"] != "OK" and time.monotonic() - started < 10
    answers, _ = finish(sleeper)
    assert [a["status"] for a in answers] == ["OK"] * 5


def test_metadata_and_headers(echo):
    meta = json.loads(one(echo, "/t.T/Meta", "--meta", "has_pex=1", "--meta", "deployment=prod")["fields"][0])
    assert meta["has_pex"] == "1" and meta["deployment"] == "prod" and meta["user-agent"].startswith("daglet/")


def test_unary_calls_want_one_message(echo):
    answer = one(echo, "/t.T/Stream", field="8000000")
    assert answer["status"] == "INTERNAL" and "2 messages" in answer["text"]
    assert one(echo, "/t.T/Stream", field="0")["status"] == "INTERNAL"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tcp_by_address_and_by_name(tmp_path, host):
    with echo_server(tmp_path, "127.0.0.1:0") as (address, _):
        address = address.replace("127.0.0.1", host)
        _, total = call(address, "/t.T/Length", "--quiet", "--count", "300", "--parallel", "50", field="abc")
        assert total["by_status"] == {"OK": 300}


def test_a_name_that_does_not_exist():
    answer = one("no-such-host.invalid:4000", "Ping", timeout=15)
    assert (answer["status"], answer["sent"]) == ("UNAVAILABLE", False)
    assert "no-such-host.invalid" in answer["text"]


def test_an_address_that_is_none():
    process = subprocess.run([TOOL, "nowhere", "Ping"], capture_output=True, text=True, timeout=LIMIT)
    assert process.returncode == 1 and "is no address" in process.stderr


def test_a_server_that_stops_gracefully(tmp_path):
    """GOAWAY: what is under way ends well, what comes later is told that it is not."""
    address = f"unix:{tmp_path}/e"
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([Echo()])
    server.add_insecure_port(address)
    server.start()
    under_way = call(address, "/t.T/Sleep", field="1.5", wait=False)
    time.sleep(0.5)
    stopped = server.stop(5)
    answer = one(address, "/t.T/Sleep", field="0")
    assert answer["status"] == "UNAVAILABLE"
    (answer,), _ = finish(under_way)
    assert answer["status"] == "OK"
    stopped.wait(10)


# --- servers that misbehave --------------------------------------------------------------------


@contextlib.contextmanager
def listener(talk):
    """A TCP server; talk(connection) has it in a thread. Yields its address and a count."""
    sock = socket.create_server(("127.0.0.1", 0))
    seen, over = [], threading.Event()

    def serve():
        while not over.is_set():
            try:
                conn, _ = sock.accept()
            except OSError:
                return
            seen.append(conn)
            threading.Thread(target=guarded, args=(conn,), daemon=True).start()

    def guarded(conn):
        with contextlib.suppress(OSError):
            talk(conn)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{sock.getsockname()[1]}", seen
    finally:
        over.set()
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        for conn in seen:
            conn.close()
        thread.join(5)


def reset(conn):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


SETTINGS = frame(4, 0, 0)


def speak(*pieces, then=None):
    """Wait for the request's first bytes, then send the pieces."""

    def talk(conn):
        conn.recv(65536)
        time.sleep(0.05)
        for piece in pieces:
            conn.sendall(piece)
        if then:
            then(conn)
        else:
            while conn.recv(65536):
                pass

    return talk


MISBEHAVING = {
    "closes at once": lambda c: c.close(),
    "resets at once": reset,
    "HTTP/1.1": speak(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "random bytes": speak(bytes(range(256)) * 20),
    "zeroes": speak(bytes(1000)),
    "settings, then random bytes": speak(SETTINGS, bytes(range(255, 0, -1)) * 9),
    "settings, then closes": speak(SETTINGS, then=lambda c: c.close()),
    "settings, then resets": speak(SETTINGS, then=reset),
    "headers on no stream": speak(SETTINGS, frame(1, 4, 0, b"\x88")),
    "headers that cannot be": speak(SETTINGS, frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff")),
    "GOAWAY and silence": speak(SETTINGS, frame(7, 0, 0, struct.pack(">II", 0, 0)), then=lambda c: c.close()),
    "stream reset": speak(SETTINGS, frame(3, 0, 1, struct.pack(">I", 2))),
    "stream reset too busy": speak(SETTINGS, frame(3, 0, 1, struct.pack(">I", 11))),
    "status 200 and no more": speak(SETTINGS, frame(1, 5, 1, b"\x88")),
    "status 404": speak(SETTINGS, frame(1, 5, 1, b"\x8d")),
    "data without headers": speak(SETTINGS, frame(0, 1, 1, b"abc")),
    "too large a frame": speak(SETTINGS, frame(0, 0, 1, bytes(20000))),
}
STATUS = {"status 200 and no more": "UNKNOWN", "status 404": "UNIMPLEMENTED"}


@pytest.mark.parametrize("name", MISBEHAVING)
def test_misbehaving_servers(name):
    with listener(MISBEHAVING[name]) as (address, _):
        started = time.monotonic()
        answer = one(address, "Ping", field="x", timeout=10)
        assert time.monotonic() - started < 8, "it was not found out before the deadline"
        assert answer["local"] and answer["status"] in (STATUS.get(name, "UNAVAILABLE"), "UNKNOWN")
        if name == "HTTP/1.1":
            assert "HTTP/1" in answer["text"]


def test_a_server_that_says_nothing():
    with listener(lambda c: time.sleep(30)) as (address, _):
        answer = one(address, "Ping", field="x", timeout=1)
        assert (answer["status"], answer["local"]) == ("DEADLINE_EXCEEDED", True)


def test_a_refused_stream_is_tried_once_more():
    """REFUSED_STREAM says that nobody saw the call: it goes out again, and only once."""
    refuse = speak(SETTINGS, frame(3, 0, 1, struct.pack(">I", 7)) , frame(3, 0, 3, struct.pack(">I", 7)))
    with listener(refuse) as (address, seen):
        answer = one(address, "Ping", field="x", timeout=5)
        assert answer["status"] == "UNAVAILABLE" and "no more calls" in answer["text"]
        assert len(seen) == 1


# --- a proxy that cuts -------------------------------------------------------------------------


@contextlib.contextmanager
def proxy(target, after, how):
    """Between client and server (a Unix socket): cuts when AFTER bytes of replies have passed."""

    def talk(conn):
        # One thread: a socket that another one reads cannot be closed.
        with socket.socket(socket.AF_UNIX) as up:
            up.connect(target.removeprefix("unix:"))
            passed = 0
            while passed < after:
                readable, _, _ = select.select([conn, up], [], [], LIMIT)
                if conn in readable:
                    up.sendall(conn.recv(65536) or b"")
                if up in readable:
                    data = up.recv(min(65536, after - passed))
                    conn.sendall(data)
                    passed += len(data)
            how(conn)

    with listener(talk) as (address, seen):
        yield address, seen


@pytest.mark.parametrize("how", [reset, lambda c: c.close(), lambda c: c.shutdown(socket.SHUT_WR)])
@pytest.mark.parametrize("after", [1, 9, 100, 5000, 300000, 2_000_000])
def test_a_connection_cut_in_the_middle(echo_and_count, how, after):
    """The answer is UNAVAILABLE, at once, and the server saw the call at most once."""
    echo, count = echo_and_count
    name = uuid.uuid4().hex
    with proxy(echo, after, how) as (address, seen):
        started = time.monotonic()
        answer = one(address, "/t.T/Stream", "--stream", "--sink", "2", "--meta", f"id={name}", field="8000000",
                     timeout=15)
        assert time.monotonic() - started < 10
        assert (answer["status"], answer["class"]) == ("UNAVAILABLE", "transport")
        # Before the server has said much, nothing of the call may have left: then once more.
        assert answer["sent"] or after < 100
        assert count[name] <= 1 and len(seen) <= (2 if after < 100 else 1)


def test_calls_that_are_under_way_when_the_connection_goes(echo):
    with proxy(echo, 400, reset) as (address, _):
        answers, total = call(address, "/t.T/Sleep", "--count", "50", "--parallel", "50", field="0.2")
        assert total["calls"] == 50
        assert all(a["status"] in ("OK", "UNAVAILABLE") for a in answers)
        assert any(a["status"] == "UNAVAILABLE" and a["sent"] for a in answers)


def test_streams_do_not_stall(server, tmp_path):
    """Streams on connections of their own, beside pings: none hangs, none is short."""
    with contextlib.ExitStack() as stack:
        pings = stack.enter_context(contextlib.closing(
            Background(call(server, "Ping", "--quiet", "--count", "3000", "--parallel", "4", field="x", wait=False))))
        _, total = call(server, "StreamingExternalRepository", "--quiet", "--stream", "--bulk", "--sink", "2",
                        "--count", "30", "--parallel", "3", "--bool", "2", field=ORIGIN)
        assert total["by_status"] == {"OK": 30}
        assert total["sunk"] % 30 == 0 and total["sunk"] > 30 * 2_000_000
        assert pings.result()["by_status"] == {"OK": 3000}


class Background:
    def __init__(self, process):
        self.process = process

    def result(self):
        return finish(self.process)[1]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
