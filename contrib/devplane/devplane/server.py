"""HTTP/1.1 on asyncio and httptools: connections, requests and answers, nothing else.

One object per connection, one request at a time per connection, answers in the order of the
requests. The application is a function: app(request) -> Reply or a coroutine of one. A Reply
may also say what shall happen instead of an orderly answer (cut, reset, silence): that is how
faults are made.
"""

import asyncio
import json
import socket
import struct
import time
import zlib
from collections import deque
from email.utils import formatdate
from urllib.parse import parse_qs

import httptools

REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    409: "Conflict", 413: "Payload Too Large", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout",
}
MAX_BODY = 1 << 30
GZIP_FROM = 64 * 1024


class Request:
    __slots__ = ("method", "path", "query_string", "headers", "body", "peer", "started",
                 "connection")

    def __init__(self, method, path, query_string, headers, body, peer, connection):
        self.method, self.path, self.query_string = method, path, query_string
        self.headers, self.body, self.peer = headers, body, peer
        self.connection = connection
        self.started = time.time()

    @property
    def query(self):
        """Query parameters, name -> list of values."""
        return parse_qs(self.query_string.decode(), keep_blank_values=True)


class Reply:
    """status, body and what to do with them.

    how: "send" (the orderly way), "cut" (send `share` of the bytes, then close), "close" (send
    nothing, close), "reset" (send nothing, TCP reset), "silence" (send nothing, stay open).
    """

    __slots__ = ("status", "body", "type", "headers", "how", "share", "delay")

    def __init__(self, status=200, body=b"", type=b"application/json", headers=(), how="send",
                 share=0.5, delay=0.0):
        self.status, self.body, self.type, self.headers = status, body, type, headers
        self.how, self.share, self.delay = how, share, delay


def json_reply(value, status=200):
    return Reply(status, json.dumps(value).encode())


def text_reply(text, status=200):
    return Reply(status, text.encode(), b"text/plain; charset=utf-8")


_HEADS = {
    code: f"HTTP/1.1 {code} {text}\r\nServer: devplane\r\n".encode()
    for code, text in REASONS.items()
}


class Clock:
    """The Date header, made once per second."""

    at, line = 0, b""

    @classmethod
    def date(cls):
        now = int(time.time())
        if now != cls.at:
            cls.at, cls.line = now, f"Date: {formatdate(now, usegmt=True)}\r\n".encode()
        return cls.line


def render(reply, keep_alive, gzip):
    head = _HEADS.get(reply.status) or f"HTTP/1.1 {reply.status} Unknown\r\n".encode()
    body = reply.body
    extra = b"".join(b"%s: %s\r\n" % pair for pair in reply.headers)
    if gzip and len(body) >= GZIP_FROM:
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        body = packer.compress(body) + packer.flush()
        extra += b"Content-Encoding: gzip\r\n"
    if not keep_alive:
        extra += b"Connection: close\r\n"
    return b"%s%sContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
        head, Clock.date(), reply.type, len(body), extra, body)


class Connection(asyncio.Protocol):
    def __init__(self, server, loop):
        self.server, self.loop = server, loop
        self.transport = None
        self.parser = None
        self.waiting = deque()
        self.busy = False
        self.keep_alive = True
        self.gzip = False
        self.peer = None

    # --- transport ---

    def connection_made(self, transport):
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = peer if isinstance(peer, tuple) else None
        self.parser = httptools.HttpRequestParser(self)
        self.server.connections.add(self)

    def connection_lost(self, exc):
        self.server.connections.discard(self)
        self.transport = None

    def data_received(self, data):
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.close()
        except httptools.HttpParserError as e:
            self.server.on_bad_request(str(e))
            if self.transport is not None:
                self.transport.write(render(text_reply(f"bad request: {e}", 400), False, False))
                self.close()

    # --- parser ---

    def on_message_begin(self):
        self.url, self.headers, self.chunks, self.size = b"", {}, [], 0

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.headers[name.lower()] = value

    def on_headers_complete(self):
        if self.headers.get(b"expect", b"").lower() == b"100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body):
        self.size += len(body)
        if self.size <= MAX_BODY:
            self.chunks.append(body)

    def on_message_complete(self):
        path, _, query = self.url.partition(b"?")
        chunks = self.chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        request = Request(self.parser.get_method().decode(), path.decode("latin-1"), query,
                          self.headers, body, self.peer, self)
        if self.size > MAX_BODY:
            request.body = b""
        keep = self.parser.should_keep_alive()
        if self.busy or self.waiting:
            self.waiting.append((request, keep))
        else:
            self.serve(request, keep)

    # --- requests ---

    def serve(self, request, keep_alive):
        self.keep_alive = keep_alive
        self.gzip = b"gzip" in request.headers.get(b"accept-encoding", b"")
        self.busy = True
        result = self.server.app(request)
        if isinstance(result, Reply):
            self.finish(result)
        else:
            self.loop.create_task(self.finish_later(result))

    async def finish_later(self, coroutine):
        self.finish(await coroutine)

    def finish(self, reply):
        if reply.delay:
            self.loop.call_later(reply.delay, self.send, reply)
        else:
            self.send(reply)

    def send(self, reply):
        self.busy = False
        if self.transport is None or self.transport.is_closing():
            return
        if reply.how == "silence":
            return
        if reply.how == "reset":
            self.reset()
            return
        if reply.how == "close":
            self.close()
            return
        data = render(reply, self.keep_alive, self.gzip)
        if reply.how == "cut":
            body_at = data.index(b"\r\n\r\n") + 4
            self.transport.write(data[:body_at + int((len(data) - body_at) * reply.share)])
            self.close()
            return
        self.transport.write(data)
        if not self.keep_alive:
            self.close()
        elif self.waiting:
            self.serve(*self.waiting.popleft())

    def close(self):
        if self.transport is not None:
            self.transport.close()

    def reset(self):
        if self.transport is None:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Server:
    """The listening sockets and the connections behind them."""

    def __init__(self, app, on_bad_request=lambda text: None):
        self.app = app
        self.on_bad_request = on_bad_request
        self.connections = set()
        self.listener = None
        self.local = None
        self.where = None
        self.tls = None

    async def listen(self, host, port, tls=None):
        loop = asyncio.get_running_loop()
        self.tls = tls
        self.listener = await loop.create_server(
            lambda: Connection(self, loop), host, port, ssl=tls, backlog=1024)
        self.where = (host, self.listener.sockets[0].getsockname()[1])

    async def listen_local(self, path):
        loop = asyncio.get_running_loop()
        self.local = await loop.create_unix_server(lambda: Connection(self, loop), path)

    async def refuse(self, seconds):
        """Stop listening and drop every TCP connection; listen again after `seconds`."""
        if self.listener is None:
            return
        self.listener.close()
        self.listener = None
        for connection in list(self.connections):
            if connection.peer is not None:
                connection.reset()
        if seconds is not None:
            asyncio.get_running_loop().call_later(
                seconds, lambda: asyncio.ensure_future(self.accept()))

    async def accept(self):
        if self.listener is None:
            await self.listen(*self.where, tls=self.tls)

    def close(self):
        for listener in (self.listener, self.local):
            if listener is not None:
                listener.close()
        for connection in list(self.connections):
            connection.close()
