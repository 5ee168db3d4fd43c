"""The file of log lines: real processes, full disks, files that go away."""

import json
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from genesis.observability.log_file import LineFile
from genesis.observability.log_formatters import JsonLines

_WRITER = Path(__file__).with_name("line_writer.py")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def made(tmp_path, clock):
    """Makes handlers that are closed at the end."""
    handlers = []

    def make(path=tmp_path / "logs" / "genesis.jsonl", *, most_bytes=1_000_000, keep=2):
        handler = LineFile(path, most_bytes=most_bytes, keep=keep, clock=clock)
        handler.setFormatter(JsonLines("worker"))
        handlers.append(handler)
        return handler

    yield make
    for handler in handlers:
        handler.close()


def log(handler, *messages):
    for message in messages:
        handler.handle(logging.makeLogRecord({"name": "genesis.x", "levelno": 20, "msg": message}))


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def messages(path):
    return [line["message"] for line in lines(path)]


def writers(path, *, processes=4, count=2_000, most_bytes=40_000, keep=1_000, mode=""):
    words = [sys.executable, str(_WRITER), str(path), str(most_bytes), str(keep)]
    started = [subprocess.Popen([*words, f"p{number}", str(count), mode]) for number in range(processes)]
    return [process.wait(timeout=120) for process in started]


