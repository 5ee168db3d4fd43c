"""Errors with whatever they came from survive pickle, JSON and the ledger, in a bounded size."""

import json
import pickle

from hypothesis import given
from hypothesis import strategies as st

from genesis import errors
from genesis.engine.attempts import error_info
from genesis.errors import GenesisError
from genesis.model import ErrorInfo

_TEXT = st.text(max_size=1500)
_KINDS = st.sampled_from([getattr(errors, name) for name in errors.__all__])
_DATA = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20) | st.none(), max_size=3)
_OWN = st.builds(
    lambda kind, message, hint, code, data: kind(message, hint=hint, code=code, data=data),
    _KINDS,
    _TEXT,
    _TEXT,
    st.none() | st.from_regex(r"GEN-[A-Z]{1,8}(-[A-Z]{1,8})?", fullmatch=True),
    _DATA,
)
_FOREIGN = st.one_of(
    st.builds(ValueError, _TEXT),
    st.builds(OSError, st.integers(0, 200), _TEXT),
    st.builds(KeyError, st.integers()),
    st.builds(MemoryError),
    st.builds(lambda text: ExceptionGroup("some", [ValueError(text)]), _TEXT),
)


@st.composite
def chains(draw):
    """An error of ours with a chain of causes and contexts behind it, some of them hidden."""
    first = error = draw(_OWN)
    for source in draw(st.lists(_OWN | _FOREIGN, max_size=8)):
        if draw(st.booleans()):
            error.__cause__ = source
        else:
            error.__context__ = source
            error.__suppress_context__ = draw(st.booleans())
        error = source
    return first


def kinds(error):
    while error is not None:
        yield type(error), str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@given(chains())
def test_an_error_comes_back_from_pickle_and_from_json_as_it_was(error):
    shape = error.to_dict()
    by_pickle = pickle.loads(pickle.dumps(error))
    by_json = GenesisError.from_dict(json.loads(json.dumps(shape)))
    for copy in (by_pickle, by_json):
        assert type(copy) is type(error)
        assert copy.to_dict() == shape
        assert pickle.loads(pickle.dumps(copy)).to_dict() == shape
    assert list(kinds(by_pickle)) == list(kinds(by_json))


@given(chains())
def test_what_is_kept_of_the_causes_is_bounded(error):
    causes = error.to_dict().get("causes", [])
    assert len(causes) <= 5
    assert all(len(text) <= 1000 for each in causes for text in (each["message"], each["code"], each.get("hint", "")))


@given(chains() | _FOREIGN)
def test_the_ledger_keeps_an_error_with_its_category_and_what_it_came_from(error):
    info = error_info(error)
    again = ErrorInfo.model_validate_json(info.model_dump_json())
    assert again == info
    assert info.category
    assert len(info.causes) <= 5
