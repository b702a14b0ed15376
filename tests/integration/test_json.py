"""The JSON room against Python's json: the same documents, the same bytes."""

import json
import os
import random
import struct
import subprocess

import pytest

BUILD = os.environ.get("DAGLET_BUILD", os.getcwd())
TOOL = os.path.join(BUILD, "tests", "tools", "json-check")


class Tool:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, what, data):
        self.process.stdin.write(b"%s %d\n" % (what.encode(), len(data)) + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the tool died of {what} {data!r}"
        return line[:-1].decode("utf-8", "surrogatepass")

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def tool():
    t = Tool()
    yield t
    t.close()


CHARACTERS = [
    "a", "Z", "0", " ", '"', "\\", "/", "\b", "\f", "\n", "\r", "\t", "\0", "\x1f", "\x7f", "\x80", "é",
    "\u2028", "☃", "\ufeff", "\uffff", "😀", "\U0010ffff",
]
SURROGATES = ["\ud800", "\udbff", "\udc00", "\udfff"]


def any_string(r, characters=CHARACTERS):
    return "".join(r.choice(characters) for _ in range(r.randint(0, 12)))


def any_double(r):
    kind = r.random()
    if kind < 0.5:
        return struct.unpack("<d", struct.pack("<Q", r.getrandbits(64)))[0]
    if kind < 0.6:
        return 2.0 ** r.randint(-1074, 1023)
    if kind < 0.7:
        return float(r.randint(-(10**18), 10**18))
    return r.choice([1, -1]) * r.random() * 10.0 ** r.randint(-25, 25)


def any_value(r, depth):
    kind = r.random()
    if depth == 0 or kind < 0.6:
        return r.choice([
            None, True, False, 0, -1, r.randint(-(2**70), 2**70), any_double(r), float("nan"), float("inf"),
            float("-inf"), any_string(r), any_string(r, CHARACTERS + SURROGATES)])
    if kind < 0.8:
        return [any_value(r, depth - 1) for _ in range(r.randint(0, 4))]
    return {any_string(r): any_value(r, depth - 1) for _ in range(r.randint(0, 4))}


def test_strings_are_pythons(tool):
    r = random.Random(1)
    for text in CHARACTERS + [any_string(r) for _ in range(2000)]:
        data = text.encode("utf-8")
        assert tool.ask("string", data) == json.dumps(text)
        assert tool.ask("utf8", data) == json.dumps(text, ensure_ascii=False)
    for text in SURROGATES:
        assert tool.ask("string", text.encode("utf-8", "surrogatepass")) == json.dumps(text)


def test_doubles_are_pythons(tool):
    r = random.Random(2)
    for v in [2.0**e for e in range(-1074, 1024)] + [any_double(r) for _ in range(5000)]:
        assert tool.ask("double", v.hex().encode() if v == v else b"nan") == json.dumps(v), v.hex()


@pytest.mark.parametrize("seed", range(10))
def test_documents_say_the_same(tool, seed):
    r = random.Random(seed)
    for _ in range(200):
        value = any_value(r, 5)
        want = json.dumps(value)
        separators = r.choice([None, (",", ":"), (" , ", " : ")])
        spaced = json.dumps(value, indent=r.choice([None, 1, "\t"]), separators=separators)
        for text in (want, spaced):
            assert tool.ask("check", text.encode()) == "good"
            assert tool.ask("walk", text.encode()) == want


def python_takes(data):
    try:
        json.loads(data.decode("utf-8"), strict=False)
        return True
    except (ValueError, RecursionError):
        return False


@pytest.mark.parametrize("seed", range(10))
def test_mutilated_documents_are_judged_alike(tool, seed):
    r = random.Random(seed)
    pieces = [
        b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b" ", b"\n", b"\x01", b"0", b"1", b"-", b"+", b".",
        b"e", b"E", b"t", b"null", b"NaN", b"Infinity", b"\\u", b"\\ud800", b"\xc3", b"\xff",
        b"\xed\xa0\x80", b"\x0b", b"\xa0", b"'", b"/",
    ]
    for _ in range(500):
        data = json.dumps(any_value(r, 3), ensure_ascii=r.random() < 0.5).encode("utf-8", "replace")
        for _ in range(r.randint(1, 3)):
            at = r.randint(0, len(data))
            data = data[:at] + r.choice(pieces) + data[at + r.randint(0, 2):]
        assert (tool.ask("check", data) == "good") == python_takes(data), data
