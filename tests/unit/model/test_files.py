import pytest
from pydantic import ValidationError

from genesis.model.files import file_name_problem, is_glob
from genesis.testing import a_task


@pytest.mark.parametrize(
    "path", ["a", "data/a b.csv", ".hidden", "é/ü.txt", "*.csv", "out/**/x[0-9]?.txt", "..a", "a..b"]
)
def test_relative_paths_are_taken(path):
    task = a_task("t", files={"in": {path: "{s.files.x}"}, "out": {"x": path}})
    assert (task.files["in"], task.files["out"]) == ({path: "{s.files.x}"}, {"x": path})
    assert is_glob(path) == any(char in path for char in "*?[")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "empty"),
        ("/etc/passwd", "not relative"),
        ("~/x", "not relative"),
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a//b", "empty part"),
        ("./a", "empty part or `.`"),
        ("a/", "empty part"),
        ("a\nb", "control character"),
        ("a\0b", "control character"),
        ("a\u2028b", "control character"),
        ("a" * 201, "more than"),
        ("/".join(["a" * 150] * 9), "more than"),
    ],
)
def test_paths_that_lead_out_or_cannot_be_names_are_refused(path, problem):
    assert problem in file_name_problem(path)
    for files in ({"in": {path: "{s.files.x}"}}, {"out": {"x": path}}):
        with pytest.raises(ValidationError, match="no path of a file"):
            a_task("t", files=files)


def test_a_name_that_is_not_utf8_is_no_path():
    assert "not UTF-8" in file_name_problem("r\udce9sum\udce9.txt")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"in": {"a": "s.files.x"}}, "write {task.files.name}"),
        ({"in": {"a": "{x} {y}"}}, "write {task.files.name}"),
        ({"out": {"a.b": "x"}}, "no name of a file"),
        ({"out": {"": "x"}}, "no name of a file"),
        ({"in": {"a": "{s.files.x}", "a/b": "{s.files.y}"}}, "'a' is a file, and the folder of 'a/b'"),
        ({"inputs": {}}, "Extra inputs"),
        ({"out": ["x"]}, "valid dictionary"),
    ],
)
def test_other_shapes_are_refused(files, message):
    with pytest.raises(ValidationError, match=message):
        a_task("t", files=files)


def test_a_task_without_files_has_none_in_its_document():
    assert "files" not in a_task("t").model_dump(mode="json")
    files = {"out": {"x": "x.csv"}}
    assert a_task("t", files=files).model_dump(mode="json")["files"] == files
