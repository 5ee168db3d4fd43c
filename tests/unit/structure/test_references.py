import pytest

from genesis.model import Plan
from genesis.structure import (
    as_text,
    dataflow,
    escape_text,
    fill,
    fill_text,
    is_name,
    outline,
    references,
    rename_references,
    split,
    splits,
    tokens,
)
from genesis.testing import a_task

_VALUES = {"path": ".", "a.n": 3, "a.list": [1, {"k": "v"}], "b/c.text": "{path}"}


def _fill(value):
    return fill(value, _VALUES.__contains__, _VALUES.__getitem__)


def _task(**more):
    return a_task("t", **more)


def test_references_are_found_everywhere_in_order():
    value = {"x": "{path} and {a.n}", "y": [{"z": "{b/c.text}"}], "n": 3, "t": "{} {{path}}"}
    assert references(value) == ["path", "a.n", "b/c.text"]
    assert tokens(value)[-1] == ("path", False)


def test_one_reference_alone_keeps_its_type():
    assert _fill("{a.list}") == [1, {"k": "v"}]
    assert _fill({"deep": ["{a.n}"]}) == {"deep": [3]}


def test_a_reference_brings_a_copy():
    found = _fill("{a.list}")
    found[1]["k"] = "changed"
    assert _VALUES["a.list"] == [1, {"k": "v"}]


def test_a_reference_inside_text_becomes_text():
    assert _fill("n={a.n}, l={a.list}") == 'n=3, l=[1, {"k": "v"}]'


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("{{path}} {path}", "{path} ."),
        ("{{a.n}}", "{a.n}"),
        ("{{{path}}}", "{.}"),
        ("{{{{path}}}}", "{{path}}"),
        ('{"a": {path}}', '{"a": .}'),
        ("{{path}}}", "{path}}"),
        ("{{path}", "{."),
        ("${{path}}", "${path}"),
        ("${path}", "$."),
    ],
)
def test_two_braces_around_a_known_name_stand_for_one(written: str, given: str):
    assert _fill(written) == given


def test_what_a_value_brings_in_is_not_filled_again():
    assert _fill("<{b/c.text}>") == "<{path}>"


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}', "{ path }", "{a b}", "{", "}", "{}", "f() {return 1}", "{{x}}", "{{ path }}", "${{ github.sha }}",
        "${X}", '{"filter": {"level": 1}}', "{{{}}}", "\\textbf{{x}}", 'f"{name}"', "{unknown}", "{un.known}",
        "awk '{print $1}'", "jq '{a: {b: .c}}'", "a { b: c; }", "}}{{", "{{path", "path}}",
    ],
)  # fmt: skip
def test_all_other_braces_are_left_alone(text: str):
    assert _fill(text) == text
    assert _fill({text: [text]}) == {text: [text]}


def test_split_is_at_the_last_dot():
    assert split("build/api.v1.url") == ("build/api.v1", "url")
    assert split("path") is None


def test_each_dot_may_end_the_name_of_the_task():
    assert list(splits("a.b.c")) == [("a.b", "c"), ("a", "b.c")]
    assert list(splits(".x")) == list(splits("x.")) == []


@pytest.mark.parametrize("name", ["path", "a.b", "a/b.c-d", "कार्य.n", "งานที่", "数据.结果", "cafe\u0301.x", "1.result"])
def test_names_are_those_of_all_scripts(name: str):
    assert is_name(name)


@pytest.mark.parametrize("text", ["", "a b", '"x"', "a..b", ".a", "a.", "print $1", "x=1", "a:b", "é!"])
def test_other_text_is_no_name(text: str):
    assert not is_name(text)


def test_a_new_name_keeps_the_text_of_doubled_braces():
    task = _task(inputs={"x": ["{a.n} {{a.n}} {{{a.n}}} {b.n}"], "y": "{a.n}"}, literal_inputs=["y"])
    names = {"a.n": "g/a.n"}
    renamed = rename_references(task, names.get)
    assert renamed == {"inputs": {"x": ["{g/a.n} {{a.n}} {{{g/a.n}}} {b.n}"], "y": "{a.n}"}}
    assert rename_references(task, names.get, moved=True)["inputs"]["x"] == ["{g/a.n} {a.n} {{{g/a.n}}} {b.n}"]
    assert rename_references(_task(env={"A": "{a.n}"}), names.get) == {"inputs": {}, "env": {"A": "{g/a.n}"}}


