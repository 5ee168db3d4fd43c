import pytest

from genesis.errors import TaskError
from genesis.execute.inputs import missing_outputs, resolved_inputs
from genesis.testing import a_program, a_task


def _leaf(inputs: dict, outputs: tuple[str, ...] = ("k",)):
    return a_program(a_task("a", outputs=outputs), a_task("b", inputs=inputs), vars={"path": "{a.k}"}).leaves[1]


def test_variables_and_results_are_filled_once():
    leaf = _leaf({"x": "{path}", "y": "{a.k}", "z": "{a.result}", "n": 3})
    filled = resolved_inputs(leaf, {"path": "{a.k}"}, {0: {"k": "{path}"}})
    assert filled == {"x": "{a.k}", "y": "{path}", "z": {"k": "{path}"}, "n": 3}


def test_a_key_that_the_result_lacks_is_an_error_that_says_what_is_there():
    with pytest.raises(TaskError, match="no 'k'") as caught:
        resolved_inputs(_leaf({"y": "{a.k}"}), {}, {0: {"other": 1}})
    assert caught.value.hint == "it has other"


def test_a_result_that_is_no_mapping_has_no_keys():
    with pytest.raises(TaskError, match="no 'k'"):
        resolved_inputs(_leaf({"y": "{a.k}"}), {}, {0: "text"})


def test_the_whole_result_may_be_anything():
    assert resolved_inputs(_leaf({"y": "{a.result}"}), {}, {0: [1, 2]}) == {"y": [1, 2]}


def test_promised_outputs_that_are_missing_are_named():
    leaf = a_program(a_task("a", outputs=("x", "y", "result"))).leaves[0]
    assert missing_outputs(leaf, {"x": None}) == ["y"]
    assert missing_outputs(leaf, "text") == ["x", "y"]
    assert missing_outputs(leaf, {"x": 1, "y": 2, "more": 3}) == []
