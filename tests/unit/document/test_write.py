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


def test_an_output_goes_into_what_a_pipe_or_a_link_leads_to(tmp_path: Path):
    target, link, pipe = (tmp_path / name for name in ("target", "link", "pipe"))
    target.write_text("old")
    link.symlink_to(target)
    write_output(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_output(pipe, "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert pipe.is_fifo()
    write_output(tmp_path / "new" / "file", b"x")
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["file", "link", "new", "pipe", "target"]


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
