"""A run without a server: a ledger in a folder, a clock that is set, and an API that answers what it is told to."""

from types import SimpleNamespace
from uuid import uuid4

import pytest

from genesis.testing.plans import a_program, a_task, an_agent


class Watching:
    def __init__(self):
        self.seen = []

    def run_started(self, program, run, finished):
        pass

    def leaf_changed(self, outcome):
        self.seen.append((outcome.id, outcome.state))

    def leaf_diverted(self, leaf, kind, reason):
        pass

    def run_ended(self, run):
        pass


@pytest.fixture
def make(tmp_path, clock):
    """Make a session with its pending outcomes, its children and what a child needs."""
    from contextvars import copy_context

    from genesis.dispatch.background_tasks import BackgroundTasks
    from genesis.dispatch.child import ChildFlowRun
    from genesis.dispatch.children import Children
    from genesis.dispatch.pending_outcomes import PendingOutcomes
    from genesis.engine.run_context import RunContext
    from genesis.ledger import FolderStore, Ledger
    from genesis.ledger.program_state import ProgramState
    from genesis.settings import Settings

    def made(*tasks, agents=(), ever_ran=True, **pools):
        program = a_program(*(tasks or (a_task("a"),)), agents=agents or (an_agent("qa_agent"),))
        settings = Settings()
        settings = settings.model_copy(update={"pools": settings.pools.model_copy(update=pools)})
        session = RunContext(
            program_state=ProgramState(program),
            ledger=Ledger(FolderStore(tmp_path), "r1"),
            correlation_id="c1",
            settings=settings,
            executor=None,
            slots=4,
            files=tmp_path,
            observer=Watching(),
        )
        again = []

        async def answer_ever_ran(_child):
            return ever_ran

        pending, background = PendingOutcomes(session), BackgroundTasks(copy_context())
        children = Children(
            session,
            pending,
            background,
            again=again.append,
            moved=lambda: None,
            ever_ran=answer_ever_ran,
            clock=clock,
        )

        def child(*paths, **more):
            leaves = tuple(leaf for leaf in program.leaves if not paths or leaf.path in paths)
            return ChildFlowRun(uuid4(), "agent-qa", leaves, 1, clock.now, state_at=clock.now, **more)

        return SimpleNamespace(
            session=session,
            program=program,
            pending=pending,
            children=children,
            again=again,
            child=child,
            background=background,
        )

    return made
