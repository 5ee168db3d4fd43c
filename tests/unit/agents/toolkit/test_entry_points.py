from genesis.agents.toolkit.entry_points import find_entry_points
from genesis.agents.toolkit.files import survey


def _found(project):
    entries, more = find_entry_points(survey(project.root))
    assert more == 0
    return {(entry["kind"], entry["name"], entry["target"]) for entry in entries}


def test_python_entry_points(project):
    project.write(
        "pyproject.toml",
        "[project.scripts]\na = 'p.cli:main'\n[tool.poetry.scripts]\nb = 'p:b'\n[project.gui-scripts]\nc='p:c'\n",
    )
    project.write("setup.cfg", "[options.entry_points]\nconsole_scripts =\n    d = p:d\n")
    project.write(
        "old/setup.py", "from setuptools import setup\nsetup(entry_points={'console_scripts': ['e = p:e']})\n"
    )
    project.write("src/p/__main__.py", "print()\n")
    project.write("tool.py", "x = 1\nif __name__ == '__main__':\n    pass\n")
    project.write("not.py", "print('__main__')\n")
    assert _found(project) == {
        ("console script", "a", "p.cli:main"),
        ("console script", "b", "p:b"),
        ("console script", "c", "p:c"),
        ("console script", "d", "p:d"),
        ("console script", "e", "p:e"),
        ("python -m", "p", "src/p/__main__.py"),
        ("main", "tool.py", "if __name__ == '__main__'"),
    }


def test_other_entry_points(project):
    project.write("package.json", '{"name": "n", "bin": {"x": "x.js"}, "scripts": {"build": "tsc"}}')
    project.write("one/package.json", '{"name": "n", "bin": "y.js"}')
    project.write("Dockerfile", 'FROM a\nCMD ["old"]\nENTRYPOINT ["run"]\nCMD \\\n  ["new"]\n')
    project.write("Makefile", ".PHONY: all\nall: a b\n\tdo\nX := 1\nclean:\n\trm\n")
    project.write("justfile", "default:\n  x\nbuild target='a':\n  y\nv := '1'\n")
    project.write("Procfile", "web: gunicorn a\n")
    project.write("prefect.yaml", "deployments:\n- name: etl\n  entrypoint: flows/etl.py:etl\n")
    project.write(".github/workflows/ci.yml", "name: CI\non: push\n")
    project.write(".gitlab-ci.yml", "a: {}\n")
    project.write("cmd/main.go", "package main\n\nfunc main() {}\n")
    project.write("src/main.rs", "fn main() {}\n")
    project.write("Cargo.toml", "[[bin]]\nname = 'b'\npath = 'b.rs'\n")
    assert _found(project) == {
        ("package.json bin", "x", "x.js"),
        ("package.json bin", "n", "y.js"),
        ("package.json script", "build", "tsc"),
        ("container", "ENTRYPOINT", '["run"]'),
        ("container", "CMD", '["new"]'),
        ("make target", "all", "make all"),
        ("make target", "clean", "make clean"),
        ("just recipe", "default", "just default"),
        ("just recipe", "build", "just build"),
        ("process", "web", "gunicorn a"),
        ("prefect deployment", "etl", "flows/etl.py:etl"),
        ("ci workflow", "CI", ".github/workflows/ci.yml"),
        ("ci workflow", ".gitlab-ci.yml", ".gitlab-ci.yml"),
        ("main", "cmd/main.go", "func main"),
        ("main", "src/main.rs", "fn main"),
        ("binary", "b", "b.rs"),
    }


def test_broken_and_oddly_shaped_files_give_nothing(project):
    project.write("pyproject.toml", "[project\n")
    project.write("a/pyproject.toml", "project = 1\n")
    project.write("package.json", "[1]")
    project.write("setup.py", "setup(entry_points=make())\nsetup(entry_points={'console_scripts': 3})\n")
    project.write("b/setup.py", "def (\n")
    project.write("setup.cfg", "no section\n")
    project.write("prefect.yaml", "deployments: {a: 1}\n")
    project.write("x.py", "if __name__ == '__main__'\n")
    assert _found(project) == set()


def test_setup_py_is_never_run(project):
    project.write(
        "setup.py", f"open({str(project.root / 'ran')!r}, 'w').close()\nfrom setuptools import setup\nsetup()\n"
    )
    find_entry_points(survey(project.root))
    assert not (project.root / "ran").exists()


def test_what_is_not_shown_is_counted(project):
    project.write("Makefile", "".join(f"t{number}:\n" for number in range(230)))
    entries, more = find_entry_points(survey(project.root))
    assert (len(entries), more) == (200, 30)
