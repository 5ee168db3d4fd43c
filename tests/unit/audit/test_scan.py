import os
import threading
import time

import pytest

from genesis.agents.processes import below
from genesis_audit import inventory, scan
from genesis_audit.facts import FileFacts
from genesis_audit.files import survey
from genesis_audit.scan import UNREAD, scan_of
from tests.unit.audit.conftest import Project


def _facts(project):
    return {file.path: facts for file, facts in scan_of(project.root)}


def _settle(project):
    """Make files old enough for their times to be trusted."""
    newest = max(path.stat().st_ctime_ns for path in project.root.rglob("*"))
    while time.time_ns() < newest + 60_000_000:
        time.sleep(0.01)


def test_one_read_serves_every_tool(project):
    project.write(
        "a.py",
        '"""Doc."""\n\n\ndef f(x):  # TODO one\n    return x if x else 1\n\n\nif __name__ == "__main__":\n    f(1)\n',
    )
    project.write("a.json", "{")
    project.write("bin.dat", b"\0\1")
    facts = _facts(project)
    module = facts["a.py"]
    assert (module.language, module.lines, module.code, module.main_line) == ("Python", 9, 4, 8)
    assert [(each.name, each.cyclomatic) for each in module.functions] == [("f", 2)]
    assert (module.python.objects, module.python.documented) == (2, 1)
    assert [each.text for each in module.todos] == ["TODO one"]
    assert (facts["a.json"].document, facts["a.json"].problem.format) == ("broken", "JSON")
    assert facts["bin.dat"] == FileFacts("binary")


def test_a_folder_that_did_not_change_is_not_read_again(project, monkeypatch):
    project.write("a.py", "x = 1\n")
    _settle(project)
    first = scan_of(project.root)
    monkeypatch.setattr(scan, "_scan_files", lambda *given: pytest.fail("read again"))
    assert scan_of(project.root) is first
    assert survey(project.root) is first.tree


@pytest.mark.parametrize("change", ["content", "new file", "removed file"])
def test_a_folder_that_changed_is_read_again(project, change):
    project.write("a.py", "x = 1\n")
    project.write("b.py", "x = 1\n")
    _settle(project)
    first = scan_of(project.root)
    if change == "content":
        project.write("a.py", "# = 1\n")  # of the same size
    elif change == "new file":
        project.write("c.py", "")
    else:
        (project.root / "a.py").unlink()
    second = scan_of(project.root)
    assert second is not first
    assert second.facts != first.facts


def test_a_change_in_the_same_moment_is_seen(project):
    for number in range(20):
        project.write("a.py", f"# {number % 10}\n" if number % 2 else f"x={number % 10}\n")
        assert _facts(project)["a.py"].code == (number + 1) % 2


