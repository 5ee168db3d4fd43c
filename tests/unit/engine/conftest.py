"""What one execution of a run needs, without a server: its ledger is in a folder."""

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import Seen


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Make a context whose breakers and deliveries are looked at often."""
    from genesis.engine.run_context import RunContext
    from genesis.ledger import FolderStore, Ledger
    from genesis.ledger.program_state import ProgramState
    from genesis.settings import Settings

    monkeypatch.setattr("genesis.engine.failover.BREAKER_POLL_S", 0.001)
    monkeypatch.setattr("genesis.engine.driver.DELIVERY_POLL_S", 0.001)

    def made(program, *, slots=8, left_s=None, limits=None, **more):
        settings = Settings(home=tmp_path / "home")
        resilience = {"replans": 0} | {name: more.pop(name) for name in ("replans", "wait_s") if name in more}
        changed = {
            "resilience": settings.resilience.model_copy(update=resilience),
            "limits": settings.limits.model_copy(update=limits or {}),
        }
        if left_s is not None:
            more["until"] = time.monotonic() + left_s
        return RunContext(
            program_state=ProgramState(program),
            ledger=Ledger(FolderStore(tmp_path / "ledger"), "r1"),
            correlation_id="c1",
            settings=settings.model_copy(update=changed),
            executor=None,
            slots=slots,
            files=tmp_path,
            observer=Seen(),
            **more,
        )

    return made
