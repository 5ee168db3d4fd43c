from genesis.model import Plan
from genesis.structure import outline


def _plan(*tasks: dict) -> Plan:
    return Plan.model_validate({"version": 1, "request": "r", "tasks": list(tasks)})


def _task(name: str, *children: dict, after: tuple[str, ...] = ()) -> dict:
    return {"id": name, "description": name, "depends_on": list(after), "subtasks": list(children)}


def test_tasks_are_listed_depth_first_in_document_order():
    tree = outline(_plan(_task("a", _task("x"), _task("y", _task("z"))), _task("b")))
    assert [node.path for node in tree.nodes] == ["a", "a/x", "a/y", "a/y/z", "b"]
    assert [tree.nodes[leaf].path for leaf in tree.leaves] == ["a/x", "a/y/z", "b"]
    assert [node.depth for node in tree.nodes] == [1, 2, 2, 3, 1]


def test_a_sibling_is_meant_before_a_task_of_that_path():
    tree = outline(_plan(_task("x"), _task("a", _task("x"), _task("y", after=("x",)))))
    y = tree.nodes[tree.by_path["a/y"]]
    assert tree.before[y.index] == (tree.by_path["a/x"],)


def test_any_task_is_named_by_its_path():
    tree = outline(_plan(_task("a", _task("x")), _task("b", _task("y", after=("a/x", "a", "a/x")))))
    y = tree.by_path["b/y"]
    assert tree.before[y] == (tree.by_path["a/x"], tree.by_path["a"])


def test_faults_are_recorded_and_not_raised():
    tree = outline(_plan(_task("a"), _task("a"), _task("b", after=("nobody", "a"))))
    assert [tree.nodes[index].path for index in tree.duplicates] == ["a"]
    assert [(tree.nodes[fault.node].path, fault.name) for fault in tree.unresolved] == [("b", "nobody")]
    assert tree.before[tree.by_path["b"]] == (0,)


def test_a_chain_of_thousands_is_no_problem():
    tasks = [_task(f"t{i}", after=(f"t{i - 1}",) if i else ()) for i in range(5_000)]
    assert len(outline(_plan(*tasks)).leaves) == 5_000
