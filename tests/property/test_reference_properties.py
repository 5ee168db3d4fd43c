"""Texts in inputs: what names nothing of the plan arrives as it was written."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.compile import compile_program
from genesis.engine.inputs import resolve_inputs
from genesis.model import AgentProfile, Plan, PythonSpec, Registry, Route, RoutedPlan
from genesis.structure import as_text, fill
from genesis.testing import a_task

_AGENT = AgentProfile(name="a", task_types=("generic",), executor=PythonSpec(kind="python", call="m:f"))
_VALUES = {"path": "{path}", "t.n": {"k": "{t.n}"}}
_BRACES = st.text(alphabet=st.sampled_from("{}${} \n\"'abt.n:,path/\\%#\u0301"), max_size=60)
_PIECES = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", "path", "t.n", "{path}", "{t.n}", "{{path}}", "${", " ", '"', "other"]),
    max_size=12,
).map("".join)


def _arrives(value, variables=None, literal=()):
    """Take an input through a plan to its agent."""
    plan = Plan(
        request="-",
        tasks=(a_task("t", outputs=["n"]), a_task("use", inputs={"v": value}, literal_inputs=list(literal))),
        vars=variables or {},
    )
    routes = {"t": Route(agent="a", reason="-"), "use": Route(agent="a", reason="-")}
    program = compile_program(RoutedPlan(plan=plan, routes=routes), Registry(agents=(_AGENT,)))
    return resolve_inputs(program.leaves[1], plan.vars, {0: {"n": "{path}"}})["v"]


@given(st.one_of(st.text(max_size=80), _BRACES))
def test_a_text_without_a_known_name_is_what_arrives(text):
    assert fill(text, lambda _: False, lambda _: "x") == text
    if "t." not in text:
        assert _arrives(text) == text


@given(
    st.recursive(
        st.one_of(_BRACES, st.integers(), st.none()), lambda inner: st.lists(inner) | st.dictionaries(_BRACES, inner)
    )
)
def test_json_written_into_an_input_is_what_arrives(value):
    text = json.dumps(value, ensure_ascii=False)
    assert fill(text, lambda _: False, lambda _: "x") == text
    assert fill(value, lambda _: False, lambda _: "x") == value


@given(_PIECES)
def test_any_text_can_be_written_with_doubled_braces(text):
    task = a_task("use", inputs={"v": text})
    written = as_text(task, _VALUES.__contains__)["inputs"]["v"]
    expected = text
    # Braces that are doubled already stand for half of them: only texts without such ones come back as they were.
    if "{{path}}" not in text and "{{t.n}}" not in text:
        assert fill(written, _VALUES.__contains__, _VALUES.__getitem__) == expected


@given(_PIECES)
def test_a_literal_input_arrives_as_it_is_written(text):
    assert _arrives(text, {"path": "."}, ("v",)) == text


@given(_PIECES)
def test_what_a_reference_brings_in_is_never_looked_at_again(text):
    once = fill(text, _VALUES.__contains__, lambda _: "\0{path}\0")
    assert str(once).count("\0") % 2 == 0
    assert "\0.\0" not in str(once)


def _script(source: random.Random) -> str:
    """Write what people put into inputs: shell, awk, jq, CSS, JSON, LaTeX, templates, Python."""
    word = lambda: source.choice(["name", "level", "x", "total", "item", "HOME", "0", "user.id", "a-b"])  # noqa: E731
    forms = (
        lambda: "${" + word() + "}",
        lambda: "{{ " + word() + " }}",
        lambda: "{{" + word() + "}}",
        lambda: "${{ github." + word() + " }}",
        lambda: "awk '{print $1; {n++}}' {" + word() + "}",
        lambda: "{" + word() + ": {sum: ." + word() + "}}",
        lambda: json.dumps({word(): {word(): [{}, {"x": {}}]}}),
        lambda: "." + word() + "{color: red}}",
        lambda: "\\frac{" + word() + "}{{" + word() + "}}",
        lambda: 'f"{' + word() + '!r:>{width}}"',
        lambda: "{%" + word() + "%}{#" + word() + "#}",
        lambda: "}" * source.randint(0, 4) + "{" * source.randint(0, 4),
    )
    return " ".join(source.choice(forms)() for _ in range(source.randint(1, 6)))


def test_thousands_of_scripts_arrive_as_they_are_written():
    source = random.Random(7)
    for _ in range(3_000):
        text = _script(source)
        assert _arrives(text, {"path": "."}) == text


@settings(max_examples=50)
@given(st.integers(0, 5), st.integers(0, 5))
def test_braces_around_a_name_count_in_pairs(left, right):
    text = "{" * left + "path" + "}" * right
    pairs = min(left, right)
    filled = _arrives(text, {"path": "V"})
    middle = "{" * (pairs // 2) + ("V" if pairs % 2 else "path") + "}" * (pairs // 2)
    assert filled == "{" * (left - pairs) + middle + "}" * (right - pairs)
