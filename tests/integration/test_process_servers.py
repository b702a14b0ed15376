"""Code servers as the process backend starts, adopts and stops them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import process_rig
from process_rig import (  # noqa: F401
    SLEEPER, TOOL, alive, nothing_left, owned, place, program, pytestmark, subreaper,
    wait_for,
)


def test_early_exit_is_told_with_code_and_last_lines(place):
    d = place.driver()
    began = time.monotonic()
    d.server("00000000000000a1", "/bin/sh", "-c",
             "echo out; echo '\x1b[31mTraceback\x1b[0m' >&2; exit 7")
    assert d.event(event="SERVER_UP")["endpoint"].startswith(f"unix:{place.runtime}/")
    e = d.event(event="SERVER_EXIT")
    assert time.monotonic() - began < 5
    assert (e["known"], e["code"], e["signal"], e["oom"]) == (True, 7, 0, False)
    assert e["tail"] == "out\nTraceback\n"
    nothing_left(place, d)
    wait_for(lambda: "Traceback srv=00000000000000a1 dep=prod loc=loc" in
             (place.dir / "log").read_text())


def test_killed_server_is_told_with_its_signal(place):
    d = place.driver()
    handle = json.loads(d.server("00000000000000a2", *SLEEPER))
    assert d.ask("tag", "00000000000000a2")["text"] == str(handle["pid"])
    os.kill(handle["pid"], signal.SIGSEGV)
    e = d.event(event="SERVER_EXIT")
    assert (e["known"], e["code"], e["signal"], e["oom"]) == (True, -1, signal.SIGSEGV, False)
    nothing_left(place, d)


def test_missing_interpreter_is_an_error_at_once(place):
    d = place.driver()
    a = d.server("00000000000000a3", "/no/such/python", "-m", "dagster", fails=True)
    assert "cannot find the program /no/such/python" in a["text"]
    assert "executable_path" in a["text"] and "loc in prod" in a["text"]
    a = d.ask("run", "r", "no-such-dagster", "api")
    assert a["result"] < 0 and "no-such-dagster" in a["text"]
    assert not list((place.state / "runs").iterdir())
    nothing_left(place, d)


def test_an_argument_that_is_too_long_is_an_error_at_once(place):
    d = place.driver()
    a = d.server("00000000000000a4", "echo", "x" * 140_000, fails=True)
    assert "128 KiB" in a["text"]
    a = d.ask("run", "r", "echo", "x" * 140_000)
    assert a["result"] < 0 and "128 KiB" in a["text"]
    nothing_left(place, d)


def test_images_and_pex_are_refused(place):
    d = place.driver()
    assert d.ask("validate", "-", "-")["result"] == 0
    assert "Docker image (img:1)" in d.ask("validate", "img:1", "-")["text"]
    assert "PEX" in d.ask("validate", "-", "pex")["text"]


def test_what_a_server_gets(place):
    d = place.driver()
    d.send("env", "COLOUR=blue=green")
    d.send("env", f"DAGLET_TEST_MARK={place.mark}")
    h = json.loads(d.server("00000000000000a5", "/bin/sh", "-c",
                            'echo "$@"; env; readlink /proc/$$/fd/0; exec sleep 1000', "sh", "grpc"))
    d.send("logs", "00000000000000a5", "server", 100, 42)
    wait_for(lambda: "/dev/null" in open(h["output"]).read())
    d.send("logs", "00000000000000a5", "server", 100, 43)
    text = d.event(event="LOGS", ticket=43)["text"]
    lines = text.splitlines()
    assert lines[0] == "grpc --heartbeat --heartbeat-timeout 300"
    assert "COLOUR=blue=green" in lines
    assert f"DAGSTER_CLI_API_GRPC_SOCKET={h['socket']}" in lines
    assert lines[-1] == "/dev/null"
    assert len(h["socket"]) <= 107
    d.send("stop", "00000000000000a5", 5000)
    assert d.event(event="SERVER_EXIT")["signal"] == signal.SIGTERM
    nothing_left(place, d)


def test_stop_escalates_to_the_whole_tree(place):
    d = place.driver()
    # Deaf to TERM, with a child, a child in a session of its own, and an orphan.
    d.server("00000000000000a6", "/bin/sh", "-c",
             "trap '' TERM; sleep 1001 & setsid sleep 1002 & (setsid sh -c 'sleep 1003 & sleep 1004' &);"
             " echo ready; while :; do sleep 1; done")
    wait_for(lambda: len(owned(place.mark.encode())) >= 7)
    began = time.monotonic()
    d.send("stop", "00000000000000a6", 300)
    e = d.event(event="SERVER_EXIT")
    assert e["signal"] == signal.SIGKILL and not e["oom"]
    assert 0.25 < time.monotonic() - began < 5
    nothing_left(place, d)


def test_kill_gives_no_grace(place):
    d = place.driver()
    d.server("00000000000000a7", "/bin/sh", "-c", "trap '' TERM; touch $EFFECTS/on; sleep 1000; sleep 1000")
    wait_for(lambda: (place.effects / "on").exists())
    d.send("stop", "00000000000000a7", 60000)
    d.send("kill", "00000000000000a7")
    assert d.event(limit=5, event="SERVER_EXIT")["signal"] == signal.SIGKILL
    nothing_left(place, d)


def test_what_a_dead_server_leaves_in_its_session_goes_too(place):
    d = place.driver()
    h = json.loads(d.server("00000000000000a8", "/bin/sh", "-c", "sleep 1000 & sleep 1000"))
    wait_for(lambda: len(owned(place.mark.encode())) >= 4)
    os.kill(h["pid"], signal.SIGKILL)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_fifty_children(place):
    d = place.driver()
    ids = [f"{i:016x}" for i in range(0x100, 0x132)]
    for sid in ids:
        d.send("server", sid, "/bin/sh", "-c", f"echo {sid}; exec sleep 1000")
    handles = {sid: json.loads(d.event(event="SERVER_HANDLE", id=sid)["handle"]) for sid in ids}
    assert len({h["socket"] for h in handles.values()}) == 50
    for sid in ids[:25]:
        os.kill(handles[sid]["pid"], signal.SIGKILL)
    for sid in ids[25:]:
        d.send("stop", sid, 10000)
    for n, sid in enumerate(ids):
        e = d.event(event="SERVER_EXIT", id=sid)
        assert e["signal"] == (signal.SIGKILL if n < 25 else signal.SIGTERM)
    nothing_left(place, d)


def test_output_never_blocks_or_breaks_a_child(place):
    """20 MB are printed while the launcher is stopped, dead and back; nothing is noticed."""
    d = place.driver()
    sid = "00000000000000a9"
    text = d.server(sid, "/bin/sh", "-c",
                    "while [ ! -e $EFFECTS/go ]; do sleep 0.01; done;"
                    "yes 0123456789012345678901234567890123456789 | head -c 20000000;"
                    "echo printed >$EFFECTS/printed; echo the end; exec sleep 1000")
    d.process.send_signal(signal.SIGSTOP)
    (place.effects / "go").touch()
    wait_for(lambda: (place.effects / "printed").exists())
    d.kill()
    h = json.loads(text)
    assert alive(h["pid"])
    d = place.driver()
    assert d.ask("adopt_server", sid, text)["result"] == 1
    d.send("logs", sid, "server", 2, 7)
    assert d.event(event="LOGS", ticket=7)["text"].endswith("the end\n")
    d.send("kill", sid)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_output_file_is_kept_small(place):
    d = place.driver()
    sid = "00000000000000aa"
    h = json.loads(d.server(sid, "/bin/sh", "-c",
                            "for i in 1 2 3 4 5 6; do yes aaaaaaaaaaaaaaaaaaaaa | head -c 5000000;"
                            " sleep 0.3; done; echo the end; exec sleep 1000"))

    def last():
        d.send("logs", sid, "server", 1, 9)
        return d.event(event="LOGS", ticket=9)["text"].endswith("the end\n")

    wait_for(last)
    wait_for(lambda: os.path.getsize(h["output"]) <= 8 << 20)
    assert os.path.getsize(h["output"] + ".1") <= 16 << 20
    assert "lines left out]" in (place.dir / "log").read_text()
    d.send("kill", sid)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_adopted_by_a_second_launcher(place):
    d = place.driver()
    sid = "00000000000000ab"
    text = d.server(sid, "/bin/sh", "-c", "echo before; sleep 1000 & wait")
    h = json.loads(text)
    d.kill()
    assert alive(h["pid"])
    d = place.driver()
    assert d.ask("adopt_server", sid, text)["result"] == 1
    assert d.event(event="SERVER_UP", id=sid)["endpoint"] == "unix:" + h["socket"]
    assert d.ask("tag", sid)["text"] == str(h["pid"])
    # Its end: the master tells how.
    os.kill(h["pid"], signal.SIGTERM)
    wait_for(lambda: h["pid"] in place.reap())
    d.send("child_exit", h["pid"], place.reaped[h["pid"]])
    e = d.event(event="SERVER_EXIT")
    assert (e["known"], e["signal"], e["tail"]) == (True, signal.SIGTERM, "before\n")
    nothing_left(place, d)


def test_a_cgroup_of_one_that_ended_unseen_goes_at_the_next_start(place):
    d = place.driver()
    h = json.loads(d.server("00000000000000ba", *SLEEPER))
    d.kill()
    os.kill(h["pid"], signal.SIGKILL)
    wait_for(lambda: h["pid"] in place.reap())
    d = place.driver()
    wait_for(lambda: not place.cgroups())
    assert os.path.exists(h["output"])  # the sweep gets it, unless its handle comes first
    assert d.ask("adopt_server", "00000000000000ba", json.dumps(h))["result"] == 0
    nothing_left(place, d)


def test_adopted_and_nobody_tells_how_it_ended(place):
    d = place.driver()
    text = d.server("00000000000000ac", *SLEEPER)
    d.kill()
    d = place.driver()
    assert d.ask("adopt_server", "00000000000000ac", text)["result"] == 1
    os.kill(json.loads(text)["pid"], signal.SIGKILL)
    e = d.event(event="SERVER_EXIT")
    assert (e["known"], e["code"], e["signal"]) == (False, -1, 0)
    nothing_left(place, d)


def test_an_adopted_server_is_stopped_as_any(place):
    d = place.driver()
    text = d.server("00000000000000ad", "/bin/sh", "-c", "trap '' TERM; setsid sleep 1000 & sleep 1000; sleep 1000")
    wait_for(lambda: len(owned(place.mark.encode())) >= 4)
    d.kill()
    d = place.driver()
    assert d.ask("adopt_server", "00000000000000ad", text)["result"] == 1
    d.send("stop", "00000000000000ad", 200)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_handles_of_others_are_gone(place):
    d = place.driver()
    sid = "00000000000000ae"
    text = d.server(sid, "/bin/sh", "-c", "sleep 1000 & sleep 1000")
    h = json.loads(text)
    wait_for(lambda: len(owned(place.mark.encode())) >= 4)
    d.kill()
    d = place.driver()
    for change in ({"boot": "0" * 36}, {"pidns": 1}, {"start": h["start"] + 1}, {"socket": None}):
        other = {k: v for k, v in {**h, **change, "cgroup": None}.items() if v is not None}
        other.pop("output", None)
        assert d.ask("adopt_server", "00000000000000ff", json.dumps(other))["result"] == 0
    assert d.ask("adopt_server", sid, "nonsense")["result"] == 0
    assert alive(h["pid"]), "somebody else's process was hurt"
    # Ended meanwhile: gone, and what it left is cleaned away.
    os.kill(h["pid"], signal.SIGKILL)
    wait_for(lambda: not alive(h["pid"]))
    assert d.ask("adopt_server", sid, text)["result"] == 0
    nothing_left(place, d)


def test_without_a_state_folder_outputs_are_in_memory(place):
    d = place.driver(state="")
    sid = "00000000000000af"
    text = d.server(sid, "/bin/sh", "-c", "echo in memory; exec sleep 1000")
    assert "output" not in json.loads(text)
    d.kill()
    d = place.driver(state="")
    assert d.ask("adopt_server", sid, text)["result"] == 1
    d.send("logs", sid, "server", 5, 1)
    assert d.event(event="LOGS")["text"] == "in memory\n"
    # Markers of runs are beside the sockets then.
    d.run("r1", *program("r1", "echo said; exit 3"))
    d.send("release", "r1")
    e = d.event(event="RUN_EXIT")
    assert (e["code"], e["tail"]) == (3, "said\n")
    assert len(list((place.runtime / "runs").glob("*.started"))) == 1
    d.send("kill", sid)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


def test_the_runtime_folder(place):
    long = place.dir / ("x" * 100)
    long.mkdir()
    assert "too long" in place.driver(runtime=long).opened["text"]
    d = place.driver(runtime="")
    h = json.loads(d.server("00000000000000b0", *SLEEPER))
    folder = os.path.dirname(h["socket"])
    assert folder == f"/tmp/daglet-{os.geteuid()}-0"
    assert os.stat(folder).st_mode & 0o777 == 0o700
    d.send("kill", "00000000000000b0")
    d.event(event="SERVER_EXIT")
    d.quit()
    os.rmdir(folder)
    os.symlink("/tmp", folder)
    try:
        assert "only this user" in place.driver(runtime="").opened["text"]
    finally:
        os.unlink(folder)


# --- cgroups -----------------------------------------------------------------------------------


def own_cgroup(handle):
    return json.loads(handle).get("cgroup")


def test_out_of_memory_is_seen(place):
    d = place.driver()
    sid = "00000000000000c1"
    handle = d.server(sid, "/bin/sh", "-c",
                      "while [ ! -e $EFFECTS/go ]; do sleep 0.01; done;"
                      "exec python3 -c 'x = bytearray(300 << 20)'")
    cgroup = own_cgroup(handle)
    limit = None
    for name in ("memory.max", "memory.limit_in_bytes"):
        if cgroup and os.path.exists(os.path.join(cgroup, name)):
            limit = os.path.join(cgroup, name)
    try:
        if not limit:
            raise OSError
        with open(limit, "w", encoding="ascii") as f:
            f.write(str(60 << 20))
    except OSError:
        d.send("kill", sid)
        d.event(event="SERVER_EXIT")
        pytest.skip("no cgroup with a memory limit can be made here")
    (place.effects / "go").touch()
    e = d.event(event="SERVER_EXIT")
    assert (e["signal"], e["oom"]) == (signal.SIGKILL, True)
    assert not os.path.exists(cgroup)
    nothing_left(place, d)


def test_without_cgroups_all_is_the_same(place, monkeypatch):
    """In a mount namespace that hides them: no cgroup is made, the tree still goes."""
    unshare = shutil.which("unshare")
    if not unshare or os.geteuid() != 0 or subprocess.run(
            [unshare, "-m", "umount", "-l", "/sys/fs/cgroup"], check=False,
            capture_output=True).returncode:
        pytest.skip("cgroups cannot be hidden here")
    wrapper = place.dir / "hidden"
    wrapper.write_text(f"#!/bin/sh\nexec {unshare} -m sh -c 'umount -l /sys/fs/cgroup; exec {TOOL} \"$@\"' sh \"$@\"\n")
    wrapper.chmod(0o700)
    monkeypatch.setattr(process_rig, "TOOL", str(wrapper))
    d = place.driver()
    sid = "00000000000000c2"
    handle = d.server(sid, "/bin/sh", "-c",
                      "trap '' TERM; setsid sleep 1000 & (setsid sleep 1001 &); sleep 1000; sleep 1000")
    assert own_cgroup(handle) is None
    wait_for(lambda: len(owned(place.mark.encode())) >= 5)
    d.send("stop", sid, 100)
    d.event(event="SERVER_EXIT")
    nothing_left(place, d)


# --- a real code server ------------------------------------------------------------------------


def test_a_real_code_server(place):
    dagster = shutil.which("dagster")
    if not dagster:
        pytest.skip("no dagster in PATH")
    (place.dir / "defs.py").write_text("import dagster\ndefs = dagster.Definitions()\n")
    d = place.driver()
    sid = "00000000000000d1"
    d.send("env", f"DAGSTER_CLI_API_GRPC_PYTHON_FILE={place.dir / 'defs.py'}")
    d.send("env", "DAGSTER_CLI_API_GRPC_LAZY_LOAD_USER_CODE=1")
    h = json.loads(d.server(sid, dagster, "api", "grpc"))

    def listens():
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(h["socket"])
            except OSError:
                return False
            return True

    wait_for(listens, 60)
    d.send("stop", sid, 20000)
    d.event(limit=40, event="SERVER_EXIT")
    nothing_left(place, d)