def test_leaves_that_arrive_together_share_one_scan(project, monkeypatch):
    for number in range(30):
        project.write(f"{number}.py", "x = 1\n")
    _settle(project)
    made = []
    real = scan._scan_files
    monkeypatch.setattr(scan, "_scan_files", lambda *given: made.append(1) or real(*given))
    threads = [threading.Thread(target=scan_of, args=(project.root,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_few_scans_are_kept(tmp_path):
    for number in range(5):
        project = Project(tmp_path / str(number))
        project.write("a.py", "x = 1\n")
        scan_of(project.root)
    assert len(scan._SCANS._scans) == 2


def _when_opened(name, action):
    """Write code with which a worker does something when it opens a file."""
    watch = f"{action} if event == 'open' and str(given[0]).endswith({name!r}) else None"
    return f"import os, sys, time\nsys.addaudithook(lambda event, given: {watch})\n"


def test_a_file_that_breaks_the_worker_costs_that_file_alone(project, monkeypatch):
    for number in range(10):
        project.write(f"{number}.py", "x = 1\n")
    project.write("evil.py", "x = 1\n" * 10)
    monkeypatch.setattr(scan, "_START", _when_opened("evil.py", "os.abort()") + scan._START)
    facts = _facts(project)
    assert facts.pop("evil.py") == UNREAD
    assert {each.code for each in facts.values()} == {1}
    assert len(facts) == 10


def test_a_file_that_never_ends_is_given_up(project, monkeypatch):
    project.write("slow.py", "x = 1\n" * 10)
    project.write("a.py", "x = 1\n")
    monkeypatch.setattr(scan, "_START", _when_opened("slow.py", "time.sleep(600)") + scan._START)
    monkeypatch.setattr(scan, "_CHUNK_S", 3.0)
    facts = _facts(project)
    assert facts["slow.py"] == UNREAD
    assert facts["a.py"].code == 1


def test_the_time_limit_is_kept_and_said(project):
    for number in range(200):
        project.write(f"{number}.py", "x = 1\n" * 5_000)
    start = time.monotonic()
    found = scan_of(project.root, time_limit_s=0.05)
    assert time.monotonic() - start < 10
    assert found.truncated
    assert len(list(found)) == 200
    assert scan_of(project.root, time_limit_s=300).is_complete


def children_of_this_process():
    return {process.pid for process in below(os.getpid())}


def test_no_worker_outlives_the_scan(project):
    project.write("a.py", "x = 1\n")
    before = children_of_this_process()
    scan_of(project.root)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("genesis-scan")]
    assert children_of_this_process() <= before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.py", b"x = " + b"(" * 50_000),
        ("minus.py", b"x = " + b"-" * 200_000 + b"1"),
        ("deep.json", b"[" * 500_000),
        ("deep.yaml", b"[" * 5_000),
        ("bomb.yaml", b"a: &a [x]\n" + b"b: [*a, *a]\n" * 5_000),
        ("deep.toml", b"a = " + b"[" * 5_000),
        ("line.js", b"var a=" + b"1+" * 900_000 + b"1"),
        ("nul.js", b"a\0b"),
        ("latin.py", b"# coding: latin-1\nx = '\xe9'\n"),
        ("wide.py", "x = 1\n".encode("utf-16")),
        ("bad.go", b"package \xff\xfe main\n" * 100),
        ("braces.c", b"{" * 100_000),
        ("quotes.rs", b"'" * 100_001),
        ("parens.java", b"class A { void f(" + b"(" * 100_000),
        ("end.rb", b"def a\n" * 20_000),
        ("regex.ts", b"/" * 100_001),
        ("huge.py", b"x" * 2_500_000),
        ("empty.kt", b""),
    ],
)
def test_hostile_files_end_in_facts(project, name, content):
    project.write(name, content)
    project.write("a.py", "x = 1\n")
    start = time.monotonic()
    facts = _facts(project)
    assert facts["a.py"].code == 1
    assert name in facts
    assert time.monotonic() - start < 60


def test_names_that_are_not_text_and_files_that_are_none(project, tmp_path):
    (project.root / os.fsdecode(b"bad\xff.py")).write_bytes(b"def f(): pass\n")
    os.mkfifo(project.root / "pipe.py")
    (tmp_path / "secret.py").write_text("x = 1\n")
    (project.root / "link.py").symlink_to(tmp_path / "secret.py")
    facts = _facts(project)
    assert list(facts) == [os.fsdecode(b"bad\xff.py")]
    assert len(facts[os.fsdecode(b"bad\xff.py")].functions) == 1


def test_nothing_of_the_folder_is_imported(project, monkeypatch):
    mark = project.root / "ran"
    for name in ("lizard.py", "identify.py", "yaml.py", "sitecustomize.py", "genesis/__init__.py"):
        project.write(name, f"open({str(mark)!r}, 'w').close()\n")
    project.write("a.go", "package a\n\nfunc f() {}\n")
    monkeypatch.chdir(project.root)
    monkeypatch.syspath_prepend("")
    monkeypatch.syspath_prepend(str(project.root))
    monkeypatch.setenv("PYTHONPATH", str(project.root))
    assert len(_facts(project)["a.go"].functions) == 1
    assert not mark.exists()


def test_workers_that_cannot_start_end_the_scan_and_are_said(project, monkeypatch, titles):
    for number in range(200):
        project.write(f"{number}.py", "x = 1\n")
    monkeypatch.setattr(scan, "_START", "raise SystemExit(1)")
    monkeypatch.setattr(scan, "_MOST_BREAKS", 3)
    answer = inventory.run(project.root)
    assert answer["truncated"] is True
    assert "0 of 200 files were read" in titles(answer)


def test_what_is_written_from_a_template_beside_it_is_generated(project):
    project.write("On.Days.cs", "// TODO x\npublic class On { int a() { return 1; } }\n")
    project.write("On.Days.tt", "<# #>\n")
    project.write("parser.c", "int a(void) { return 1; }\n")
    project.write("parser.y", "%%\n")
    project.write("other.c", "int a(void) { return 1; }\n")
    facts = scan_of(project.root).facts
    assert {path: facts[path].origin for path in ("On.Days.cs", "parser.c", "other.c")} == {
        "On.Days.cs": "generated",
        "parser.c": "generated",
        "other.c": "own",
    }
    assert (facts["On.Days.cs"].functions, facts["On.Days.cs"].todos) == ((), ())