def test_a_reference_can_be_written_as_text():
    task = _task(inputs={"x": "{path} {{path}} {{{path}}} {a.n}", "y": "{path}"}, literal_inputs=["y"])
    plain = as_text(task, {"path"}.__contains__)["inputs"]
    assert _fill(plain["x"]) == "{path} {path} {{{path}}} 3"
    assert plain["y"] == "{path}"


def _meanings(*tasks, variables=None):
    plan = Plan.model_validate(
        {"request": "-", "tasks": [{"description": "-"} | each for each in tasks]} | {"vars": variables or {}}
    )
    return dataflow(plan, outline(plan))


@pytest.mark.parametrize("name", ["कार्य", "งานที่", "数据", "1", "cafe\u0301", "caf\u00e9", "_", "a.b", "x\u200dy"])
def test_an_id_of_any_script_can_be_referenced(name: str):
    flow = _meanings({"id": name, "outputs": ["n"]}, {"id": "use", "inputs": {"v": f"{{{name}.n}}"}})
    assert list(flow.sources) == [1]
    assert not flow.missing


def test_two_forms_of_one_letter_are_one_name():
    flow = _meanings(
        {"id": "cafe\u0301", "outputs": ["\u00e9"]},
        {"id": "use", "depends_on": ["caf\u00e9"], "inputs": {"v": "{caf\u00e9.e\u0301} {u\u0308}"}},
        variables={"\u00fc": "1"},
    )
    assert list(flow.sources[1].values()) == [0]
    assert not flow.missing


def test_a_key_may_hold_dots():
    flow = _meanings({"id": "t", "outputs": ["a.b"]}, {"id": "use", "inputs": {"v": "{t.a.b}"}})
    assert flow.sources == {1: {"t.a.b": 0}}
    assert flow.keys == {1: {"t.a.b": "a.b"}}


def test_only_what_looks_like_a_key_of_a_task_is_a_slip():
    texts = ["{t.x + 1}", "{1.5}", "{t.map(x => y)}", "{gone.x}", "{t}"]
    flow = _meanings({"id": "t"}, {"id": "1"}, {"id": "use", "inputs": {"v": texts}})
    assert not flow.missing
    flow = _meanings({"id": "t"}, {"id": "use", "inputs": {"v": "{t.x}"}})
    assert [each.reference for each in flow.missing] == ["t.x"]


def test_names_in_doubled_braces_are_known_to_stand_for_themselves():
    texts = ["{{p}} {{t.n}} {{t.slip}} {{other}} {{ p }}"]
    flow = _meanings({"id": "t", "outputs": ["n"]}, {"id": "use", "inputs": {"v": texts}}, variables={"p": "1"})
    assert flow.escaped == {1: ("p", "t.n", "t.slip")}
    assert not flow.missing


def test_names_that_mean_nothing_are_known_as_text():
    texts = ["{gone.x} {p} {t.n} {t} {{gone.y}} {1.5} {gone.x}"]
    flow = _meanings({"id": "t", "outputs": ["n"]}, {"id": "use", "inputs": {"v": texts}}, variables={"p": "1"})
    assert flow.unknown == {1: ["gone.x", "t", "1.5"]}


def test_literal_inputs_have_no_references():
    flow = _meanings(
        {"id": "t", "outputs": ["n"]}, {"id": "use", "inputs": {"v": "{t.n} {{t.n}} {t.slip}"}, "literal_inputs": ["v"]}
    )
    assert (flow.sources, flow.missing, flow.escaped) == ({}, (), {})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("{path}", "."),
        ("{a.n}", "3"),
        ("{a.list}", '[1, {"k": "v"}]'),
        ("in {path}: {{path}}, {{{path}}}, {other}, {{other}}", "in .: {path}, {.}, {other}, {{other}}"),
        ("{b/c.text}", "{path}"),
    ],
)
def test_a_description_stays_text(text, filled):
    assert fill_text(text, _VALUES) == filled


@pytest.mark.parametrize("text", ["{path}", "{{path}} {{{path}}", "{other} {a.n}}", "{{other}}", "plain {"])
def test_an_escaped_text_is_what_its_filling_gives(text):
    assert fill_text(escape_text(text, _VALUES.__contains__), _VALUES) == text