def test_a_line_is_in_the_file_at_once_and_nobody_else_can_read_it(made):
    handler = made()
    log(handler, "one", "two")
    assert messages(handler.path) == ["one", "two"]
    assert stat.S_IMODE(handler.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(handler.path.parent.stat().st_mode) == 0o700


def test_lines_are_added_to_what_is_there(made):
    log(made(), "one")
    log(made(), "two")
    assert messages(made().path) == ["one", "two"]


def test_a_full_file_is_put_aside_and_so_many_are_kept(made):
    handler = made(most_bytes=1_000, keep=2)
    log(handler, *(f"{number} {'x' * 500}" for number in range(5)))
    names = sorted(path.name for path in handler.path.parent.iterdir())
    assert names == ["genesis.jsonl", "genesis.jsonl.1", "genesis.jsonl.2", "genesis.jsonl.lock"]
    kept = [messages(handler.path.with_name(name))[0][0] for name in names[:3]]
    assert kept == ["4", "3", "2"]


def test_without_old_files_the_full_one_is_begun_anew(made):
    handler = made(most_bytes=1_000, keep=0)
    log(handler, *(f"{number} {'x' * 500}" for number in range(5)))
    assert messages(handler.path)[0][0] == "4"
    assert sorted(path.name for path in handler.path.parent.iterdir()) == ["genesis.jsonl", "genesis.jsonl.lock"]


def test_another_process_s_new_file_is_found(made):
    first, second = made(most_bytes=1_000), made(most_bytes=1_000)
    log(first, "a" * 500)
    log(second, "b" * 500)
    log(first, "c" * 500)
    assert [text[0] for text in messages(first.path)] == ["b", "c"] or [text[0] for text in messages(first.path)] == [
        "c"
    ]
    log(second, "d")
    assert messages(first.path)[-1] == "d"


def test_a_file_that_was_moved_or_removed_is_made_again(made):
    handler = made()
    log(handler, "one")
    handler.path.rename(handler.path.with_name("elsewhere"))
    log(handler, "two")
    handler.path.unlink()
    handler.path.with_name("elsewhere").unlink()
    handler.path.parent.rmdir()
    log(handler, "three")
    assert messages(handler.path) == ["three"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_once_and_writing_goes_on_when_there_is_space(made, clock, tmp_path, capsys):
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    handler = made(link)
    log(handler, "lost 1", "lost 2")
    clock.advance(4)
    log(handler, "lost 3")
    assert capsys.readouterr().err.count("No space left on device") == 1
    link.unlink()
    log(handler, "lost 4")
    clock.advance(4)
    log(handler, "kept 1", "kept 2")
    first, *others = lines(link)
    assert (first["event"], first["level"], first["data"]) == ("log.lost", "warning", {"lost": 4})
    assert [line["message"] for line in others] == ["kept 1", "kept 2"]


def test_what_stands_in_the_way_is_borne_and_said_again_the_next_time(made, clock, tmp_path, capsys):
    (tmp_path / "logs").write_text("a file where the folder should be")
    handler = made()
    log(handler, "lost")
    (tmp_path / "logs").unlink()
    clock.advance(4)
    log(handler, "kept")
    handler.path.unlink()
    handler.path.mkdir()
    log(handler, "lost")
    said = capsys.readouterr().err
    assert said.count("log lines cannot be written to") == 2
    assert "Is a directory" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_is_read_only_keeps_its_file_growing(made):
    handler = made(most_bytes=1_000)
    log(handler, "x" * 900)
    handler.path.parent.chmod(0o500)
    log(handler, "y" * 900)
    handler.path.parent.chmod(0o700)
    assert len(lines(handler.path)) == 2


def test_a_file_that_cannot_be_put_aside_grows(made):
    handler = made(most_bytes=1_000)
    log(handler, "x" * 900)
    handler.path.with_name("genesis.jsonl.lock").mkdir()
    log(handler, "y" * 900, "z")
    assert [text[0] for text in messages(handler.path)] == ["x", "y", "z"]


def test_a_line_that_was_torn_does_not_spoil_the_next(made, clock, capsys):
    """Half of a line fits: the limit on the size of files is a disk that is full at some byte."""
    handler = made()
    log(handler, "one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (handler.path.stat().st_size + 50, before[1]))
        log(handler, "torn")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    clock.advance(4)
    log(handler, "two")
    whole = handler.path.read_bytes().splitlines()
    assert json.loads(whole[0])["message"] == "one"
    assert len(whole[1]) == 50
    assert [json.loads(line)["message"] for line in whole[-1:]] == ["two"]
    assert "File too large" in capsys.readouterr().err


def test_a_pipe_that_nobody_reads_holds_nothing_up(made, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    log(made(tmp_path / "pipe"), "lost")
    assert "cannot be written" in capsys.readouterr().err


def test_a_line_after_closing_opens_the_file_again(made):
    handler = made()
    log(handler, "one")
    handler.close()
    log(handler, "two")
    assert messages(handler.path) == ["one", "two"]


def test_no_standard_error_is_no_error(made, tmp_path, monkeypatch):
    (tmp_path / "logs").write_text("")
    monkeypatch.setattr(sys, "stderr", None)
    log(made(), "lost")


def test_lines_of_four_processes_over_a_tiny_limit_are_whole_and_all_there(tmp_path):
    path = tmp_path / "logs" / "genesis.jsonl"
    assert writers(path) == [0, 0, 0, 0]
    found = Counter()
    files = [each for each in path.parent.iterdir() if each.suffix != ".lock"]
    for each in files:
        found.update((line["data"]["name_"], line["data"]["number"]) for line in lines(each))
    assert found == Counter({(f"p{process}", number): 1 for process in range(4) for number in range(2_000)})
    assert len(files) > 10


def test_a_killed_process_loses_nothing_that_it_logged(tmp_path):
    path = tmp_path / "genesis.jsonl"
    assert writers(path, processes=2, count=300, most_bytes=10_000_000, mode="kill") == [-signal.SIGKILL] * 2
    assert Counter(line["data"]["name_"] for line in lines(path)) == {"p0": 300, "p1": 300}


def test_forked_processes_write_on(tmp_path):
    path = tmp_path / "genesis.jsonl"
    assert writers(path, processes=1, count=200, most_bytes=20_000, mode="fork") == [0]
    found = Counter()
    for each in tmp_path.iterdir():
        if each.suffix != ".lock":
            found.update(line["data"]["name_"] for line in lines(each))
    assert sorted(found.values()) == [1, 200, 200, 200, 200]
