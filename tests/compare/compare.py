"""daglet and the Python agent in the same scenarios, one figure beside the other: the table in
docs/compare.md. The rows are in rows.py. Fails where daglet is worse in any row, and where a row
has no figure."""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
for folder in ("integration", "bench"):
    sys.path.insert(0, str(TESTS / folder))

import harness  # noqa: E402
from rows import MEASURED, READ, ROWS  # noqa: E402
from scenarios import BENCHED, KINDS, SCENARIOS, benched, played  # noqa: E402
from verdict import shown, verdict  # noqa: E402

TABLE = harness.ROOT / "docs" / "compare.md"
SIDE_BY_SIDE = 3


class Progress:
    def __init__(self):
        self.begun, self.lock = time.monotonic(), threading.Lock()

    def say(self, text):
        with self.lock:
            print(f"[{int(time.monotonic() - self.begun):4d} s] {text}", flush=True)


class Run:
    """One run of the command: figures[scenario][kind][name]."""

    def __init__(self, rows, quick, directory, kinds=KINDS):
        self.rows, self.quick, self.directory, self.kinds = rows, quick, Path(directory), kinds
        self.figures, self.failed, self.progress = {}, [], Progress()
        self.wanted = dict.fromkeys(f.scenario for row in rows for f in row.figures)

    def measure(self):
        """The bench's parts one after the other."""
        for n, name in enumerate(s for s in self.wanted if s in BENCHED):
            self.progress.say(f"{name} ...")
            try:
                self.figures[name] = benched(
                    BENCHED[name].run, self.quick, self.directory / f"bench{n}")
            except (Exception, SystemExit):
                self.fail(name, "both", traceback.format_exc())

    def play(self):
        """The others side by side, since they wait most of the time; the longest first."""
        names = sorted((s for s in self.wanted if s in SCENARIOS),
                       key=lambda name: -SCENARIOS[name].long)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for n, name in enumerate(names):
                for kind in self.kinds:
                    pool.submit(self.one, name, kind, self.directory / f"{n}-{kind}")

    def one(self, name, kind, directory):
        begun = time.monotonic()
        try:
            figures = played(SCENARIOS[name], kind, self.quick, directory)
            self.figures.setdefault(name, {})[kind] = figures
            text = ", ".join(f"{k}: {shown(v)}" for k, v in figures.items())
            self.progress.say(f"{name}, {kind}: {text} ({time.monotonic() - begun:.0f} s)")
        except BaseException:
            self.fail(name, kind, traceback.format_exc())

    def fail(self, name, kind, text):
        self.failed.append(f"{name}, {kind}")
        self.progress.say(f"{name}, {kind}: FAILED\n{text}")

    def value(self, figure, kind):
        return self.figures.get(figure.scenario, {}).get(kind, {}).get(figure.name)

    def judged(self, figure):
        return verdict(figure, self.value(figure, "python"), self.value(figure, "daglet"))

    def verdicts(self):
        """[(row, figure, word)]"""
        return [(row, f, self.judged(f)) for row in self.rows for f in row.figures]

    def table(self, rows):
        lines = ["| row | what | Python agent | daglet | |", "|---|---|---:|---:|---|"]
        for row in rows:
            for n, f in enumerate(row.figures):
                python, daglet = (shown(self.value(f, kind), f.unit) for kind in KINDS)
                what = f"{row.title}: {f.text}" if row.title else f.text
                lines.append(f"| {f'`{row.id}`' if n == 0 else ''} | {what} | {python} | "
                             f"{daglet} | {self.judged(f)} |")
        return "\n".join(lines)


def machine():
    """What class of machine this is."""
    with open("/proc/meminfo", encoding="ascii") as f:
        kib = int(f.readline().split()[1])
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {round(kib / 2 ** 20)} GiB of memory, {platform.machine()}"


def daglet_version():
    out = subprocess.run([harness.daglet_binary(), "--version"], capture_output=True, text=True,
                         check=True)
    return out.stdout.split("\n")[0].strip()


def document(run, command):
    return f"""\
# daglet and the Python agent, compared

Written by `{command}` on {time.strftime('%Y-%m-%d', time.gmtime())}: {daglet_version()} and
dagster-cloud {version('dagster-cloud')} (process launcher), the same scenarios on the same
devplane in one run; {machine()}. What a scenario does is a function in `tests/compare`; the rows
are in `tests/compare/rows.py`, the figures of memory, processor time and latency come from the
functions of `make bench`. "> 120 s" means: not within the time that was given to it.
The last column: daglet is `better`, `equal` (within what varies from run to run), or `WORSE`.

## What was measured of the Python agent

{run.table(MEASURED)}

## What was found by reading the Python agent

{run.table(READ)}
"""


def chosen(only):
    known = {row.id: row for row in ROWS}
    missing = [id for id in only if id not in known]
    if missing:
        raise SystemExit(f"no row {', '.join(missing)}; rows: {', '.join(known)}")
    return [known[id] for id in only] if only else list(ROWS)


def complete():
    """Nothing is named that is not there, nothing is there that is not named."""
    named = {f.scenario for row in ROWS for f in row.figures}
    there = set(SCENARIOS) | set(BENCHED)
    assert named == there, f"scenarios without a row, or rows without one: {named ^ there}"
    assert len({row.id for row in ROWS}) == len(ROWS), "a row's id stands there twice"


def main():
    p = argparse.ArgumentParser(prog="compare.sh")
    p.add_argument("--only", default="", metavar="ROW[,ROW]",
                   help="these rows; no table is written")
    p.add_argument("--quick", action="store_true",
                   help="shorter waits, smaller numbers; no table is written")
    p.add_argument("--kind", choices=KINDS, help="one agent only, to try a scenario")
    p.add_argument("--list", action="store_true", help="the rows' ids")
    options = p.parse_args()
    complete()
    if options.list:
        print("\n".join(f"{row.id}: {row.title}" for row in ROWS))
        return 0
    reason = harness.why_not("daglet")
    if reason:
        raise SystemExit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    rows = chosen([id for id in options.only.split(",") if id])
    with tempfile.TemporaryDirectory(prefix="daglet-compare-") as directory:
        run = Run(rows, options.quick, directory, [options.kind] if options.kind else KINDS)
        run.measure()
        run.play()
    print(f"\n{run.table(rows)}\n")
    if options.kind:
        return 1 if run.failed else 0
    found = run.verdicts()
    missing = [f"{row.id} ({f.text})" for row, f, word in found if word == "MISSING"]
    worse = [f"{row.id} ({f.text})" for row, f, word in found if word == "WORSE"]
    if rows == list(ROWS) and not options.quick and not missing:
        TABLE.write_text(document(run, "make compare"), encoding="utf-8")
        print(f"written: {TABLE.relative_to(harness.ROOT)}")
    elif missing:
        print("no table was written: " + "; ".join(f"no figure for {m}" for m in missing))
    for name in worse:
        print(f"daglet is worse: {name}")
    print(f"{len(rows)} rows, {len(found)} figures: {len(worse)} worse, {len(missing)} missing")
    return 1 if worse or missing or run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
