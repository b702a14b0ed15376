"""What processes cost: memory from smaps_rollup, processor time from /proc."""

import os
import threading
import time

TICK = 1.0 / os.sysconf("SC_CLK_TCK")
MB = 1e6


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().split(b"\0")[:-1]
    except OSError:
        return []


def kind_of(pid):
    """daglet, python, or None for what is no part of an agent (code servers, runs, devplane)."""
    argv = command_line(pid)
    if not argv:
        return None
    name = os.path.basename(argv[0]).decode(errors="replace")
    if name.startswith("daglet"):
        return None if name == "daglet-run" else "daglet"
    return "python" if b"agent" in argv and b"run" in argv else None


def memory(pids):
    """(PSS, private dirty) in MB of these processes together. PSS knows only of memory that is
    mapped: what memfds hold counts with it."""
    pss = dirty = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                for line in f:
                    if line.startswith("Pss:"):
                        pss += int(line.split()[1])
                    elif line.startswith("Pss_Shmem:"):
                        pss -= int(line.split()[1])
                    elif line.startswith("Private_Dirty:"):
                        dirty += int(line.split()[1])
        except OSError:
            continue
    return (pss * 1024 + memfds(pids)) / MB, dirty * 1024 / MB


def memfds(pids):
    """Bytes in the memfds that these processes have open, each counted once."""
    sizes = {}
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        try:
            for fd in os.listdir(folder):
                path = os.path.join(folder, fd)
                if os.readlink(path).startswith("/memfd:"):
                    stat = os.stat(path)
                    sizes[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
        except OSError:
            continue
    return sum(sizes.values())


def threads(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def names(pids):
    """{program: PSS and private dirty in MB}, to see where memory is."""
    shown = {}
    for pid in pids:
        argv = command_line(pid)
        if argv:
            name = os.path.basename(argv[0]).decode(errors="replace")
            shown.setdefault(name, []).append([round(v, 2) for v in memory([pid])])
    return shown


def spent(pids):
    """Processor seconds that these processes have taken since they were started."""
    total = 0.0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) * TICK
    return total


class Clock:
    """Processor seconds that these processes take from now on. Threads' own counters are
    finer than those of whole processes but forget threads that ended: the larger counts."""

    def __init__(self, pids):
        self.pids = list(pids)
        self.coarse, self.fine = self._coarse(), self._fine()
        self.begun = time.monotonic()

    def _coarse(self):
        return spent(self.pids)

    def _fine(self):
        found = {}
        for pid in self.pids:
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                        found[task] = int(f.read().split()[0]) * 1e-9
            except (OSError, ValueError, IndexError):
                continue
        return found

    def seconds(self):
        """Processor seconds so far."""
        fine = sum(v - self.fine.get(k, 0.0) for k, v in self._fine().items())
        coarse = self._coarse() - self.coarse
        # The coarse counter is a tick off per process at most.
        return fine if fine >= coarse - TICK * 2 * len(self.pids) and fine > 0 else coarse

    def share(self):
        """Percent of one core."""
        return 100.0 * self.seconds() / (time.monotonic() - self.begun)


class Peak:
    """The most PSS that pids() have together while this is entered, over what they had."""

    def __init__(self, pids, every=0.05):
        self.pids, self.every = pids, every
        self.base = self.most = memory(pids())[0]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.over.wait(self.every):
            self.most = max(self.most, memory(self.pids())[0])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    @property
    def grown(self):
        return self.most - self.base
