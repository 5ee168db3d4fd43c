import asyncio
from contextvars import ContextVar, copy_context

from genesis.dispatch.background_tasks import BackgroundTasks

WHERE = ContextVar("where", default="outside")


async def test_errands_run_in_the_given_context():
    WHERE.set("inside")
    background, seen = BackgroundTasks(copy_context()), []
    WHERE.set("outside")

    async def look():
        seen.append(WHERE.get())

    background.run(look(), None)
    await asyncio.sleep(0)
    assert seen == ["inside"]


async def test_a_fault_is_told_and_logged(caplog):
    background, told = BackgroundTasks(copy_context()), []

    async def fail():
        raise ValueError("no")

    async def record_error(error):
        told.append(repr(error))

    background.run(fail(), record_error)
    await asyncio.sleep(0.01)
    assert told == ["ValueError('no')"]
    assert "a background task of the dispatch failed" in caplog.text


async def test_a_loop_goes_on_after_a_fault_and_ends_with_the_place(monkeypatch, caplog):
    monkeypatch.setattr("genesis.dispatch.background_tasks.LOOP_RETRY_S", 0.001)
    background, rounds = BackgroundTasks(copy_context()), []

    async def loop():
        rounds.append(1)
        raise ValueError("no")

    background.run_loop(loop)
    await asyncio.sleep(0.05)
    assert len(rounds) > 1
    await background.close()
    seen = len(rounds)
    await asyncio.sleep(0.02)
    assert len(rounds) == seen


async def test_an_expected_fault_is_told_and_not_logged(caplog):
    from genesis.errors import ServiceError

    background, told = BackgroundTasks(copy_context()), []

    async def refuse():
        raise ServiceError("no")

    async def record_error(error):
        told.append(error.message)

    background.run(refuse(), record_error)
    await asyncio.sleep(0.01)
    assert told == ["no"]
    assert caplog.text == ""


async def test_an_errand_that_never_began_ends_without_a_word(recwarn):
    background = BackgroundTasks(copy_context())
    background.run(asyncio.sleep(0), None)
    await background.close()
    assert background._tasks == set()
