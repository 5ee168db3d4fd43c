import json
import subprocess
import sys
import time
from pathlib import Path

from bench import effects


def test_rows_are_counted_by_leaf_and_run(tmp_path):
    database = str(tmp_path / "effects.db")
    effects.make(database)
    assert effects.happen(database, "r", "a", 0.0) == {"did": "a"}
    effects.happen(database, "other", "a", 0.0)
    between = time.time()
    effects.happen(database, "r", "a", 0.0)
    effects.happen(database, "r", "b", 0.0)
    assert effects.count_effects(database, "r") == {"a": 2, "b": 1}
    assert effects.count_effects(database, "none") == {}
    assert effects.since(database, "r", between) == {"a", "b"}
    assert effects.since(database, "other", between) == set()


def test_program_leaves_its_row_without_any_package(tmp_path):
    database = str(tmp_path / "effects.db")
    effects.make(database)
    argv = [sys.executable, "-S", "-E", str(Path(effects.__file__)), database, "r", "c", "0.01"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == {"did": "c"}
    assert effects.count_effects(database, "r") == {"c": 1}
