import time

import pytest

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


MAIN = "    public static void main(final String[] args) {\n    }\n"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("src/main/java/com/example/demo/A.java", "class A {\n" + MAIN + "}\n", {("main", "static void main")}),
        (
            "A.java",
            "@SpringBootApplication\nclass A {\n" + MAIN + "}\n",
            {("main", "static void main"), ("application", "@SpringBootApplication")},
        ),
        ("A.java", "class A {\n  /**\n   * public static void main(String[] a)\n   */\n}\n", set()),
        ("src/test/java/A.java", "class A {\n" + MAIN + "}\n", set()),
        ("A.kt", "fun main(args: Array<String>) {}\n", {("main", "fun main")}),
        ("A.scala", "object A extends IOApp {\n", {("main", "main")}),
        ("pom.xml", "<manifest><mainClass>p.A</mainClass></manifest>", {("application", "p.A")}),
        ("pom.xml", "<artifactId>exec-maven-plugin</artifactId><mainClass>tool.R8</mainClass>", set()),
        ("build.gradle", "application {\n  mainClass = 'p.A'\n}\n", {("application", "p.A")}),
        ("build.gradle.kts", 'application {\n  mainClass.set("p.AKt")\n}\n', {("application", "p.AKt")}),
        ("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nMain-Class: p.A\n", {("application", "p.A")}),
        ("src/server.js", "const app = express()\napp.listen(3000)\n", {("server", "listen")}),
        ("src/server.ts", "http.createServer(app).listen(port, () => {})\n", {("server", "listen")}),
        ("src/a.js", "// app.listen(3000)\n * app.listen(3000)\n", set()),
        ("src/a.js", "emitter.listen('x')\n", set()),
        ("test/server.js", "app.listen(0)\n", set()),
        ("index.js", "module.exports = 1\n", {("package.json main", "index.js")}),
        ("bin/tool", "#!/usr/bin/env ruby\n", {("script", "/usr/bin/env ruby")}),
        ("tool", "#!/bin/sh\n", {("script", "/bin/sh")}),
        ("bin/tool.sh", "#!/bin/sh\n", {("script", "/bin/sh")}),
        ("tool", "no script\n", set()),
        ("a.go", '// Package a does.\npackage main\n\nimport "x"\n\nfunc main() {}\n', {("main", "func main")}),
        ("a.go", "package a\n\nfunc main() {}\n", set()),
        ("src/bin/x.rs", "fn main() {}\n", {("main", "fn main")}),
        ("src/x.rs", "fn main() {}\n", set()),
        ("a.c", "static int x;\nint\nmain(int argc, char **argv)\n{\n}\n", {("main", "main()")}),
        ("a.c", "int main(void);\n", set()),
        ("P.cs", "class P {\n  private static async Task<int> Main(string[] a) {\n", {("main", "static Main")}),
        ("src/p.csproj", "<Project><OutputType>Exe</OutputType></Project>", {("binary", "dotnet run")}),
        ("src/p.csproj", '<Project Sdk="Microsoft.NET.Sdk.Web"></Project>', {("binary", "dotnet run")}),
        ("src/p.csproj", '<Project Sdk="Microsoft.NET.Sdk"></Project>', set()),
        ("public/index.php", "<?php\n", {("server", "public/index.php")}),
        ("composer.json", '{"bin": ["bin/x"]}', {("composer bin", "bin/x")}),
        ("config.ru", "run App\n", {("server", "config.ru")}),
        ("Rakefile", "task :build => [:x]\n", {("rake task", "rake build")}),
        ("mix.exs", "mod: {P.Application, []}\n", {("application", "P.Application")}),
        ("p.cabal", "executable tool\n  main-is: Main.hs\n", {("executable", "tool")}),
        ("CMakeLists.txt", "add_executable(tool a.c)\n", {("binary", "tool")}),
        ("serverless.yml", "functions:\n  a:\n    handler: src/a.run\n", {("serverless function", "src/a.run")}),
        ("Makefile", "a.o: a.c\nrun-it: a.o\n$(X): y\n", {("make target", "make run-it")}),
    ],
)
def test_entry_points_of_a_language(project, name, content, found):
    project.write(name, content)
    assert {(kind, target) for kind, _, target in _found(project)} == found


def test_exports_of_a_package(project):
    project.write(
        "package.json",
        '{"name": "n", "main": "a.js", "module": "a.mjs", "exports": {".": {"import": "./a.mjs"}}, "bin": "b.js"}',
    )
    assert _found(project) == {
        ("package.json bin", "n", "b.js"),
        ("package.json main", "n", "a.js"),
        ("package.json main", "n", "a.mjs"),
        ("package.json main", "n", "./a.mjs"),
    }


def test_reading_stays_quick_on_hostile_sources(project):
    project.write("a.cs", "public static " * 60_000 + " Main(")
    project.write("a.c", "int main(" * 60_000)
    project.write("A.java", "static " * 90_000 + " main")
    project.write("pom.xml", "<manifest>" * 60_000)
    started = time.process_time()
    assert _found(project) == set()
    assert time.process_time() - started < 5


def test_broken_and_oddly_shaped_files_give_nothing(project):
    project.write("pyproject.toml", "[project\n")
    project.write("a/pyproject.toml", "project = 1\n")
    project.write("package.json", "[1]")
    project.write("setup.py", "setup(entry_points=make())\nsetup(entry_points={'console_scripts': 3})\n")
    project.write("b/setup.py", "def (\n")
    project.write("setup.cfg", "no section\n")
    project.write("prefect.yaml", "deployments: {a: 1}\n")
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
