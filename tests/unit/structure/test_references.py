import pytest

from genesis.structure import fill, references, split

_VALUES = {"path": ".", "a.n": 3, "a.list": [1, {"k": "v"}], "b/c.text": "{path}"}


def _fill(value):
    return fill(value, _VALUES.__getitem__)


def test_references_are_found_everywhere_in_order():
    value = {"x": "{path} and {a.n}", "y": [{"z": "{b/c.text}"}], "n": 3, "t": "{not one} {}"}
    assert list(references(value)) == ["path", "a.n", "b/c.text"]


def test_one_reference_alone_keeps_its_type():
    assert _fill("{a.list}") == [1, {"k": "v"}]
    assert _fill({"deep": ["{a.n}"]}) == {"deep": [3]}


def test_a_reference_inside_text_becomes_text():
    assert _fill("n={a.n}, l={a.list}") == 'n=3, l=[1, {"k": "v"}]'


def test_doubled_braces_stand_for_themselves():
    assert _fill("{{path}} {path}") == "{path} ."
    assert list(references("{{path}}")) == []


def test_what_a_value_brings_in_is_not_filled_again():
    assert _fill("<{b/c.text}>") == "<{path}>"


@pytest.mark.parametrize("text", ['{"a": 1}', "{ path }", "{a b}", "{", "}", "{}", "f() {return 1}"])
def test_other_braces_are_left_alone(text: str):
    assert _fill(text) == text


def test_an_unknown_reference_is_the_lookups_to_refuse():
    with pytest.raises(KeyError):
        _fill("{unknown}")


def test_split_is_at_the_last_dot():
    assert split("build/api.v1.url") == ("build/api.v1", "url")
    assert split("path") is None
