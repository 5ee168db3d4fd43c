"""What the attacks need: the fixtures of the tests of workers, which are on a real Prefect server."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

_LEFT_BY_PREFECT = ("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bear what Prefect leaves to the garbage collector, as in tests/integration."""
    for item in items:
        if "tests/security/" in item.nodeid:
            for warning in _LEFT_BY_PREFECT:
                item.add_marker(pytest.mark.filterwarnings(warning))
