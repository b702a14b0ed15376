"""A stand-in for a code server that starts in a tenth of the time: imports nothing but grpc, and
answers with what one real code server (on the socket $LIGHT_UPSTREAM) once answered to the same
method. Each answer is asked for once and kept as a file in $LIGHT_ANSWERS. Ping and Heartbeat it
answers itself, and without heartbeats it ends, as a real one does."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

ANSWERS = Path(os.environ["LIGHT_ANSWERS"])
UPSTREAM = "unix:" + os.environ["LIGHT_UPSTREAM"]
LIMIT = 100_000_000
OWN = {"Ping", "Heartbeat"}  # the answer has the question's bytes: field 1, an echo


class Code(grpc.GenericRpcHandler):
    def __init__(self):
        self.alive = time.monotonic()

    def service(self, details):
        method = details.method
        name = method.rpartition("/")[2]

        def answer(request, context):
            if name == "Heartbeat":
                self.alive = time.monotonic()
            if name in OWN:
                yield request
                return
            try:
                yield from kept(method, name, request)
            except grpc.RpcError as e:
                context.abort(e.code(), e.details())

        # One message in a stream is on the wire what a unary answer is.
        return grpc.unary_stream_rpc_method_handler(answer)


def kept(method, name, request):
    folder = ANSWERS / name
    if not folder.exists():
        with grpc.insecure_channel(UPSTREAM, options=[
                ("grpc.max_receive_message_length", LIMIT)]) as channel:
            found = list(channel.unary_stream(method)(request, timeout=60))
        new = ANSWERS / f".{name}.{os.getpid()}.{threading.get_ident()}"
        new.mkdir()
        for n, message in enumerate(found):
            (new / f"{n:06}").write_bytes(message)
        try:
            new.rename(folder)
        except OSError:  # somebody was faster
            for path in new.iterdir():
                path.unlink()
            new.rmdir()
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def main():
    words = sys.argv[1:]
    limit = float(words[words.index("--heartbeat-timeout") + 1])
    code = Code()
    server = grpc.server(ThreadPoolExecutor(6), handlers=[code], compression=grpc.Compression.Gzip,
                         options=[("grpc.max_send_message_length", LIMIT)])
    socket = os.environ["DAGSTER_CLI_API_GRPC_SOCKET"]
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    while not over.wait(1.0) and time.monotonic() - code.alive < limit:
        pass
    server.stop(1.0).wait()


main()
