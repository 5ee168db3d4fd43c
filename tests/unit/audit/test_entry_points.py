import time

import pytest

from genesis_audit.entry_points import find_entry_points
from genesis_audit.scan import scan_of


def _find(project):
    entries, more = find_entry_points(scan_of(project.root))
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
    assert _find(project) == {
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
    assert _find(project) == {
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
    assert {(kind, target) for kind, _, target in _find(project)} == found


def test_further_exports_of_a_package(project):
    project.write(
        "package.json",
        '{"name": "n", "exports": {".": "./a.js", "./sub": {"import": "./s.mjs"}, "./x/*": "./x/*.js",'
        ' "./package.json": "./p"}}',
    )
    assert _find(project) == {("package.json main", "n", "a.js"), ("package.json main", "n/sub", "s.mjs")}


def test_exports_of_a_package(project):
    project.write(
        "package.json",
        '{"name": "n", "main": "a.js", "module": "a.mjs", "exports": {".": {"import": "./a.mjs"}}, "bin": "b.js"}',
    )
    assert _find(project) == {
        ("package.json bin", "n", "b.js"),
        ("package.json main", "n", "a.js"),
        ("package.json main", "n", "a.mjs"),
    }


def test_reading_stays_quick_on_hostile_sources(project):
    project.write("a.cs", "public static " * 60_000 + " Main(")
    project.write("a.c", "int main(" * 60_000)
    project.write("A.java", "static " * 90_000 + " main")
    project.write("pom.xml", "<manifest>" * 60_000)
    started = time.process_time()
    assert _find(project) == set()
    assert time.process_time() - started < 5


def test_broken_and_oddly_shaped_files_give_nothing(project):
    project.write("pyproject.toml", "[project\n")
    project.write("a/pyproject.toml", "project = 1\n")
    project.write("package.json", "[1]")
    project.write("setup.py", "setup(entry_points=make())\nsetup(entry_points={'console_scripts': 3})\n")
    project.write("b/setup.py", "def (\n")
    project.write("setup.cfg", "no section\n")
    project.write("prefect.yaml", "deployments: {a: 1}\n")
    assert _find(project) == set()


def test_setup_py_is_never_run(project):
    project.write(
        "setup.py", f"open({str(project.root / 'ran')!r}, 'w').close()\nfrom setuptools import setup\nsetup()\n"
    )
    find_entry_points(scan_of(project.root))
    assert not (project.root / "ran").exists()


def test_what_is_not_shown_is_counted(project):
    project.write("Makefile", "".join(f"t{number}:\n" for number in range(230)))
    entries, more = find_entry_points(scan_of(project.root))
    assert (len(entries), more) == (200, 30)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"Cargo.toml": "[package]\nname = 'a'\n", "src/lib.rs": ""}, ("a", "src/lib.rs")),
        ({"Cargo.toml": "[package]\nname = 'a'\n[lib]\npath = 'a.rs'\n", "a.rs": ""}, ("a", "a.rs")),
        ({"Cargo.toml": "[workspace]\n", "src/lib.rs": ""}, None),
        ({"a-b.gemspec": "", "lib/a/b.rb": ""}, ("a-b", "lib/a/b.rb")),
        ({"pyproject.toml": "[project]\nname = 'A-b'\n", "src/a_b/__init__.py": ""}, ("A-b", "src/a_b/__init__.py")),
        ({"pyproject.toml": "[project]\nname = 'a'\n", "a.py": ""}, ("a", "a.py")),
        ({"pyproject.toml": "[project]\nname = 'a'\n"}, None),
        ({"go.mod": "module x.org/a/v2\n", "a.go": "package a\n", "B.go": "package a\n"}, ("x.org/a/v2", "a.go")),
        ({"go.mod": "module x.org/a\n", "a_test.go": "package a\n", "b/b.go": "package b\n"}, None),
        ({"go.mod": "module x.org/a\n", "a.go": "package main\n\nfunc f() {}\n"}, None),
        (
            {"composer.json": '{"name": "a/b", "autoload": {"psr-4": {"A\\\\": "src/A"}}}', "src/A/B.php": ""},
            ("a/b", "src/A/"),
        ),
        (
            {
                "composer.json": '{"name": "a/b", "type": "project", "autoload": {"psr-4": {"A": "src"}}}',
                "src/a.php": "",
            },
            None,
        ),
        (
            {
                "pom.xml": "<project><parent><artifactId>p</artifactId></parent><artifactId>lib</artifactId>"
                "<licenses><license/></licenses><scm/></project>",
                "src/main/java/A.java": "",
            },
            ("lib", "src/main/java/"),
        ),
        ({"pom.xml": "<project><artifactId>app</artifactId></project>", "src/main/java/A.java": ""}, None),
        (
            {"core/build.gradle.kts": "plugins {\n  `java-library`\n}\n", "core/src/main/kotlin/A.kt": ""},
            ("core", "core/src/main/kotlin/"),
        ),
        (
            {"A/A.csproj": "<Project><PropertyGroup><PackageId>A.B</PackageId></PropertyGroup></Project>"},
            ("A.B", "A/A.csproj"),
        ),
        ({"A/A.csproj": '<Project Sdk="Microsoft.NET.Sdk.Web"></Project>'}, None),
    ],
)
def test_libraries_are_entered_where_they_are_imported(project, files, found):
    for name, text in files.items():
        project.write(name, text)
    libraries = [(name, target) for kind, name, target in _find(project) if kind == "library"]
    assert libraries == ([found] if found else [])


