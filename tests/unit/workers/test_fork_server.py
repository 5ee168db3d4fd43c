"""The memory of a forked child: what it does first must not take it out of what all share."""

import subprocess
import sys
from pathlib import Path

import pytest

_CODE = """
import gc, importlib, os
from pathlib import Path
from genesis.workers.service import _PRELOADED
from genesis.workers.fork_server import load_late_parts, preload

def private_mb():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024

assert preload([*_PRELOADED, "genesis.workers.child_main"]) == {}
load_late_parts()
gc.collect()
gc.freeze()
child = os.fork()
if child == 0:
    before = private_mb()
    import anyio, inspect
    import genesis.server
    from genesis.engine.tasks import LeafTasks
    anyio.run(anyio.sleep, 0)
    inspect.getsource(LeafTasks.run)  # as Prefect does for each task
    print(private_mb() - before, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell private memory")
def test_a_child_that_begins_to_work_writes_to_little_of_the_memory_that_is_shared():
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=120)
    assert float(done.stdout.split()[-1]) < 8.0
