import pytest

from genesis.errors import DocumentError
from genesis.planning import load_plan, plan_document

_PLAN = {"version": 1, "request": "Count", "tasks": [{"id": "a", "description": "Count"}]}


def schedules_of(*schedules):
    return load_plan(_PLAN | {"schedules": [{"name": f"s{at}", **each} for at, each in enumerate(schedules)]}).schedules


@pytest.mark.parametrize(
    "cron", ["0 6 * * 1-5", "*/15 0-6,22 1 JAN-MAR MON", "0 0 L * *", "0 0 * * 5#2", "59 23 31 12 7", "@daily"]
)
def test_cron_expressions_are_taken(cron):
    assert schedules_of({"cron": cron})[0].cron == cron


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"cron": "0 6 * *"}, "it has 4 fields"),
        ({"cron": "0 0 6 * * *"}, "it has 6 fields"),
        ({"cron": "@sometimes"}, "it has 1 fields"),
        ({"cron": "60 6 * * *"}, "its minute is '60'; expected: 0 to 59"),
        ({"cron": "0 6-24 * * *"}, "its hour is '6-24'"),
        ({"cron": "0 6 0 * *"}, "day of the month"),
        ({"cron": "0 6 * 13 *"}, "its month is '13'"),
        ({"cron": "0 6 * * 8"}, "day of the week"),
        ({"cron": "*/0 6 * * *"}, "a step of 0"),
        ({"cron": "@daily", "timezone": "Europe/Berlinn"}, "there is no time zone 'Europe/Berlinn'"),
        ({"cron": "@daily", "timezone": "Europe"}, "there is no time zone"),
        ({"cron": "@daily", "timezone": "../../etc/passwd"}, "there is no time zone"),
        ({"cron": "@daily", "timezone": ""}, "there is no time zone"),
        ({"interval_s": 0}, "interval_s"),
        ({"interval_s": -5}, "interval_s"),
        ({"interval_s": 1e300}, "interval_s"),
        ({"rrule": "MONTHLY"}, "it has no FREQ"),
        ({"rrule": "FREQ=SECONDLY"}, "it has no FREQ"),
        ({"rrule": f"FREQ=DAILY;BYDAY={'MO,' * 3000}"}, "the limit is 6,400"),
        ({}, "it has none"),
        ({"cron": "@daily", "interval_s": 60}, "it has cron and interval_s"),
        ({"cron": "@daily", "anchor": "2026-01-01T00:00:00Z"}, "`anchor`, which is for `interval_s`"),
        ({"cron": "@daily", "name": "a/b"}, "name"),
        ({"corn": "@daily"}, "did you mean 'cron'?"),
    ],
)
def test_what_says_no_time_is_an_error_of_the_document(schedule, said):
    with pytest.raises(DocumentError) as refused:
        schedules_of(schedule)
    assert said in refused.value.message
    assert refused.value.data["where"].startswith("schedules[0]")


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ({"on": "crashed", "through": "slack-webhook/team"}, "'late'"),
        ({"on": [], "through": "slack-webhook/team"}, "at least 1"),
        ({"on": "failed"}, "'through' is missing"),
        ({"on": "failed", "through": "team"}, "expected TYPE/NAME"),
    ],
)
def test_notifications_name_what_is_reported_and_a_block(notify, said):
    with pytest.raises(DocumentError) as refused:
        load_plan(_PLAN | {"notify": [notify]})
    assert said in refused.value.message


def test_an_address_in_place_of_a_block_is_not_repeated():
    """It may have a key in it."""
    with pytest.raises(DocumentError) as refused:
        load_plan(_PLAN | {"notify": [{"on": "failed", "through": "https://hooks.example.com/T0/SECRET"}]})
    assert "SECRET" not in str(refused.value.to_dict())


def test_names_of_schedules_and_blocks_are_distinct():
    daily = {"name": "daily", "cron": "@daily"}
    team = {"on": "failed", "through": "slack-webhook/team"}
    for keys, said in (({"schedules": [daily, daily]}, "'daily'"), ({"notify": [team, team]}, "slack-webhook/team")):
        with pytest.raises(DocumentError) as refused:
            load_plan(_PLAN | keys)
        assert said in refused.value.message


def test_a_plan_with_schedules_survives_writing_and_reading():
    keys = {
        "schedules": [{"name": "often", "interval_s": 90, "anchor": "2026-01-01T06:00:00", "timezone": "Asia/Tokyo"}],
        "notify": [{"on": "late", "through": "webhook/ops"}],
    }
    plan = load_plan(_PLAN | keys)
    document = plan_document(plan, terse=True)
    assert load_plan(document) == plan
    assert document["schedules"] == [
        {"name": "often", "interval_s": 90.0, "anchor": "2026-01-01T06:00:00", "timezone": "Asia/Tokyo"}
    ]
