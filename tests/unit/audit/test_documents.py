import time

import pytest

from genesis_audit.documents import (
    BrokenDocument,
    items,
    load_json,
    load_toml,
    load_yaml,
    mapping,
    read,
    string,
    yaml_problem,
)

BOMB = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]\n" for n in range(150))


@pytest.mark.parametrize(
    ("load", "text", "line"),
    [
        (load_json, '{"a": 1,\n "b"}', 2),
        (load_json, "[" * 200_000, 0),
        (load_json, "", 1),
        (load_toml, "a = 1\nb = = 2\n", 2),
        (load_toml, "a = " + "[" * 50_000, 0),
        (load_yaml, "a: 1\nb: [1\nc: 2\n", 3),
        (load_yaml, "[" * 100_000, 0),
        (load_yaml, "- " * 50_000, 0),
        (load_yaml, BOMB, 0),
        (load_yaml, "a: *nowhere", 1),
    ],
)
def test_broken_documents_say_where(load, text, line):
    with pytest.raises(BrokenDocument) as caught:
        load(text)
    assert caught.value.line == line


def test_hostile_yaml_is_refused_fast():
    started = time.monotonic()
    for text in ("[" * 500_000, "- " * 250_000, "{a: " * 100_000):
        assert yaml_problem(text) is not None
    assert time.monotonic() - started < 2


def test_yaml_makes_no_objects_and_does_not_merge():
    documents = load_yaml(
        "a: !!python/object/apply:os.system ['false']\nb: !Ref x\nc: &c {k: 1}\nd: {<<: *c}\n---\n2\n"
    )
    assert documents[0]["a"] is None
    assert documents[0]["b"] is None
    assert "k" not in documents[0]["d"]
    assert documents[1] == 2


def test_read_gives_none_for_broken_and_missing():
    assert read(load_json, "{") is None
    assert read(load_json, None) is None
    assert read(load_json, "[1]") == [1]


def test_reaching_into_any_shape():
    assert mapping({"a": {"b": {"c": 1}}}, "a", "b") == {"c": 1}
    assert mapping({"a": [1]}, "a", "b") == {}
    assert mapping(None) == {}
    assert list(items({"a": 1})) == []
    assert [string(value) for value in ("x", 1, 1.5, True, None, [])] == ["x", "1", "1.5", "", "", ""]
