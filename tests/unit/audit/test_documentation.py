import pytest

from genesis_audit import documentation

README = "# Title\n\n## Install\n\n```sh\n# not a heading\n```\n\nUsage\n-----\n\n" + "word " * 100 + "\n"


def test_documents_and_sections(project):
    project.write("README.md", README)
    for name in ("CHANGELOG.md", ".github/CONTRIBUTING.md", "SECURITY.md", "docs/a.md", "docs/b.rst", "docs/c.py"):
        project.write(name)
    answer = documentation.run(project.root)
    assert answer["readme"] == {
        "path": "README.md",
        "words": 112,
        "headings": 3,
        "sections": ["Title", "Install", "Usage"],
    }
    assert (answer["changelog"], answer["contributing"]) == ("CHANGELOG.md", ".github/CONTRIBUTING.md")
    assert (answer["security_policy"], answer["codeowners"], answer["docs_files"]) == ("SECURITY.md", None, 2)
    assert answer["findings"] == []


def test_docstring_coverage(project):
    project.write(
        "a.py",
        (
            '"""Doc."""\nclass A:\n    """Doc."""\n    def b(self): pass\n    def _c(self): pass\n'
            "    @property\n    def d(self):\n"
            '        """Doc."""\n    @d.setter\n    def d(self, v): pass\ndef e():\n'
            "    def inner(): pass\ndef _f(): pass\nclass _G:\n    def h(self): pass\n"
        ),
    )
    project.write("empty.py", "")
    project.write("broken.py", "def (")
    project.write("tests/test_a.py", "def test(): pass\n")
    answer = documentation.run(project.root)
    assert answer["docstrings"] == {"objects": 5, "documented": 3, "coverage": 0.6, "unparsed": 1}
    assert answer["least_documented"] == [{"path": "a.py", "missing": 2, "objects": 5}]


def test_what_is_missing_is_found(project, titles):
    for number in range(6):
        project.write(f"{number}.py", "def a(): pass\ndef b(): pass\n")
    assert titles(documentation.run(project.root)) == [
        "There is no README",
        "The repository holds no changelog, no contributing guide and no security policy",
        "0 % of public Python objects have a docstring",
    ]


def test_short_and_incomplete_readmes(project, titles):
    project.write("README", "Hello.\n")
    assert titles(documentation.run(project.root)) == ["The README has only 1 word"]
    project.write("README", "Title\n=====\n\nLicence\n-------\n" + "word " * 80)
    assert titles(documentation.run(project.root)) == ["The README does not show how to install or use it"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "# P\n\n```bash\npip install p\n```\n"),
        ("README.md", "# P\n\n## Two commands\n\n    make\n    make install\n"),
        ("README.md", "# P\n\nSee the [user guide](GUIDE.md).\n"),
        ("README.md", "# P\n\nSee https://p.readthedocs.io for more.\n"),
        ("README.md", "# P\n\nRun `npm install p`.\n"),
        ("readme.markdown", "# P\n\n## 安装\n\n```\nnpm i p\n```\n"),
        ("README.rst", "P\n=\n\nInstalar::\n\n    pip install p\n"),
        ("README.rst", "P\n=\n\n.. code-block:: console\n\n   $ pip install p\n"),
        ("README.adoc", "= P\n\nhttps://p.github.io[Handbuch]\n"),
        ("README.html", "<h1>P</h1><pre>make</pre>"),
        ("README.txt", "P\n\n\tmake\n"),
    ],
)
def test_a_readme_that_shows_how_in_any_form(project, name, text):
    project.write(name, text + "word " * 80)
    assert documentation.run(project.root)["findings"] == []


def test_a_manual_beside_the_readme_is_enough(project):
    project.write("README", "word " * 80)
    project.write("INSTALL", "make\n")
    assert documentation.run(project.root)["findings"] == []


