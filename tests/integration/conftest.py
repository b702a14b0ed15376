"""Fixtures for all integration tests. Run: pytest tests/integration (in a venv that has
contrib/devplane installed); DAGLET_BIN names the daglet to test."""

import harness
import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): what stays in one worker")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items):
    """What runs side by side under pytest-xdist: a file for one agent stays in one worker, so
    that module-wide set-ups are shared; the same file for another agent may run elsewhere."""
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        item.add_marker(pytest.mark.xdist_group(
            f"{item.path.stem}:{params.get('agent_kind', '')}"))


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


@pytest.fixture(scope="session", params=harness.AGENTS)
def agent_kind(request):
    reason = harness.why_not(request.param)
    if reason:
        pytest.skip(reason)
    return request.param
