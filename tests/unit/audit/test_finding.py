import pytest

from genesis_audit.budget import TimeBudget
from genesis_audit.finding import AuditFinding, dump, plural


def test_the_most_severe_come_first_and_ties_keep_their_order():
    found = [
        AuditFinding(severity=level, title=str(place)) for place, level in enumerate(("low", "high", "low", "medium"))
    ]
    assert [each["title"] for each in dump(found)] == ["1", "3", "0", "2"]


def test_unknown_severities_are_refused():
    with pytest.raises(ValueError, match="not in tuple"):
        dump([AuditFinding(severity="grave", title="x")])


@pytest.mark.parametrize(("count", "text"), [(0, "0 files"), (1, "1 file"), (2_000, "2,000 files")])
def test_counts_with_their_noun(count, text):
    assert plural(count, "file") == text


def test_a_budget_is_spent_when_its_time_is_over():
    now = [10.0]
    budget = TimeBudget(5, clock=lambda: now[0])
    assert (budget.left, budget.spent) == (5.0, False)
    now[0] = 16.0
    assert (budget.left, budget.spent) == (0.0, True)
