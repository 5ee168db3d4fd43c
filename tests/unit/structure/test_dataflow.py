from genesis.model import Plan
from genesis.structure import dataflow, outline


def _flow(tasks: list[dict], **head: object):
    plan = Plan.model_validate({"version": 1, "request": "r", "tasks": tasks, **head})
    tree = outline(plan)
    flow = dataflow(plan, tree)
    named = {
        tree.nodes[node].path: {ref: tree.nodes[source].path for ref, source in found.items()}
        for node, found in flow.sources.items()
    }
    return named, {(tree.nodes[fault.node].path, fault.reference): fault.reason for fault in flow.missing}


def _task(name: str, outputs: tuple[str, ...] = (), use: str | None = None, children: tuple[dict, ...] = ()) -> dict:
    inputs = {"x": use} if use else {}
    return {"id": name, "description": name, "outputs": list(outputs), "inputs": inputs, "subtasks": list(children)}


def test_a_variable_needs_no_task():
    assert _flow([_task("a", use="{path}")], vars={"path": "."}) == ({}, {})


def test_a_parameter_needs_no_task_and_no_value():
    assert _flow([_task("a", use="{n} {{n}}")], params={"n": {"type": "integer"}}) == ({}, {})


def test_the_task_that_promises_the_key_produces_it():
    sources, missing = _flow([_task("a", outputs=("k",)), _task("b", use="see {a.k}")])
    assert sources == {"b": {"a.k": "a"}}
    assert missing == {}


def test_a_composite_stands_for_the_leaf_that_promises_the_key():
    inner = (_task("x"), _task("y", outputs=("k",)))
    sources, _ = _flow([_task("a", children=inner), _task("b", use="{a.k}")])
    assert sources == {"b": {"a.k": "a/y"}}


def test_result_stands_for_all_that_one_leaf_returned():
    sources, missing = _flow([_task("a"), _task("b", use="{a.result}")])
    assert sources == {"b": {"a.result": "a"}}
    assert missing == {}


def test_each_reason_is_said():
    two = (_task("x", outputs=("k",)), _task("y", outputs=("k",)))
    tasks = [
        _task("a", outputs=("k",), use="{a.k}"),
        _task("b", use="{nowhere}"),
        _task("c", use="{gone.k}"),
        _task("d", use="{a.other}"),
        _task("e", children=two),
        _task("f", use="{e.k}"),
    ]
    _, missing = _flow(tasks)
    assert "own result" in missing["a", "a.k"]
    assert ("b", "nowhere") not in missing
    assert ("c", "gone.k") not in missing
    assert "does not promise 'other'" in missing["d", "a.other"]
    assert "several tasks" in missing["f", "e.k"]
