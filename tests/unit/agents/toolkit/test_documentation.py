from genesis.agents.toolkit import documentation

README = "# Title\n\n## Install\n\n```sh\n# not a heading\n```\n\nUsage\n-----\n\n" + "word " * 100 + "\n"


def test_documents_and_sections(project):
    project.write("README.md", README)
    for name in ("CHANGELOG.md", ".github/CONTRIBUTING.md", "SECURITY.md", "docs/a.md", "docs/b.rst", "docs/c.py"):
        project.write(name)
    answer = documentation.run(project.root)
    assert answer["readme"] == {"path": "README.md", "words": 112, "sections": ["Title", "Install", "Usage"]}
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
        "No changelog",
        "No CONTRIBUTING guide",
        "No security policy",
        "0 % of public Python objects have a docstring",
    ]


def test_short_and_incomplete_readmes(project, titles):
    project.write("README", "Hello.\n")
    assert titles(documentation.run(project.root)) == ["The README has only 1 word"]
    project.write("README", "Title\n=====\n\nLicence\n-------\n" + "word " * 80)
    assert titles(documentation.run(project.root)) == [
        "The README has no section on how to install it or how to use it"
    ]


def test_folder_without_python(project):
    assert documentation.run(project.root)["docstrings"]["coverage"] is None
