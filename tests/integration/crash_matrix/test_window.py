"""The one window in which the death of the whole agent loses requests: from the moment that the
control plane forgets them until they are recorded. Measured, for docs/design.md."""

import statistics

import pytest

from .rig import FULL, LOCATION, PATIENCE, obeys

TIMES = 100 if FULL else 20


def test_from_a_pop_to_its_record(crashed):
    if not obeys():
        pytest.skip("this build has no crash points (configure --enable-crashpoints)")
    window = []
    for _ in range(TIMES):
        crashed.arm("WRITE_RECORD.after", 1, "ERR")  # says when it was, and goes on
        one = crashed.plane.request(kind="PING_LOCATION", location=LOCATION)["id"]
        recorded = crashed.struck(10, "a request is recorded")
        window.append(recorded - crashed.plane.answer(id=one, wait=10)["pops"][0])
    window.sort()
    print(f"\nfrom a pop to its record: median {1000 * statistics.median(window):.1f} ms, "
          f"90 % below {1000 * window[int(0.9 * len(window))]:.1f} ms, "
          f"longest {1000 * window[-1]:.1f} ms, {len(window)} times")
    assert statistics.median(window) < 0.05 * PATIENCE
