"""What tests in one process with Prefect's client need."""

import gc
from collections.abc import Iterator

import pytest

_LEFT_BY_PREFECT = ("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
"""Prefect leaves HTTP connections of its own to the garbage collector (it asks for the default result storage)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bear what Prefect leaves, in the tests of this folder."""
    for item in items:
        if "tests/integration/" in item.nodeid:
            for warning in _LEFT_BY_PREFECT:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect it here, where it is borne, and not in whichever test comes next in this process."""
    yield
    gc.collect()
