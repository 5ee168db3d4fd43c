import json

import pytest

from genesis.document import dump_yaml
from genesis.errors import DocumentError, UsageError
from genesis.planning.playbook import Playbook, load_playbook, load_playbooks
from genesis.settings import Limits

GOOD = {
    "name": "tea",
    "match": {"phrases": ["make the tea"]},
    "parameters": [{"name": "kind", "patterns": [r"(?P<value>\w+) tea"], "default": "black"}],
    "tasks": [{"id": "boil", "description": "Boil water for {kind} tea", "inputs": {"kind": "{kind}"}}],
}


def test_packaged_playbooks_load_in_order_of_their_names():
    names = [playbook.name for playbook in load_playbooks()]
    assert names == ["product_launch", "repository_audit", "research_report", "software_feature"]


def test_team_playbooks_come_first_and_replace_packaged_ones(tmp_path):
    (tmp_path / "b.yaml").write_text(dump_yaml(GOOD))
    (tmp_path / "a.json").write_text(json.dumps(GOOD | {"name": "repository_audit"}))
    (tmp_path / ".hidden.yaml").write_text("nonsense: [")
    (tmp_path / "notes.txt").write_text("nonsense")
    (tmp_path / "folder.yaml").mkdir()
    playbooks = load_playbooks(tmp_path)
    assert [playbook.name for playbook in playbooks][:3] == ["repository_audit", "tea", "product_launch"]
    assert len(playbooks) == 5
    assert playbooks[0].tasks[0].id == "boil"


def test_empty_folder_leaves_the_packaged_ones(tmp_path):
    assert len(load_playbooks(tmp_path)) == 4


def test_missing_folder_and_file_as_folder_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        load_playbooks(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be read"):
        load_playbooks(tmp_path / "file")


def test_two_playbooks_of_one_name_are_refused(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(dump_yaml(GOOD))
    with pytest.raises(DocumentError, match="both called 'tea'"):
        load_playbooks(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": []}, "tasks"),
        ({"tasks": [{"id": "a/b", "description": "x"}]}, "tasks[0].id"),
        ({"tasks": [{"id": "a", "descripton": "x"}]}, "did you mean 'description'?"),
        ({"mach": {}}, "did you mean 'match'?"),
        ({"match": {"patterns": ["("]}}, "is not a regular expression"),
        ({"match": {"patterns": ["a{99999999999999999999}"]}}, "is not a regular expression"),
        ({"match": {"patterns": ["(" * 2000 + ")" * 2000]}}, "is not a regular expression"),
        ({"match": {}}, "no request matches it"),
        ({"match": {"phrases": ["the audit"]}}, "is a single content word"),
        ({"parameters": GOOD["parameters"] * 2}, "two are called 'kind'"),
        ({"parameters": [{"name": "no space"}]}, "parameters[0].name"),
        ({"tasks": [{"id": "a", "description": "x", "depends_on": ["b"]}]}, "depends on 'b', which is no task"),
        ({"refine": {"wrok": [{"id": "a", "description": "x"}]}}, "no task of the playbook has this type"),
        ({"version": 2}, "version"),
    ],
)
def test_each_mistake_is_named_with_its_place(change, message):
    with pytest.raises(DocumentError) as caught:
        load_playbook(GOOD | change)
    assert message in caught.value.message


def test_unknown_variable_is_answered_with_the_nearest_parameter():
    tasks = [{"id": "a", "description": "x", "inputs": {"i": "{kin}"}}]
    with pytest.raises(DocumentError) as caught:
        load_playbook(GOOD | {"tasks": tasks})
    assert caught.value.hint == "did you mean 'kind'?"
    assert caught.value.data["errors"] == ["tasks: 'a' says {kin}, which is not a parameter"]


def test_many_problems_are_counted():
    tasks = [{"id": f"t{number}", "description": "{x" + str(number) + "}"} for number in range(9)]
    with pytest.raises(DocumentError, match="and 4 more"):
        load_playbook(GOOD | {"tasks": tasks})


def test_files_are_bounded(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(dump_yaml(GOOD))
    with pytest.raises(DocumentError, match="bytes"):
        load_playbook(path, limits=Limits(document_bytes=10))
    assert load_playbook(path).name == "tea"


def test_schema_names_the_keys():
    schema = Playbook.model_json_schema()
    assert set(schema["required"]) == {"name", "match", "tasks"}
    assert {"parameters", "refine"} < set(schema["properties"])
