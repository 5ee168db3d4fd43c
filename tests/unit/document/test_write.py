import errno
import os
import stat
from pathlib import Path

import pytest

from genesis.document import dump_json, dump_yaml, parse, write_atomic, write_output
from genesis.errors import ResourceError

_VALUE = {"a": "yes", "b": ["1", 1, None, True, 1.5], "c": {"ключ": "значение"}, "d": "line\nbreak", "e": ""}


def test_yaml_comes_back_as_it_went():
    assert parse(dump_yaml(_VALUE)) == _VALUE


@pytest.mark.parametrize(
    "text", ["08", "0E0", "1e5", "+.5", "-1", "1.", "0x1f", "1_000", "1:30", "no", "~", ".inf", "1\n"]
)
def test_text_that_looks_like_something_else_stays_text(text: str):
    assert parse(dump_yaml({"k": [text]})) == {"k": [text]}


def test_json_comes_back_as_it_went():
    assert parse(dump_json(_VALUE)) == _VALUE


def test_a_folder_is_no_output(tmp_path: Path):
    with pytest.raises(ResourceError, match="cannot be written"):
        write_output(tmp_path, "x")


def test_a_device_stays_one(tmp_path: Path):
    device = tmp_path / "full"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
        device.open("rb").close()
    except OSError:
        pytest.skip("this user cannot make devices")
    with pytest.raises(ResourceError, match="space"):
        write_output(device, "x")
    assert device.is_char_device()


def test_a_write_makes_the_folder_and_leaves_nothing_else(tmp_path: Path):
    target = tmp_path / "new" / "file.txt"
    write_atomic(target, "zwölf", durable=True)
    assert target.read_text(encoding="utf-8") == "zwölf"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_failed_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ResourceError, match="No space left") as caught:
        write_atomic(target, "new")
    assert caught.value.hint == "free some space"
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError, match="cannot be written"):
        write_atomic(tmp_path / "file" / "below", "x")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_output_has_the_permissions_of_any_new_file_and_an_old_one_keeps_its_own(tmp_path: Path):
    (tmp_path / "plain").touch()
    (tmp_path / "tight").touch(mode=0o640)
    write_output(tmp_path / "new", "x")
    write_output(tmp_path / "tight", "x")
    write_output(tmp_path / "copy", "x", like=tmp_path / "tight")
    assert _mode(tmp_path / "new") == _mode(tmp_path / "plain")
    assert (_mode(tmp_path / "tight"), _mode(tmp_path / "copy")) == (0o640, 0o640)


def test_an_output_that_is_a_link_stays_one(tmp_path: Path):
    (tmp_path / "link").symlink_to("file")
    write_output(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "x"
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ResourceError, match="cannot be written"):
        write_output(tmp_path / "loop", "x")


def test_an_output_that_is_a_pipe_is_written_to_and_not_replaced(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_output(pipe, "zw\u00f6lf")
    assert os.read(reader, 100).decode() == "zw\u00f6lf"
    os.close(reader)
    assert pipe.is_fifo()
