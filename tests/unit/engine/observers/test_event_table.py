"""The table of events has all that the code emits, and nothing else."""

import re
from pathlib import Path
from typing import get_args

import genesis
from genesis.engine.observers.breaker_events import EVENTS
from genesis.engine.observers.event_table import EVENT_TABLE
from genesis.fleet.automations import ALIVE_EVENT
from genesis.model import RunState

_NAME = re.compile(r'"(genesis\.(?:run|plan|budget|deadline|tasks?|housekeeping|leaf|breaker|orchestrator)\.[a-z_]+)"')
_NAMES = {kind.name for kind in EVENT_TABLE}


def test_no_event_is_in_the_table_twice():
    assert len(_NAMES) == len(EVENT_TABLE)


def test_every_name_in_the_code_is_in_the_table():
    texts = [file.read_text(encoding="utf-8") for file in Path(genesis.__file__).parent.rglob("*.py")]
    found = {name for text in texts if "emit_event" in text for name in _NAME.findall(text)}
    found -= {label for kind in EVENT_TABLE for label in kind.labels}
    assert len(found) > 5
    assert found <= _NAMES, found - _NAMES
    assert {*EVENTS.values(), ALIVE_EVENT} <= _NAMES


def test_every_end_of_a_run_has_its_event():
    ends = {f"genesis.run.{state}" for state in get_args(RunState) if state not in {"pending", "running"}}
    assert {
        kind.name for kind in EVENT_TABLE if "state" in kind.payload and kind.name.startswith("genesis.run")
    } == ends


def test_events_of_runs_carry_the_correlation_id():
    for kind in EVENT_TABLE:
        if kind.resource.startswith(("genesis.run.", "genesis.task.")):
            assert kind.payload[:2] == ("run_id", "correlation_id"), kind.name
