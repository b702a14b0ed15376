"""The state folder's disk is full, read-only, damaged: what the ledger does then, and that it
says so. The disk is a small tmpfs; where none can be mounted these tests are skipped."""

import json
import shutil
import subprocess
import time

import pytest
from test_ledger import Ledger, ask, recorded, serve, silent

SIZE = 2 * 1024 * 1024


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, of SIZE bytes."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "none", place],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place):
    """Use up every byte."""
    with open(place / "filler", "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass
    assert shutil.disk_usage(place).free == 0
    return place / "filler"


def remount(place, how):
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


def store(status, want, limit=30):
    """The ledger's word on its store, once WANT is true of it."""
    end = time.monotonic() + limit
    while True:
        _, m = status.until("STATE", max(0.1, end - time.monotonic()))
        if m["key"] == "ledger:" and want(json.loads(m["body"])["store"]):
            return json.loads(m["body"])["store"]


def credit(poller, want, limit=15):
    end = time.monotonic() + limit
    while True:
        _, m = poller.until("CREDIT", max(0.1, end - time.monotonic()))
        if want(m["requests"]):
            return m["requests"]


def broken_then_whole(disk, spoil, mend, words):
    """One life of a disk: popping stops, what is in hand waits, then is served without being
    remembered; launches are refused; all is well once the disk is."""
    with Ledger(disk) as led:
        poller, launcher, reporter = (led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER"))
        assert credit(poller, bool) > 1
        ask(poller, 1, "before")
        recorded(poller, 1)
        serve(launcher, reporter, "before")
        led.forgotten()
        status = led.peer("STATUS")
        spoil()
        ask(poller, 2, "meanwhile", body=b"m" * 100000)
        assert credit(poller, lambda n: n <= 2) == 2, "not one more may be popped"
        paused = store(status, lambda s: s["durability"] == "paused")
        assert words in paused["error"].lower()
        silent(launcher, "DO", limit=0.5)

        broken = store(status, lambda s: s["durability"] == "broken")
        assert words in broken["error"].lower()
        recorded(poller, 2)
        serve(launcher, reporter, "meanwhile")
        assert credit(poller, lambda n: n > 2)
        ask(poller, 3, "run", kind="LAUNCH_RUN")
        recorded(poller, 3)
        id, do = launcher.until("DO")
        assert do["request_id"] == "run" and "refused" in do["error"] and id
        launcher.send("ANSWER", id, outcome="error", response=b'"refused"')
        reporter.send("DELIVERED", reporter.until("DELIVER")[0], attempts=1)
        ask(poller, 4, "unstored")
        recorded(poller, 4)
        serve(launcher, reporter, "unstored")

        mend()
        assert store(status, lambda s: s["durability"] == "full")["error"] is None
        ask(poller, 5, "stays", body=b"s" * 1000)
        recorded(poller, 5)
        assert launcher.until("DO")[1]["request_id"] == "stays"
        led.kill()
    with Ledger(disk) as led:
        launcher = led.peer("LAUNCHER")
        id, do = launcher.until("DO")
        assert (do["request_id"], do["body"]) == ("stays", b"s" * 1000)
        silent(launcher, "DO", limit=0.3)


def test_a_full_disk(disk):
    broken_then_whole(disk, lambda: fill(disk), lambda: (disk / "filler").unlink(), "full")


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_that_cannot_be_written_at_the_start(disk, trouble):
    """Served from memory; once it can be written again, a new ledger reads what it has."""
    with Ledger(disk) as led:
        poller = led.peer("POLLER")
        ask(poller, 1, "before")
        recorded(poller, 1)
        led.kill()
    if trouble == "full":
        fill(disk)
    else:
        remount(disk, "ro")
    with Ledger(disk) as led:
        poller, launcher, reporter, status = (
            led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER", "STATUS"))
        assert store(status, lambda s: s["error"])["durability"] == "broken"
        ask(poller, 1, "query")
        recorded(poller, 1)
        serve(launcher, reporter, "query")
        if trouble == "full":
            (disk / "filler").unlink()
        else:
            remount(disk, "rw")
        assert led.wait(30) == 1, "it starts anew to read what the store has"
    with Ledger(disk) as led:
        assert led.peer("LAUNCHER").until("DO")[1]["request_id"] == "before"


def test_a_damaged_store_is_moved_aside(tmp_path):
    with Ledger(tmp_path) as led:
        poller = led.peer("POLLER")
        ask(poller, 1, "before", body=b"b" * 9000)
        recorded(poller, 1)
    database = tmp_path / "state.db"
    with open(database, "r+b") as f:
        f.seek(100)
        f.write(b"\xff" * (database.stat().st_size - 100))
    with Ledger(tmp_path) as led:
        poller, launcher, reporter, status = (
            led.peer(r) for r in ("POLLER", "LAUNCHER", "REPORTER", "STATUS"))
        said = store(status, lambda s: s["damaged"])
        assert said["durability"] == "full"
        assert (tmp_path / said["damaged"]).read_bytes()[100:200] == b"\xff" * 100
        ask(poller, 1, "run", kind="LAUNCH_RUN")
        recorded(poller, 1)
        id, do = launcher.until("DO")
        assert (do["request_id"], do["error"]) == ("run", ""), "the new store is whole"
