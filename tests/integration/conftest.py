"""Fixtures for all integration tests. Run: pytest tests/integration (in a venv that has
contrib/devplane installed); DAGLET_BIN names the daglet to test."""

import harness
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """On failure show the ends of what devplane and agent wrote."""
    report = (yield).get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            bench = value if isinstance(value, harness.Bench) else getattr(value, "bench", None)
            if isinstance(bench, harness.Bench):
                report.sections.append(("processes", bench.outputs()))
                break


@pytest.fixture
def bench(tmp_path):
    """A directory and an id for one test; everything started with it is ended after it."""
    with harness.Bench(tmp_path / "bench") as b:
        yield b


def chosen(kind):
    """The agent's kind, or a skipped test where it cannot be had."""
    reason = harness.why_not(kind)
    if reason:
        pytest.skip(reason)
    return kind


@pytest.fixture(scope="session", params=harness.AGENTS)
def agent_kind(request):
    return chosen(request.param)
