"""Numbers of ended runs are given to other processes; none of those may get a signal. For a pid
namespace of its own, where nobody else takes numbers: test_process_ends.py runs it there.

    pid_reuse.py STATE-AND-EFFECTS-FOLDER
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from process_rig import Place, alive, kill, program, wait_for


def bystander(number):
    """A process of this number, leader of its session, that any signal would end."""
    def once():
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as f:
            f.write(str(number - 1))
        p = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True, env={})
        if p.pid == number:
            return p
        p.kill()
        p.wait()
        return None

    return wait_for(once)


def gone(place, handle):
    """The run's processes are killed, without a word about their end."""
    for who in ("parent", "pid"):
        kill(handle[who])
    wait_for(lambda: place.reap() is not None
             and not any(os.path.exists(f"/proc/{handle[p]}") for p in ("pid", "parent")))


def running(place, d, rid):
    text = d.run(rid, *program(rid, "exec sleep 1000"))
    d.send("release", rid)
    d.event(event="RUN_STARTED")
    wait_for(lambda: place.starts(rid))
    return text


def spared(place, bystanders):
    assert all(alive(p.pid) for p in bystanders), "a bystander got a signal"
    for p in bystanders:
        p.kill()
        p.wait()


def of_an_earlier_launcher(place):
    d = place.driver()
    text = running(place, d, "early")
    d.kill()
    handle = json.loads(text)
    gone(place, handle)
    others = [bystander(handle[p]) for p in ("pid", "parent")]
    d = place.driver()
    assert d.ask("adopt_run", "early", text)["result"] == 0
    d.send("run_stop", "early", 0)
    # Its marker says that it was started; what became of it, nobody knows.
    d.send("run", "early", *program("early"))
    e = d.event(event="RUN_EXIT")
    assert not e["known"]
    d.send("run_stop", "early", 0)
    d.quit()
    assert place.starts("early") == 1
    spared(place, others)


def under_the_launchers_eyes(place):
    """It hears of the end, of the stop and of the new processes at the same moment."""
    d = place.driver()
    handle = json.loads(running(place, d, "late"))
    os.kill(d.process.pid, signal.SIGSTOP)
    kill(handle["parent"])
    kill(handle["pid"])
    # The launcher's own child stays a zombie, so only the worker's number is free.
    wait_for(lambda: place.reap() is not None and not os.path.exists(f"/proc/{handle['pid']}"))
    others = [bystander(handle["pid"])]
    d.send("run_stop", "late", 0)
    os.kill(d.process.pid, signal.SIGCONT)
    d.event(event="RUN_EXIT")
    d.quit()
    spared(place, others)


def told_about_another(place):
    """The master's word of an end is about the run that ended, not about the one that has its
    number now."""
    d = place.driver()
    first = json.loads(running(place, d, "first"))
    os.kill(d.process.pid, signal.SIGSTOP)
    kill(first["parent"])
    kill(first["pid"])
    wait_for(lambda: first["pid"] in place.reap())
    other = bystander(first["pid"])
    d.send("child_exit", first["pid"], place.reaped[first["pid"]])
    os.kill(d.process.pid, signal.SIGCONT)
    e = d.event(event="RUN_EXIT")
    assert (e["known"], e["signal"]) == (True, signal.SIGKILL)
    d.quit()
    spared(place, [other])


def main():
    place = Place(Path(sys.argv[1]))
    with contextlib.closing(place):
        for scene in (of_an_earlier_launcher, under_the_launchers_eyes, told_about_another):
            scene(place)
            print(scene.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
