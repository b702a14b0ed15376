"""daglet and the Python agent side by side on the same devplane: see parts.py."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import table  # noqa: E402
from parts import PARTS, Bench  # noqa: E402


def main():
    p = argparse.ArgumentParser(prog="bench.sh")
    p.add_argument("--quick", action="store_true", help="shorter, less exact, fewer locations")
    p.add_argument("--only", default=",".join(PARTS), metavar="PART[,PART]",
                   help=f"of {', '.join(PARTS)}")
    p.add_argument("--scheme", choices=("HTTP", "TLS"), help="only over this one")
    p.add_argument("--agents", default="daglet,python", metavar="daglet|python")
    p.add_argument("--json", metavar="FILE", help="the figures, for programs")
    options = p.parse_args()
    wanted = options.only.split(",")
    for name in wanted:
        if name not in PARTS:
            p.error(f"no part {name}; parts: {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))

    results = table.Table()
    begun = time.monotonic()
    print(results.head(), flush=True)
    with tempfile.TemporaryDirectory(prefix="daglet-bench-") as directory:
        bench = Bench(Path(directory), results, options.quick,
                      options.agents.split(","))
        for name in wanted:
            measure, schemes = PARTS[name]
            for scheme in schemes:
                if options.scheme in (None, scheme):
                    bench.tls = scheme == "TLS"
                    measure(bench)
    print(f"\nafter {time.monotonic() - begun:.0f} s:\n\n{results.text()}")
    if options.json:
        Path(options.json).write_text(results.json() + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
