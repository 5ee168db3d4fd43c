"""What a purge says of itself."""

from datetime import UTC, datetime, timedelta

import pytest

from genesis.errors import UsageError
from genesis.flows.retention import housekeeping_markdown
from genesis.retention import Purging, before_days

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def _purging(*, dry_run: bool = False) -> Purging:
    return Purging(NOW, dry_run=dry_run)


def test_the_message_counts_by_kind_and_says_what_stays():
    purging = _purging()
    purging.record_removed("runs", "r1", 1024)
    purging.record_removed("files", "r2")
    purging.record_removed("files", "r3")
    purging.record_kept("runs", "r4", "it is a link")
    purging.record_failed("logs", "/x", "no")
    purging.note("s3 cannot list")
    purging.note("s3 cannot list")
    found = purging.purge()
    assert found.message() == (
        "1 run, 2 folders of files removed (1.0 kB); 1 kept that are old; 1 could not be removed; s3 cannot list"
    )
    assert (found.removed, found.bytes) == (3, 1024)


def test_a_dry_run_says_would():
    purging = _purging(dry_run=True)
    purging.record_removed("leftovers", "x")
    assert purging.purge().message() == "1 leftover of an earlier purge would be removed"


@pytest.mark.parametrize("days", [-1, 36_501, 1e30, float("nan"), float("inf")])
def test_ages_that_are_none_are_refused(days):
    with pytest.raises(UsageError, match="no age"):
        before_days(days)


def test_an_age_is_a_time():
    assert before_days(0.5, NOW) == NOW - timedelta(hours=12)


def test_the_page_is_bounded_and_shows_no_markup_of_others():
    purging = _purging()
    for number in range(300):
        purging.record_removed("runs", f"r{number}", 10)
    purging.record_kept("flow_runs", "![x](http://example.com/x.png)", "<b>no</b>")
    text = housekeeping_markdown(purging.purge())
    assert "… and 100 more" in text
    assert "![x](" not in text
    assert "<b>" not in text
    assert "| ledgers of runs | 300 | 2.9 kB |" in text


def test_the_page_has_a_section_for_each_list_that_is_not_empty():
    purging = _purging()
    for number in range(1_200):
        purging.record_removed("runs", f"r{number}")
    purging.record_failed("logs", "/x_y", "no")
    text = housekeeping_markdown(purging.purge())
    assert "| ledgers of runs | 1,200 | 0 B |\n" in text
    assert "\n\n## Runs removed\n\n- `r0`\n- `r1`\n" in text
    assert (
        "- `r199`\n- … and 1,000 more\n\n## Could not be removed\n\n- log files that were put aside: /x\\_y: no\n"
        in text
    )
    assert "Old, and kept" not in text
