"""The scenario once more, with daglet called as `dagster-cloud` and as `dagster-plus`."""

import pytest
from conftest import chosen
from test_scenario import *  # noqa: F403: the tests are that file's


@pytest.fixture(scope="module", params=["daglet-as-dagster-cloud", "daglet-as-dagster-plus"])
def agent_kind(request):
    return chosen(request.param)
