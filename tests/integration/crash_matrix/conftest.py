"""Fixtures of the crash matrix."""

import harness
import pytest

from . import rig as rigs


@pytest.fixture(scope="session", autouse=True)
def seed():
    print(f"\ncrash matrix: {'full' if rigs.FULL else 'short'} form, CRASH_SEED={rigs.SEED}")
    return rigs.SEED


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    reason = harness.why_not("daglet")
    if reason:
        pytest.skip(reason)
    with harness.Bench(tmp_path_factory.mktemp("crash")) as bench:
        rig = rigs.Rig(bench)
        try:
            rig.serving()
            rig.ready()
            yield rig
        except Exception:
            print(bench.outputs())
            raise


@pytest.fixture(scope="module")
def expected(crashed):
    return crashed.undisturbed()
