import pytest

from genesis.engine.inputs import missing_outputs, resolve_env, resolve_inputs
from genesis.errors import TaskError
from genesis.testing import a_program, a_task


def _leaf(inputs: dict, outputs: tuple[str, ...] = ("k",)):
    return a_program(a_task("a", outputs=outputs), a_task("b", inputs=inputs), vars={"path": "{a.k}"}).leaves[1]


def test_variables_and_results_are_filled_once():
    leaf = _leaf({"x": "{path}", "y": "{a.k}", "z": "{a.result}", "n": 3})
    filled = resolve_inputs(leaf, {"path": "{a.k}"}, {0: {"k": "{path}"}})
    assert filled == {"x": "{a.k}", "y": "{path}", "z": {"k": "{path}"}, "n": 3}


def test_a_key_that_the_result_lacks_is_an_error_that_says_what_is_there():
    with pytest.raises(TaskError, match="no 'k'") as caught:
        resolve_inputs(_leaf({"y": "{a.k}"}), {}, {0: {"other": 1}})
    assert caught.value.hint == "it has other"


def test_a_result_that_is_no_mapping_has_no_keys():
    with pytest.raises(TaskError, match="no 'k'"):
        resolve_inputs(_leaf({"y": "{a.k}"}), {}, {0: "text"})


def test_the_whole_result_may_be_anything():
    assert resolve_inputs(_leaf({"y": "{a.result}"}), {}, {0: [1, 2]}) == {"y": [1, 2]}


def test_what_is_filled_is_a_copy():
    leaf, result = _leaf({"x": "{a.k}", "y": "{a.k}", "z": [{"own": []}]}), {"k": [1]}
    filled = resolve_inputs(leaf, {}, {0: result})
    filled["x"].append(2)
    filled["z"][0]["own"].append(2)
    assert filled["y"] == result["k"] == [1]
    assert resolve_inputs(leaf, {}, {0: result})["z"] == [{"own": []}]


def test_literal_inputs_are_handed_over_as_they_are_written():
    task = a_task("b", inputs={"t": "{path} {{path}} {a.k}", "f": "{path}"}, literal_inputs=["t"])
    leaf = a_program(a_task("a", outputs=("k",)), task, vars={"path": "."}).leaves[1]
    assert resolve_inputs(leaf, {"path": "."}, {}) == {"t": "{path} {{path}} {a.k}", "f": "."}
    assert leaf.sources == {}


def test_doubled_braces_are_single_ones_around_names_of_the_plan_only():
    leaf = _leaf({"x": "{{path}} {{a.k}} {{other}} {{{a.k}}}"})
    assert resolve_inputs(leaf, {"path": "."}, {0: {"k": 1}})["x"] == "{path} {a.k} {{other}} {1}"


def test_a_key_with_dots_and_a_key_in_another_form_are_found():
    leaf = a_program(
        a_task("a", outputs=("report.md", "\u00e9")), a_task("b", inputs={"x": "{a.report.md}{a.e\u0301}"})
    )
    assert resolve_inputs(leaf.leaves[1], {}, {0: {"report.md": 1, "md": 2, "e\u0301": 3}}) == {"x": "13"}
    assert missing_outputs(leaf.leaves[0], {"report.md": 1, "e\u0301": 3}) == []


def test_promised_outputs_that_are_missing_are_named():
    leaf = a_program(a_task("a", outputs=("x", "y", "result"))).leaves[0]
    assert missing_outputs(leaf, {"x": None}) == ["y"]
    assert missing_outputs(leaf, "text") == ["x", "y"]
    assert missing_outputs(leaf, {"x": 1, "y": 2, "more": 3}) == []


def _with_env(**env):
    return a_program(a_task("a", outputs=("k",)), a_task("b", env=env), vars={"path": "."}).leaves[1]


def test_variables_of_the_environment_are_filled_and_become_text():
    leaf = _with_env(A="{path}", B="{a.k}", C="at {a.k}", D="{{path}} {other}")
    assert (leaf.sources, leaf.after) == ({"a.k": 0}, (0,))
    filled = resolve_env(leaf, {"path": 3}, {0: {"k": ["{path}"]}})
    assert filled == {"A": "3", "B": '["{path}"]', "C": 'at ["{path}"]', "D": "{path} {other}"}


def test_a_variable_with_a_nul_character_is_refused():
    with pytest.raises(TaskError, match="'A' of task 'b' has a NUL character") as caught:
        resolve_env(_with_env(A="{a.k}"), {}, {0: {"k": "x\0y"}})
    assert caught.value.code == "GEN-TASK-INPUT"
