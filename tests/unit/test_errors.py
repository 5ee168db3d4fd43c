import ast
import errno
import json
import pickle
from pathlib import Path

import httpx
import pytest

from genesis import errors
from genesis.errors import GenesisError

_CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", _CLASSES)
def test_errors_survive_pickle_and_json(kind: type[GenesisError]):
    error = kind("what", hint="do", code="GEN-X", data={"a": [1]})
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.to_dict() == error.to_dict() == json.loads(json.dumps(error.to_dict()))


def raise_from(error, *, cause=None, context=None):
    """Return an error as Python leaves it that was raised from another one, or while another one was handled."""
    error.__context__ = context
    if cause is not None:
        error.__cause__ = cause
    return error


def again(error):
    return [pickle.loads(pickle.dumps(error)), GenesisError.from_dict(json.loads(json.dumps(error.to_dict())))]


def test_what_an_error_came_from_survives_pickle_and_json():
    root = raise_from(FileNotFoundError(2, "No such file", "/x"), context=KeyError("k"))
    service = raise_from(errors.ServiceError("away", hint="wait", data={"retry_after_s": 3}), cause=root)
    for copy in again(raise_from(errors.TaskError("no"), cause=service)):
        assert type(copy) is errors.TaskError
        middle = copy.__cause__
        assert (type(middle), middle.hint, middle.data) == (errors.ServiceError, "wait", {"retry_after_s": 3})
        foreign = middle.__cause__
        assert isinstance(foreign, errors.ForeignError)
        assert foreign.data == {"type": "builtins.FileNotFoundError", "code": "ENOENT"}
        assert foreign.__cause__ is None
        assert foreign.__context__.data == {"type": "builtins.KeyError"}


def test_what_python_does_not_show_is_not_kept():
    error = raise_from(errors.TaskError("no"), context=KeyError("secret"))
    assert "secret" in json.dumps(error.to_dict())
    error.__suppress_context__ = True  # as `from None` does
    assert "causes" not in error.to_dict()


def test_no_traceback_and_no_local_value_is_kept():
    def work(key):
        raise ValueError("it is wrong")

    with pytest.raises(ValueError, match="it is wrong") as caught:
        work("sk-very-secret")
    kept = json.dumps(raise_from(errors.TaskError("no"), cause=caught.value).to_dict())
    assert "it is wrong" in kept
    assert "sk-very-secret" not in kept
    assert __file__ not in kept


def test_long_chains_and_long_texts_are_cut():
    error = ValueError("x" * 100_000)
    for _ in range(50):
        error = raise_from(errors.TaskError("y" * 5_000, data={"z": "z" * 5_000}), cause=error)
    causes = error.to_dict()["causes"]
    assert len(causes) == 5
    assert len(json.dumps(causes)) < 20_000


def test_an_exception_that_cannot_say_what_it_is_is_kept_by_its_type():
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    (cause,) = raise_from(errors.TaskError("no"), cause=Broken()).to_dict()["causes"]
    assert cause["type"].endswith("Broken")
    assert cause["message"] == ""


def test_the_status_of_an_answer_is_its_code():
    request = httpx.Request("GET", "http://127.0.0.1/x")
    answer = httpx.HTTPStatusError("no", request=request, response=httpx.Response(503, request=request))
    assert errors.ForeignError.of(answer).data == {"type": "httpx.HTTPStatusError", "code": "503"}


def test_a_class_that_is_not_known_here_becomes_the_one_that_its_code_names():
    shape = {"type": "elsewhere.OddError", "code": "GEN-MODEL-ODD", "message": "m", "hint": ""}
    assert type(GenesisError.from_dict(shape)) is errors.ModelError
    assert type(GenesisError.from_dict({"code": "GEN-NEW", "message": "m"})) is GenesisError
    assert type(GenesisError.from_dict({"code": "GEN-TASKFORCE", "message": "m"})) is GenesisError


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "GEN-RESOURCE", "free some space"),
        (OSError(errno.EROFS, "Read-only file system"), "GEN-RESOURCE", "read-only"),
        (PermissionError(errno.EACCES, "Permission denied"), "GEN-RESOURCE", "permissions"),
        (OSError(errno.EMFILE, "Too many open files"), "GEN-RESOURCE-SHORT", "ulimit -n"),
        (OSError("odd"), "GEN-RESOURCE", "permissions"),
        (MemoryError(), "GEN-RESOURCE-SHORT", "more memory"),
    ],
)
def test_what_the_machine_refuses_says_how_it_is_mended(error, code, hint):
    said = errors.ResourceError.of(error, "'/x' cannot be written", path="/x", hint="or go")
    assert said.code == code
    assert said.message.startswith("'/x' cannot be written: ")
    assert hint in said.hint
    assert said.hint.endswith("or go")
    assert said.data["path"] == "/x"


def test_a_refusal_whose_reason_is_no_text_is_still_told():
    class Silent:
        def __str__(self):
            raise RuntimeError

    said = errors.ResourceError.of(OSError(errno.EIO, Silent()), "'/x' cannot be written")
    assert said.message.startswith("'/x' cannot be written: ")


def test_codes_are_stable_and_unique():
    codes = [kind.code for kind in _CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("GEN-") for code in codes)


def test_public_names_are_all_classes_of_the_module():
    tree = ast.parse(Path(errors.__file__).read_text(encoding="utf-8"))
    assert sorted(node.name for node in tree.body if isinstance(node, ast.ClassDef)) == errors.__all__


def test_the_docstring_draws_every_class():
    assert [name for name in errors.__all__ if name not in errors.__doc__] == []


def test_text_has_message_and_hint():
    assert str(GenesisError("it broke", hint="fix it")) == "it broke (fix it)"
    assert str(GenesisError("it broke")) == "it broke"
