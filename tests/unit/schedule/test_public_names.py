import subprocess
import sys

import genesis.schedule as package


def test_public_names_are_sorted_and_there():
    assert package.__all__ == sorted(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)


def test_package_does_not_import_prefect_or_a_graph_library():
    code = "import sys, genesis.schedule; print([m for m in ('prefect', 'networkx', 'asyncio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
