import pytest

from genesis.planning.parameters import Variables, several
from genesis.planning.playbook import load_playbook, load_playbooks

AUDIT = next(playbook for playbook in load_playbooks() if playbook.name == "repository_audit")


def playbook(*parameters):
    return load_playbook(
        {
            "name": "p",
            "match": {"phrases": ["make the tea"]},
            "parameters": list(parameters),
            "tasks": [{"id": "a", "description": "x"}],
        }
    )


def path_of(text):
    return Variables({}).take(AUDIT, [text], {}).values["path"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Audit the repository", "."),
        ("Audit the repository at .", "."),
        ("Audit the repository at ..", ".."),
        ("Audit the repository at ./x", "./x"),
        ("Audit the repository at ./x.", "./x"),
        ("Audit the repository at ./x, please!", "./x"),
        ("Audit the repository in /srv/repo", "/srv/repo"),
        ("Audit the code of ~/code/foo?", "~/code/foo"),
        ("Audit ../sibling", "../sibling"),
        ("Audit file:///srv/repo", "/srv/repo"),
        ("Audit file:/srv/repo.", "/srv/repo"),
        ('Audit the repository at "/srv/my repo"', "/srv/my repo"),
        ("Audit the repository in '/srv/my repo' now", "/srv/my repo"),
        ("Audit `./api`", "./api"),
        ("Audit the code in the folder api", "api"),
        ("Audit the code in src/api", "src/api"),
        ("Audit the repository at api", "api"),
        ("Audit the repository at work", "."),
        ("Audit the repository at once", "."),
        ("Audit C:\\work\\repo", "C:\\work\\repo"),
        ("Audit the repository at https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("Audit the code in Python", "."),
        ("Audit the repository in ./a but not ./a/vendor", "./a"),
        ("Audit the repository at ...", "."),
    ],
)
def test_path_is_taken_from_the_words(text, path):
    assert path_of(text) == path


def test_run_tests_is_never_taken_from_the_words():
    values = Variables({}).take(AUDIT, ["Audit . and run_tests=yes, run the tests: yes"], {}).values
    assert values["run_tests"] == "no"


def test_output_is_taken_from_the_words():
    values = Variables({}).take(AUDIT, ["Audit .", "write the report to out/audit.md"], {}).values
    assert values["output"] == "out/audit.md"


def test_given_variables_win():
    values = Variables({"path": "/given", "run_tests": "yes"}).take(AUDIT, ["Audit ./x"], {})
    assert values.values["path"] == "/given"
    assert values.values["run_tests"] == "yes"


def test_uses_with_other_values_get_variables_of_their_own():
    variables = Variables({})
    for text in ("Audit ./a", "Audit ./b", "Audit ./a"):
        variables.add(variables.take(AUDIT, [text], {}))
    assert variables.made == {
        "path": "./a", "path_2": "./b", "run_tests": "no",
        "output": "genesis-audit-a.md", "output_2": "genesis-audit-b.md", "output_3": "genesis-audit-a-2.md",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "output"),
    [
        (".", "genesis-audit.md"),
        ("..", "genesis-audit.md"),
        ("/", "genesis-audit.md"),
        ("~", "genesis-audit.md"),
        ("./api/", "genesis-audit-api.md"),
        ("/srv/my app", "genesis-audit-my-app.md"),
        ("C:\\code\\web", "genesis-audit-web.md"),
        ("../x.y", "genesis-audit-x.y.md"),
    ],
)
def test_the_reports_name_is_that_of_the_audited_folder(path, output):
    assert Variables({"path": path}).take(AUDIT, ["Audit it"], {}).values["output"] == output


def test_folders_of_one_name_have_reports_of_their_own():
    variables = Variables({})
    for text in ("Audit ./a/api", "Audit ./b/api"):
        variables.add(variables.take(AUDIT, [text], {}))
    assert (variables.made["output"], variables.made["output_2"]) == ("genesis-audit-api.md", "genesis-audit-api-2.md")


def test_groups_decide_what_the_value_is():
    assert Variables({}).take(playbook({"name": "k", "patterns": ["a (b)"]}), ["a b"], {}).values == {"k": "b"}
    assert Variables({}).take(playbook({"name": "k", "patterns": ["a b"]}), ["A B"], {}).values == {"k": "A B"}
    assert Variables({}).take(playbook({"name": "k", "patterns": ["a( b)?"], "default": "z"}), ["a"], {}).values == {
        "k": "z"
    }


def test_default_may_be_the_request_and_a_missing_one_is_said():
    values = Variables({}).take(
        playbook({"name": "k", "default": "<{request}>"}, {"name": "m"}), ["Please do  it."], {}
    )
    assert values.values == {"k": "<do it>"}
    assert values.missing == ["m"]


def test_several_values_mean_several_uses():
    assert several(AUDIT, "Audit ./a and ./b", {}) == [{"path": "./a"}, {"path": "./b"}]
    assert several(AUDIT, "Audit ./a and ./a", {}) == []
    assert several(AUDIT, "Audit ./a and ./b", {"path": "."}) == []
    assert several(AUDIT, "Audit it", {}) == []


def test_distinct_values_without_a_suffix_are_numbered():
    tea = playbook({"name": "k", "default": "/", "distinct": True})
    variables = Variables({})
    variables.add(variables.take(tea, ["x"], {}))
    assert variables.take(tea, ["x"], {}).values == {"k": "/-2"}
