"""The crash points are those of the tables in include/daglet and of the store, each stands once
in src/, and each has a row in the matrix: a new message, write or effect fails here first."""

import re

import harness
import pytest

from . import rows
from .rig import crash_steps

#: Messages that belong to no request, location or run. What is neither here nor in crash.h fails.
OTHERS = {
    "HELLO": "a role's life", "CONFIG": "a role's life", "CONFIG_OK": "a role's life",
    "CONFIG_BAD": "a role's life", "APPLY": "a role's life", "PEER": "a role's life",
    "READY": "a role's life", "PULSE": "a role's life", "QUIESCE": "a role's life",
    "DRAINED": "a role's life", "DRAIN": "a role's life", "IDLE": "a role's life",
    "DENIED": "a role's life", "MISBEHAVED": "a role's life",
    "IDENTITY": "the agent's own",
    "TROUBLE": "the agent's own errors, for heartbeats: nobody waits for them",
    "COMMAND": "what somebody wants to see", "RESULT": "what somebody wants to see",
}
#: Senders of a message of the matrix that are not in it, with the reason.
NOT_SENT = {
    ("STATE", "MASTER"): "rows of roles", ("STATE", "STATUS"): "says nothing",
    ("STATE", "POLLER"): "says nothing", ("STATE", "REPORTER"): "says nothing",
    ("HAVE_END", "LEDGER"): "takes it", ("HAVE_END", "STATUS"): "holds nothing",
}
#: Where the outside is touched: call -> {file: steps that stand around it, one per call}.
EFFECTS = {
    "dg_cloud_start(": {
        "src/poller/queue.c": ["POP"], "src/poller/workspace.c": ["ASK"],
        "src/poller/probe.c": ["a question without effect"],
        "src/reporter/deliver.c": ["UPLOAD"], "src/reporter/calls.c": ["CALL"],
        "src/reporter/beat.c": ["BEAT"]},
    "dg_channel_attach(": {"src/grpc/call.c": ["GRPC", "again, of the same call"]},
    "dg_spawn(": {
        "src/backend/process/server.c": ["SERVER"], "src/backend/process/runs.c": ["PARENT"],
        "src/master/child.c": ["a role"], "src/backend/process/look.c": ["py-spy looks"]},
    "SYS_pidfd_send_signal": {"src/backend/process/unit.c": ["STOP", "a word to daglet-run"]},
    "dg_replace_file(": {"src/ledger/store_sql.c": ["SPOOL"]},
    "execv(": {"src/backend/process/run.c": ["EXEC"],
               "src/master/main.c": ["the master anew, by dagletctl restart"]},
    "fork(": {"src/backend/process/run.c": ["FORK"]},
    "pwrite(": {"src/poller/queue.c": ["KEEP"]},
    "O_EXCL": {"src/backend/process/run.c": ["MARKER"]},
    "renameat(": {"src/backend/process/run.c": ["EXIT"],
                  "src/ledger/store_care.c": ["a damaged store is moved aside", "its WAL, too"]},
    "send(u->gate": {"src/backend/process/runs.c": ["GATE"]},
}
#: The leaves that these functions are made of.
LEAVES = ("src/base/", "src/cloud/api.c", "src/grpc/channel.c")

STEPS = crash_steps()
SOURCES = {str(p.relative_to(harness.ROOT)): p.read_text()
           for p in sorted((harness.ROOT / "src").rglob("*.c"))}


@pytest.fixture(scope="module", autouse=True)
def needs_a_build():
    reason = harness.why_not("daglet")
    if reason:
        pytest.skip(reason)


def table(file, name):
    """Rows of an X-macro: [[cell, ...]]."""
    text = (harness.ROOT / file).read_text()
    body = text[text.index(f"#define {name}(X)"):]
    found = []
    for line in body.splitlines()[1:]:
        row = re.match(r"\s*X\((.*)\)\s*(\\?)$", line.strip())
        if row:
            found.append([cell.strip() for cell in row[1].split(",")])
        if not line.rstrip().endswith("\\"):
            break
    return found


def test_every_message_of_a_life_is_in_the_table():
    messages = {row[0]: set(re.findall(r"DG_R\((\w+)\)", row[2])) |
                (set("LEDGER STATUS REPORTER LAUNCHER POLLER".split())
                 if "DG_R_WORKERS" in row[2] else set())
                for row in table("include/daglet/msg.h", "DG_MSG_TABLE")}
    assert len(messages) > 40
    points = {(s["subject"], s["who"].upper()) for s in STEPS if s["kind"] == "message"}
    wanted = {(m, sender) for m, senders in messages.items() for sender in senders
              if m not in OTHERS}
    assert points | set(NOT_SENT) == wanted
    assert not points & set(NOT_SENT)
    assert set(OTHERS) <= set(messages)


def test_every_kind_of_write_is_in_the_table():
    text = (harness.ROOT / "src/ledger/store_sql.h").read_text()
    kinds = set(re.findall(r"\bDG_W_(\w+)", text)) - {"COUNT"}
    assert len(kinds) >= 7
    assert {s["subject"] for s in STEPS if s["kind"] == "write"} == kinds


def test_every_effect_is_in_the_table():
    steps = {s["name"] for s in STEPS if s["kind"] == "effect"}
    named = set()
    for call, files in EFFECTS.items():
        found = {}
        for name, text in SOURCES.items():
            # calls, not definitions: those begin a line
            count = len(re.findall(r"^[ \t].*" + re.escape(call), text, re.MULTILINE))
            if count and not name.startswith(LEAVES):
                found[name] = count
        assert found == {name: len(s) for name, s in files.items()}, call
        named |= {s for all_of in files.values() for s in all_of if s.isupper()}
    assert named == steps


@pytest.mark.parametrize("side", ["BEFORE", "AFTER"])
def test_every_effect_stands_once_in_src(side):
    found = [m for text in SOURCES.values()
             for m in re.findall(rf"\bDG_CRASH_{side}\((\w+)\)", text)]
    assert sorted(found) == sorted(s["name"] for s in STEPS if s["kind"] == "effect")


@pytest.mark.parametrize("expansion", ["DG_CRASH_MESSAGES(X)", "DG_CRASH_WRITES(X)"])
def test_messages_and_writes_pass_one_place(expansion):
    """One table of all of them, and one point on each side of it."""
    where = [name for name, text in SOURCES.items()
             if expansion in text and name != "src/base/crash.c"]
    assert len(where) == 1
    assert len(re.findall(r"dg_crash_at\(", SOURCES[where[0]])) in (1, 2)
    calls = re.findall(r"(?:dg_crash_at|pass)\([^;]*(true|false)\)", SOURCES[where[0]])
    assert sorted(calls) == ["false", "true"]


def test_every_step_has_a_row_in_each_of_its_lives():
    lives = {life: {s["name"] for s in STEPS if life in s["lives"]} for life in rows.LIVES}
    assert {life: set(table_) for life, table_ in rows.LIVES.items()} == lives
    assert 2 * len(STEPS) >= 40
    print(f"\n{len(STEPS)} steps, {2 * len(STEPS)} points, "
          f"{len(rows.every(STEPS))} cases of the matrix")


def test_the_short_form_has_every_step_of_a_request():
    short = rows.some(rows.every(STEPS), 1)
    assert {c.step for c in short if c.life == "request"} == set(rows.REQUEST)
    assert {c.life for c in short} == set(rows.LIVES)
    assert {c.action for c in short} == {"KILL", "AGENT"}