@pytest.mark.parametrize(
    ("name", "text", "sections"),
    [
        ("README.md", "<h1 align='center'>P <b>x</b></h1>\n\n* no heading\n## U ##\n", ["P x", "U"]),
        ("README.rst", "P\n===\n\n# no\n\nU\n~~~\n", ["P", "U"]),
        ("README.adoc", "= P\n\n== U\n", ["P", "U"]),
        ("README.org", "* P\n** U\n", ["P", "U"]),
    ],
)
def test_sections_of_each_format(project, name, text, sections):
    project.write(name, text)
    assert documentation.run(project.root)["readme"]["sections"] == sections


def test_the_readme_without_a_language_comes_first(project):
    project.write("README.zh-CN.md", "x")
    project.write("README.md", "x")
    assert documentation.run(project.root)["readme"]["path"] == "README.md"


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("CHANGES.rst", "changelog"),
        ("History.md", "changelog"),
        ("docs/changelog.md", "changelog"),
        ("docs/en/release_notes.md", "changelog"),
        ("CHANGELOG-2.x.md", "changelog"),
        (".changeset/brave-cats.md", None),
        ("changelog.d/1.feature", "changelog"),
        ("src/history.py", None),
        ("docs/contributing/index.md", "contributing"),
        ("DEVELOPMENT.md", "contributing"),
        (".github/SECURITY.md", "security_policy"),
        ("CONDUCT.md", "code_of_conduct"),
        ("CODE_OF_CONDUCT.md", "code_of_conduct"),
        ("src/conduct.py", None),
        ("src/security.py", None),
    ],
)
def test_guides_are_found_by_their_names(project, name, topic):
    project.write(name, "x")
    answer = documentation.run(project.root)
    topics = ("changelog", "contributing", "security_policy", "code_of_conduct")
    assert {each: answer[each] for each in topics if answer[each]} == ({topic: name} if topic else {})


def test_a_guide_in_the_readme_is_not_missed(project, titles):
    for number in range(6):
        project.write(f"{number}.txt", "x")
    project.write(
        "README.md", README + "## Contributing\n\nSecurity: mail us. See the [changelog](https://h/releases).\n"
    )
    assert titles(documentation.run(project.root)) == []


def test_folder_without_python(project):
    assert documentation.run(project.root)["docstrings"]["coverage"] is None


def test_a_single_script_says_nothing_about_docstrings(project):
    project.write("README.md", README)
    project.write("main.rs", "fn main() {}\n")
    project.write("release.py", "def f(): pass\n")
    assert "docstring" not in documentation.run(project.root)["summary"]


def test_the_advice_names_what_is_missing_and_all_headings_count(project):
    project.write("README.md", "# A\n\nSee the change log; report a vulnerability to us.\n" + "## B\n" * 70)
    for number in range(6):
        project.write(f"{number}.py")
    answer = documentation.run(project.root)
    assert answer["summary"].startswith("README of 71 sections")
    (finding,) = [each for each in answer["findings"] if "contributing guide" in each["title"]]
    assert finding["advice"] == "Say how to propose a change."


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("# a\n\nThis project is no longer maintained.\n", "no longer maintained"),
        ("## `a` is now unmaintained\n", "unmaintained"),
        ("# a\n**This repository has been archived**\n", "archived"),
        ("# a\nPython 2 is no longer supported. The old plugins are deprecated.\n## Deprecated methods\n", None),
        ("# a\nIt is actively maintained.\n", None),
    ],
)
def test_a_readme_that_gives_the_project_up_is_a_finding(project, titles, text, state):
    project.write("README.md", text + "\n```\nmake\n```\n")
    said = [title for title in titles(documentation.run(project.root)) if "says that" in title]
    assert said == ([f"The README says that it is {state}"] if state else [])


def test_docstrings_of_a_script_beside_the_sources_are_no_finding(project, titles):
    project.write("main.go", "package main\n" + "var x = 1\n" * 1000)
    project.write("a.py", "".join(f"def f{number}(): pass\n" for number in range(20)))
    assert not [title for title in titles(documentation.run(project.root)) if "docstring" in title]
