import pytest


def _agent(**executor):
    return {"name": "worker", "task_types": ["generic"], "executor": executor or {"kind": "command", "argv": ["do"]}}


def _give(**more):
    return {"id": "give", "description": "Write the rows", "files": {"out": {"rows": "rows.csv"}}, **more}


def _take(reference="{give.files.rows}", **more):
    return {"id": "take", "description": "Read the rows", "files": {"in": {"in.csv": reference}}, **more}


@pytest.mark.parametrize(
    ("reference", "said", "hint"),
    [
        ("{give.files.rwos}", "does not promise the file 'rwos'", "did you mean 'rows'?"),
        ("{give.files.other}", "does not promise the file 'other'", "it promises 'rows'"),
        ("{gvie.files.rows}", "there is no task 'gvie'", "did you mean 'give'?"),
        ("{take.files.rows}", "a task cannot use its own file", "write it as"),
        ("{give.rows}", "a file is written as {task.files.name}", "write it as"),
        ("{rows}", "a file is written as {task.files.name}", "write it as"),
    ],
)
def test_a_file_that_no_task_promises_is_an_error(find, reference, said, hint):
    [found] = find("GEN-FILE-UNKNOWN", [_give(), _take(reference)], agents=[_agent()])
    assert (found.task, said in found.message, hint in found.hint) == ("take", True, True)


def test_a_file_that_is_promised_is_fine_and_its_edge_is_to_be_stated(find):
    tasks = [_give(), _take()]
    assert not find("GEN-FILE-UNKNOWN", tasks, agents=[_agent()])
    [found] = find("GEN-ORDER-IMPLIED", tasks, agents=[_agent()])
    assert found.evidence == {"reference": "give.files.rows", "producer": "give"}
    assert not find("GEN-ORDER-IMPLIED", [_give(), _take(depends_on=["give"])], agents=[_agent()])


def test_files_that_wait_for_each_other_are_a_cycle(find):
    first = _give(files={"out": {"rows": "r"}, "in": {"x": "{take.files.back}"}})
    second = _take(files={"out": {"back": "b"}, "in": {"x": "{give.files.rows}"}})
    assert find("GEN-CYCLE", [first, second], agents=[_agent()])


@pytest.mark.parametrize("executor", [{"kind": "llm"}, {"kind": "brief"}, {"kind": "http", "url": "http://x"}])
def test_files_of_a_task_without_a_folder_are_an_error(find, executor):
    [found] = find("GEN-FILE-FOLDER", [_give()], agents=[_agent(**executor)])
    assert found.evidence == {"agent": "worker", "kind": executor["kind"]}


@pytest.mark.parametrize(
    "executor", [{"kind": "command", "argv": ["do"]}, {"kind": "python", "call": "os:getcwd"}, {"kind": "rehearsal"}]
)
def test_files_of_a_task_with_a_folder_are_fine(find, executor):
    assert not find("GEN-FILE-FOLDER", [_give()], agents=[_agent(**executor)])


def test_a_command_that_starts_elsewhere_is_a_warning(find):
    [found] = find("GEN-FILE-CWD", [_give()], agents=[_agent(kind="command", argv=["do"], cwd="/srv")])
    assert found.evidence == {"agent": "worker", "cwd": "/srv"}
    assert not find("GEN-FILE-CWD", [_give()], agents=[_agent()])


def test_a_file_of_a_task_that_may_fail_may_not_be_there(find):
    tasks = [_give(allow_failure=True), _take(depends_on=["give"])]
    [found] = find("GEN-INPUT-NULL", tasks, agents=[_agent()])
    assert "uses {give.files.rows}, which is not there if 'give' fails" in found.message


def test_files_of_a_composite_are_a_warning(find):
    inner = [{"id": "x", "description": "Load"}, {"id": "y", "description": "Send"}]
    [found] = find("GEN-COMPOSITE-SETTINGS", [_give(subtasks=inner)], agents=[_agent()])
    assert found.evidence["settings"] == ["files"]


def test_a_task_that_waits_has_no_files(find):
    waits = _give(wait_for={"time": 60}, outputs=["time"])
    [found] = find("GEN-WAIT-SETTINGS", [waits], agents=[_agent()])
    assert found.evidence["settings"] == ["files"]
