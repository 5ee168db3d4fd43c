import ast
import json
import pickle
from pathlib import Path

import pytest

from genesis import errors
from genesis.errors import GenesisError

_CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", _CLASSES)
def test_errors_survive_pickle_and_json(kind: type[GenesisError]):
    error = kind("what", hint="do", code="GEN-X", data={"a": [1]})
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.to_dict() == error.to_dict() == json.loads(json.dumps(error.to_dict()))


def test_codes_are_stable_and_unique():
    codes = [kind.code for kind in _CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("GEN-") for code in codes)


def test_public_names_are_all_classes_of_the_module():
    tree = ast.parse(Path(errors.__file__).read_text(encoding="utf-8"))
    assert sorted(node.name for node in tree.body if isinstance(node, ast.ClassDef)) == errors.__all__


def test_the_docstring_draws_every_class():
    assert [name for name in errors.__all__ if name not in errors.__doc__] == []


def test_text_has_message_and_hint():
    assert str(GenesisError("it broke", hint="mend it")) == "it broke (mend it)"
    assert str(GenesisError("it broke")) == "it broke"
