"""A real Prefect server for tests: private, on a free port, stopped at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genesis.agents import Executor, LocalProbe
from genesis.engine.observer import NullObserver, Observer
from genesis.engine.run_context import RunContext
from genesis.flows.connection import connect
from genesis.flows.orchestrate import orchestrate
from genesis.ledger import FolderStore, Header, Ledger, new_run_id
from genesis.ledger.control import Control
from genesis.ledger.history import files_folder, load_program_state
from genesis.ledger.program_state import ProgramState
from genesis.model import Leaf, Program, Run
from genesis.model.run import utc_now
from genesis.planning import plan_document
from genesis.server import ApiEndpoint, down, ensure_api
from genesis.settings import Settings

__all__ = ["Workbench", "prefect_server"]


@contextmanager
def prefect_server(home: Path) -> Iterator[ApiEndpoint]:
    """Start a server whose state is in a folder, and stop it at the end."""
    settings = Settings(home=home)
    try:
        api = ensure_api(settings)
        with connect(api):
            yield api
    finally:
        down(settings)


class Workbench:
    """Runs programs with executors of the test's own, on a ledger in a folder.

    Args:
        folder: For the ledger and what agents leave.
        settings: Settings of the run.
    """

    def __init__(self, folder: Path, settings: Settings | None = None):
        self.store = FolderStore(folder)
        self.settings = settings or Settings(home=folder / "home")
        self.control: Control | None = None

    async def run(
        self,
        program: Program,
        executor: Executor | Callable[[Leaf], Executor],
        *,
        run_id: str | None = None,
        slots: int = 16,
        observer: Observer | None = None,
        probe: LocalProbe | None = None,
        **more: Any,
    ) -> Run:
        """Run a program; with the run id of an earlier call it continues from its ledger."""
        run_id = run_id or new_run_id(utc_now())
        limits = self.settings.limits
        ledger = Ledger(self.store, run_id, inline_bytes=limits.result_inline_bytes, most_bytes=limits.result_bytes)
        header = Header(
            genesis_version="test",
            run_id=run_id,
            correlation_id="test",
            created_at=utc_now(),
            document=plan_document(program.source),
            registry=program.registry,
            slots=slots,
        )
        await ledger.begin(header)
        self.control = Control()
        has_amendments = bool(await ledger.amendments())
        session = RunContext(
            program_state=await load_program_state(ledger, header, self.settings)
            if has_amendments
            else ProgramState(program),
            ledger=ledger,
            correlation_id="test",
            settings=self.settings,
            executor=executor if callable(executor) else lambda _leaf: executor,
            slots=slots,
            files=files_folder(ledger, self.settings),
            observer=observer or NullObserver(),
            probe=probe,
            **more,
        )
        return await orchestrate(session, self.control)
