"""No input of any kind ends in an internal error: a small seeded part of `python -m bench.fuzz`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz import SUBJECTS, fault_of

_EXAMPLES = {"plans": 25, "plan files": 25, "agents files": 25, "environments": 30, "command lines": 30}


@pytest.mark.parametrize("name", SUBJECTS)
def test_an_input_is_taken_or_refused_on_purpose(name):
    @settings(max_examples=_EXAMPLES.get(name, 60), derandomize=True, deadline=None)
    @given(st.integers(0, 2**32))
    def holds(seed):
        fault = fault_of(SUBJECTS[name], seed)
        assert fault is None, f"python -m bench.fuzz --subject {name!r} --seed {seed}: {type(fault).__name__}"

    holds()


def test_what_is_no_error_on_purpose_is_found():
    def fail(_source):
        raise ZeroDivisionError

    assert isinstance(fault_of(fail, 0), ZeroDivisionError)