def test_binaries_with_a_hyphen_are_found(project):
    project.write("src/bin/my-tool.rs", "fn main() {}\n")
    assert _find(project) == {("main", "src/bin/my-tool.rs", "fn main")}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('name: Remove "x" label', 'Remove "x" label'),
        ("name: 'Build it' # quickly", "Build it"),
        ('name: "Build # 1"', "Build # 1"),
        ("name: Build # quickly", "Build"),
        ("on: push", "test.yml"),
    ],
)
def test_workflows_are_named_as_they_name_themselves(project, line, name):
    project.write(".github/workflows/test.yml", f"{line}\n")
    assert _find(project) == {("ci workflow", name, ".github/workflows/test.yml")}


def test_copies_of_other_projects_are_no_entry_points(project):
    project.write("vendor/lib/example1.c", "int main(void) {\n}\n")
    project.write("third_party/x/Makefile", "all:\n\ttrue\n")
    assert _find(project) == set()


def test_conditions_of_an_export_may_be_nested(project):
    project.write("index.js")
    project.write(
        "package.json",
        '{"name": "n", "main": "./index.js", "exports": {".": {"types": {"require": "./i.d.cts"},'
        ' "browser": {"require": "./web.cjs"}, "default": {"require": "./n.cjs", "default": "./index.js"}}}}',
    )
    assert _find(project) == {("package.json main", "n", each) for each in ("index.js", "web.cjs", "n.cjs")}


def test_scripts_of_windows(project):
    project.write("Build.ps1", "param()\n")
    project.write("scripts/run.cmd", "@echo off\n")
    project.write("src/deep/x.ps1", "1\n")
    project.write("gradlew.bat", "@rem\n")
    assert _find(project) == {("script", "Build.ps1", "powershell"), ("script", "scripts/run.cmd", "cmd")}


def test_activities_that_a_launcher_starts(project):
    project.write(
        "app/src/main/AndroidManifest.xml",
        '<manifest><application><activity android:name=".Other"></activity><activity android:exported="true"\n'
        '  android:name=".Start"><intent-filter><category android:name="android.intent.category.LAUNCHER" />'
        "</intent-filter></activity></application></manifest>\n",
    )
    assert _find(project) == {("application", ".Start", ".Start")}


def test_a_python_program_may_have_a_further_condition(project):
    project.write("tool.py", 'import sys\n\nif __name__ == "__main__" and sys.argv:\n    print(1)\n')
    project.write("library.py", 'import sys\n\nif sys.argv == ["__main__"]:\n    print(1)\n')
    assert _find(project) == {("main", "tool.py", "if __name__ == '__main__'")}


def test_a_file_that_is_started_is_not_listed_as_a_main_module_too(project):
    project.write("package.json", '{"name": "n", "main": "./index.js", "bin": {"n": "cli.js"}}')
    project.write("index.js", "const app = f()\napp.listen(3000)\n")
    project.write("lib/package.json", '{"name": "l", "main": "index.js", "bin": "./index.js"}')
    assert _find(project) == {
        ("server", "index.js", "listen"),
        ("package.json bin", "n", "cli.js"),
        ("package.json bin", "l", "./index.js"),
    }


@pytest.mark.parametrize(
    ("name", "text", "kind", "names"),
    [
        ("gulpfile.js", "gulp.task('build', f)\nexports.watch = w\n", "gulp task", {"build", "watch"}),
        ("gulpfile.mjs", "export const css = () => x\n", "gulp task", {"css"}),
        ("Gruntfile.js", "module.exports = g => {\n  g.registerTask('default', ['a'])\n}\n", "grunt task", {"default"}),
        ("Taskfile.yml", "version: '3'\ntasks:\n  build: {cmds: [go build]}\n", "task", {"build"}),
        ("composer.json", '{"scripts": {"test": "phpunit", "post-install-cmd": "x"}}', "composer script", {"test"}),
    ],
)
def test_tasks_of_a_build_tool(project, name, text, kind, names):
    project.write(name, text)
    assert {(found[0], found[1]) for found in _find(project)} == {(kind, each) for each in names}
