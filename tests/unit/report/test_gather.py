"""What is read for a report."""

import pytest

from genesis.errors import UsageError
from genesis.ledger import Moments
from genesis.model import Moment, Outcome
from genesis.report import facts_of, report_page
from genesis.report.gather import gather_evidence


async def test_everything_that_the_ledger_has_is_read(keep, settings, at):
    ledger = await keep("r-1", state="failed", trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    moment = Moment(at=at(0), kind="started", subject="r-1")
    await ledger.write_moments(Moments(moments=(moment,)))
    evidence = await gather_evidence("r-1", settings)
    assert evidence.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert evidence.moments.moments == (moment,)
    assert [root.task for root in evidence.explanation.roots] == ["b"]
    assert evidence.check is not None
    assert evidence.ledger == ledger.where()
    assert facts_of(evidence).run.state == "failed"
    assert "0af7651916cd43dd8448eb211c80319c" in report_page(evidence)


@pytest.mark.parametrize("state", ["completed", "failed", "running", None])
async def test_a_run_in_any_state_has_a_report(keep, settings, state):
    await keep("r-1", state=state)
    assert "do it" in report_page(await gather_evidence("r-1", settings))


async def test_large_results_are_read_in_part(keep, settings):
    ledger = await keep("r-1")
    leaf = (await gather_evidence("r-1", settings)).program.leaves[0]
    await ledger.record(leaf, Outcome(id="a", agent="worker", state="completed", result="ü" * 100_000))
    evidence = await gather_evidence("r-1", settings)
    assert evidence.large == {"a": '"' + "ü" * 3_999}


async def test_a_large_result_that_has_gone_is_no_error(keep, settings):
    ledger = await keep("r-1")
    leaf = (await gather_evidence("r-1", settings)).program.leaves[0]
    kept = await ledger.record(leaf, Outcome(id="a", agent="worker", state="completed", result="y" * 100_000))
    (ledger.folder / kept.result_ref).unlink()
    assert (await gather_evidence("r-1", settings)).large == {"a": ""}


@pytest.mark.usefixtures("storage")
async def test_a_run_that_is_not_there_is_said_so(settings):
    with pytest.raises(UsageError, match="there is no run"):
        await gather_evidence("r-1", settings)
