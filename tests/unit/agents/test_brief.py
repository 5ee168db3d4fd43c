import pytest

from genesis.agents.brief import BriefExecutor, work_order
from genesis.agents.contract import Work
from genesis.errors import ResourceError
from genesis.model import AgentProfile


def work(folder, **changes):
    fields = {
        "run_id": "run-1",
        "correlation_id": "c",
        "request": "Launch it\nsoon",
        "path": "launch/copy",
        "type": "content",
        "description": "Write the copy\n# not a title",
        "inputs": {},
        "outputs": ("copy", "title"),
        "agent": AgentProfile(name="marketing_agent"),
        "folder": folder,
    }
    return Work(**(fields | changes))


async def test_work_order_is_left_in_the_leafs_folder_and_the_leaf_is_briefed(tmp_path):
    result = await BriefExecutor().execute(work(tmp_path / "deep" / "er"))
    path = tmp_path / "deep" / "er" / "brief.md"
    note = f"(to be delivered by marketing_agent: see {path})"
    assert result.state == "briefed"
    assert result.value == {"brief": str(path), "copy": note, "title": note}
    assert path.read_text().startswith("# Write the copy\n")
    assert list(path.parent.iterdir()) == [path]


def test_work_order_says_what_why_with_what_and_how_to_hand_back(tmp_path):
    text = work_order(
        work(
            tmp_path,
            seconds=90.0,
            inputs={"tone": "calm", "n": 3, "sizes": [1, 2], "code": "a\n```\nb"},
            upstream={"research/users": {"summary": "two `kinds`"}, "note": "as text"},
        )
    )
    assert "> Launch it\n> soon" in text
    assert "> Write the copy\n> # not a title" in text
    assert "about 90 s" in text
    assert "## Inputs" in text
    assert "## Earlier results" in text
    assert "- `tone`: `calm`" in text
    assert "````\na\n```\nb\n````" in text
    assert "### `research/users`" in text
    assert "- `copy`\n- `title`" in text
    assert str(tmp_path / "result.json") in text


def test_work_order_has_the_schemas_of_outputs(tmp_path):
    text = work_order(work(tmp_path, schemas={"title": {"type": "string", "maxLength": 60}}))
    assert '- `copy`\n- `title`: a value of the JSON Schema `{"type": "string", "maxLength": 60}`' in text


def test_work_order_without_inputs_and_outputs_is_short(tmp_path):
    text = work_order(work(tmp_path, outputs=(), description="x" * 300))
    assert "## Inputs" not in text
    assert "## Earlier results" not in text
    assert "No named result is expected" in text
    assert text.splitlines()[0] == "# " + "x" * 99 + "…"


def test_inputs_of_one_line_are_a_list_and_ticks_are_escaped(tmp_path):
    text = work_order(work(tmp_path, inputs={"a": "x`y", "b": True}))
    assert "- `a`: `` x`y ``\n- `b`: `True`" in text


async def test_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"work order .* cannot be written: File exists"):
        await BriefExecutor().execute(work(tmp_path / "file"))
