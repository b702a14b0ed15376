"""One role's program, started by a hand-made parent that plays master and ledger.

The parent speaks the channels as include/daglet/msg.h describes them: the table there is
read, not repeated. A message is a dict of its fields; bodies are bytes, descriptors ints.
"""

import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DAGLET_BUILD", TOP / "build" / "gcc"))
ROLES = ["MASTER", "LEDGER", "STATUS", "REPORTER", "LAUNCHER", "POLLER"]
INLINE_MAX = 16384
LIMIT = 10.0


def _table():
    text = (TOP / "include/daglet/msg.h").read_text().replace("\\\n", " ")
    fields = {
        name: re.findall(r"\b([USBF])\((\w+)\)", spec)
        for name, spec in re.findall(r"#define (DG_F_\w+)\(U, S, B, F\)(.*)", text)
    }
    rows = re.search(r"#define DG_MSG_TABLE\(X\)(.*)", text).group(1)
    names = re.findall(r"X\((\w+),.*?(DG_F_\w+)\)", rows)
    return {name: (number, fields[spec]) for number, (name, spec) in enumerate(names)}


TABLE = _table()
NAMES = {number: name for name, (number, _) in TABLE.items()}


def memfd(data):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, 1033, 0x0E)  # F_ADD_SEALS: shrink, grow, write
    return fd


def settings(values):
    """The memfd of CONFIG (src/config/settings.c); scalars only."""

    def text(s):
        data = s.encode()
        return struct.pack("=I", len(data)) + data

    out = struct.pack("=I", 0x31736764)
    for key, value in values.items():
        out += struct.pack("=III", ~0 & 0xFFFFFFFF, 0, 0) + text(key) + text(value)
    return memfd(out)


def pack(name, epoch, msg_id, fields):
    number, kinds = TABLE[name]
    body, fd = b"", None
    for kind, field in kinds:
        value = fields.get(field, 0 if kind == "U" else b"")
        if isinstance(value, str):
            value = value.encode()
        if kind == "U":
            body += struct.pack("=Q", value)
        elif kind == "S":
            body += struct.pack("=I", len(value)) + value
        elif kind == "F":
            fd = value
        else:
            body += struct.pack("=Q", len(value))
            if len(value) <= INLINE_MAX:
                body += value
            else:
                fd = memfd(value)
    head = struct.pack("=HHIQ", number, 1 if fd is not None else 0, epoch, msg_id)
    return head + body, fd


def unpack(data, fds):
    number, _flags, _epoch, msg_id = struct.unpack_from("=HHIQ", data)
    name = NAMES[number]
    at, out = 16, {}
    for kind, field in TABLE[name][1]:
        if kind == "U":
            (out[field],) = struct.unpack_from("=Q", data, at)
            at += 8
        elif kind == "S":
            (n,) = struct.unpack_from("=I", data, at)
            out[field] = data[at + 4 : at + 4 + n].decode()
            at += 4 + n
        elif kind == "F":
            out[field] = fds[0]
        else:
            (n,) = struct.unpack_from("=Q", data, at)
            at += 8
            if fds:
                with open(fds[0], "rb") as f:
                    out[field] = os.pread(f.fileno(), n, 0)
            else:
                out[field] = data[at : at + n]
                at += n
    assert at == len(data), f"{name}: {len(data) - at} bytes too many"
    return name, msg_id, out


class Channel:
    def __init__(self, sock, epoch):
        self.sock, self.epoch = sock, epoch

    def send(self, name, msg_id=0, **fields):
        data, fd = pack(name, self.epoch, msg_id, fields)
        if fd is None:
            self.sock.sendall(data)
        else:
            socket.send_fds(self.sock, [data], [fd])
            os.close(fd)

    def recv(self, limit=LIMIT):
        """The next message as (name, id, fields), or None at the end."""
        if not select.select([self.sock], [], [], limit)[0]:
            raise TimeoutError("no message came")
        data, fds, _flags, _addr = socket.recv_fds(self.sock, 65536, 4)
        return unpack(data, fds) if data else None

    def until(self, name, limit=LIMIT):
        """The next message NAME; others are dropped."""
        end = time.monotonic() + limit
        while True:
            got = self.recv(max(0, end - time.monotonic()))
            assert got is not None, f"the channel closed before {name}"
            if got[0] == name:
                return got[1], got[2]

    def closed(self, limit=LIMIT):
        end = time.monotonic() + limit
        while self.recv(max(0, end - time.monotonic())) is not None:
            pass

    def close(self):
        self.sock.close()


def pair(epoch):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours, epoch), theirs


class Role:
    """with Role("status", {...settings}) as r: r.control, r.ledger"""

    def __init__(self, name, values, inst="", program=None, link=True, env=None):
        self.name, self.values, self.inst, self.link = name, values, inst, link
        self.env = env or {}
        self.program = program or BUILD / f"daglet-{name}"
        self.ledger, self.epoch = None, 0

    def __enter__(self):
        self.control, theirs = pair(0)
        try:
            # Descriptor 3 in the child: dup2 there, after fork.
            self.process = subprocess.Popen(
                [self.program] + ([self.inst] if self.inst else []),
                env={k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")} | self.env,
                stdin=subprocess.DEVNULL,
                pass_fds=[3],
                preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
            )
        finally:
            theirs.close()
        try:
            _, hello = self.control.until("HELLO")
            assert hello["pid"] == self.process.pid and hello["inst"] == self.inst
            self.control.send("CONFIG", generation=1, settings=settings(self.values))
            if self.link:
                self.control.until("READY")
                self.relink()
        except BaseException:
            self.__exit__()
            raise
        return self

    def relink(self):
        """A new link to the ledger, as after its restart."""
        if self.ledger:
            self.ledger.close()
        self.epoch += 1
        self.ledger, theirs = pair(self.epoch)
        with theirs:
            self.control.send(
                "PEER", role=ROLES.index("LEDGER"), epoch=self.epoch, link=os.dup(theirs.fileno())
            )
        self.ledger.until("HAVE_END")

    def wait(self, limit=LIMIT):
        return self.process.wait(limit)

    def __exit__(self, *_):
        self.control.close()
        if self.ledger:
            self.ledger.close()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
