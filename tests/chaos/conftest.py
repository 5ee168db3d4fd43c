"""What tests in one process with Prefect's client need; see the same file of the integration tests."""

import gc
from collections.abc import Iterator

import pytest

_LEFT_BY_PREFECT = ("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bear what Prefect leaves to the garbage collector, in the tests of this folder."""
    for item in items:
        if "tests/chaos/" in item.nodeid:
            for warning in _LEFT_BY_PREFECT:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()
