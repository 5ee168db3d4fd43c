"""What the documentation says is true: links lead somewhere, commands parse, documents load, tables match the code."""

import ast
import contextlib
import importlib
import io
import json
import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.console import Console

import genesis
from genesis import errors
from genesis.cli.app import _COMMANDS, _genesis
from genesis.cli.limits import EXIT_INTERRUPTED
from genesis.cli.planning import forecast_plan, prepare_plan
from genesis.cli.render import plan_view
from genesis.document import parse
from genesis.model import AgentProfile, Plan, Task
from genesis.planning import Playbook, load_plan, load_playbooks
from genesis.routing import load_registry
from genesis.settings import Settings
from genesis.structure import outline

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_PAGES = sorted([*_ROOT.glob("*.md"), *_DOCS.rglob("*.md")])
_PAGES = [page for page in _PAGES if page.name != "genesis-audit.md"]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CODE = re.compile(r"GEN-[A-Z]+(?:-[A-Z]+)*")
_NOT_A_CODE = {"GEN-MODEL-", "GEN-PLANNING-", "GEN-REPAIR-"}

each_page = pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))


def _blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in _FENCE.findall(page.read_text(encoding="utf-8")) if language in languages]


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@each_page
def test_relative_links_lead_somewhere(page: Path):
    for link in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(_ROOT), f"{link} leads out of the project"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", _prose(target), re.MULTILINE)
            assert anchor in [_anchor(heading) for heading in headings], f"{link}: there is no such heading"


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [_ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = [link.partition("#")[0] for link in _LINK.findall(_prose(page)) if not re.match(r"[a-z]+:", link)]
        waiting += [(page.parent / link).resolve() for link in links if link]
    assert set(_PAGES) <= reached


def _commands(page: Path) -> Iterator[list[str]]:
    """Return the words after `genesis` of each command in a page's shell blocks and in the code of its sentences."""
    lines = [line for text in _blocks(page, "bash", "console", "") for line in text.splitlines()]
    shown = [line.removeprefix("$ ") for line in lines]
    for line in [*shown, *_SPAN.findall(_prose(page))]:
        yield from _calls(line)


def _calls(line: str) -> Iterator[list[str]]:
    if "genesis " not in line:
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # output of a program, not a command
        return
    call: list[str] | None = None
    for word in [*words, ";"]:
        if set(word) <= set("|&;<>"):
            if call is not None:
                yield call
            call = None
        elif call is not None:
            call.append(word)
        elif word == "genesis" or word.endswith("/genesis"):
            call = []
        elif not re.match(r"\w+=", word):  # a variable for the command may come before it
            return


def _parse(words: list[str]) -> None:
    """Parse a call as far as it is written; a sentence may leave the arguments out."""
    command, name = _genesis, "genesis"
    parent = click.Context(command, info_name=name)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, found, words = command.resolve_command(parent, words)
        if found is None:
            raise click.UsageError(f"there is no command {name!r}")
        command, parent = found, click.Context(found, parent=parent, info_name=name)
    with contextlib.suppress(click.MissingParameter, click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        command.make_context(name, list(words), parent=parent.parent)


@each_page
def test_commands_parse(page: Path, capsys):
    for words in _commands(page):
        try:
            _parse(words)
        except click.UsageError as error:
            pytest.fail(f"genesis {shlex.join(words)}: {error.format_message()}")


@pytest.mark.parametrize("words", [["pln", "x"], ["plan", "x", "--lllm", "off"], ["run", "x", "--slots", "N"]])
def test_a_wrong_command_would_be_found(words: list[str]):
    with pytest.raises(click.UsageError):
        _parse(words)


def test_commands_are_found_in_sentences_and_blocks():
    found = list(_commands(_DOCS / "guide" / "getting-started.md"))
    assert ["run", "plan.yaml", "--agents", "agents.yaml", "--var", "folder=.."] in found
    assert ["doctor"] in found


@each_page
def test_yaml_and_json_examples_load(page: Path):
    for text in _blocks(page, "yaml"):
        value = parse(text, source=page.name)
        if not isinstance(value, dict):
            continue
        if "agents" in value:
            load_registry(value)
        elif "match" in value:
            Playbook.model_validate(value)
        elif "request" in value:
            load_plan(value)
    for text in _blocks(page, "json"):
        json.loads(text)


@each_page
def test_python_examples_compile_and_name_what_there_is(page: Path):
    for text in _blocks(page, "python"):
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "genesis":
                assert node.attr in genesis.__all__
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("genesis"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)


def test_generated_parts_are_as_the_code_has_them():
    regenerate = runpy.run_path(str(_DOCS / "tools" / "pages.py"))["regenerate"]
    stale = [page.name for page in _PAGES if regenerate(page.read_text(encoding="utf-8")) != page.read_text("utf-8")]
    assert stale == [], "run: make docs"


def _rows(page: Path, heading: str) -> dict[str, list[str]]:
    """Return the rows of the table under a heading, by the code in their first cell."""
    text = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row for row in rows}


@pytest.mark.parametrize(("heading", "model"), [("Keys of the plan", Plan), ("Keys of a task", Task)])
def test_plan_file_page_has_every_key_with_its_default(heading: str, model: type[Plan | Task]):
    rows = _rows(_DOCS / "guide" / "plan-file.md", heading)
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(rows) == set(fields)
    for name, field in fields.items():
        shown = rows[name][2].strip("`")
        if field.is_required():
            assert shown == ""
        elif isinstance(field.default, bool):
            assert shown == str(field.default).lower()
        elif isinstance(field.default, int) or (isinstance(field.default, str) and field.default):
            assert shown == str(field.default)


def test_agents_page_has_every_key_of_an_agent():
    rows = _rows(_DOCS / "guide" / "agents.md", "An agent")
    assert set(rows) >= set(AgentProfile.model_fields)


def test_executors_page_has_every_kind():
    page = (_DOCS / "guide" / "executors.md").read_text(encoding="utf-8")
    kinds = re.findall(r'kind: Literal\["(\w+)"\]', (_ROOT / "genesis" / "model" / "agent.py").read_text("utf-8"))
    assert len(kinds) > 5
    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) >= set(kinds)


@pytest.mark.parametrize("name", _COMMANDS)
def test_command_line_page_has_every_command_and_option(name: str):
    page = (_DOCS / "guide" / "command-line.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## genesis {name}\n")[2].partition("\n## ")[0]
    assert section, f"there is no section for genesis {name}"
    command = _genesis.get_command(click.Context(_genesis), name)
    commands = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
    for found in commands:
        if found is not command:
            assert f"genesis {name} {found.name}" in section
        for option in (parameter for parameter in found.params if isinstance(parameter, click.Option)):
            longest = max(option.opts, key=len)
            assert longest in ("--debug", "--json") or f"`{longest}" in section or f", `{longest}" in section, longest


def test_command_line_page_has_every_exit_code():
    rows = re.findall(r"^\| (\d+) \|", (_DOCS / "guide" / "command-line.md").read_text("utf-8"), re.MULTILINE)
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert {int(row) for row in rows} >= raised | {0, EXIT_INTERRUPTED}


def _codes_in_the_source() -> set[str]:
    found: set[str] = set()
    for source in (*(_ROOT / "genesis").rglob("*.py"), *(_ROOT / "genesis_audit").rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
                found.add(node.value)
    return found


def test_every_code_is_documented_and_every_documented_code_exists():
    pages = [_DOCS / "reference" / "errors.md", _DOCS / "reference" / "checks.md", _DOCS / "guide" / "models.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    # `GEN-MODEL-AUTH`, `-QUOTA` stands for both
    for first, more in re.findall(r"`(GEN-[A-Z]+)-[A-Z-]+`((?:, `-[A-Z-]+`)+)", text):
        text += "".join(f" {first}{rest}" for rest in re.findall(r"`(-[A-Z-]+)`", more))
    documented = set(_CODE.findall(text))
    exist = _codes_in_the_source()
    assert exist - documented == set()
    assert documented - exist - {prefix.rstrip("-") for prefix in _NOT_A_CODE} == set()


def test_counts_in_the_text_are_right():
    limits = Settings().limits
    registry, playbooks = load_registry(), load_playbooks(None)
    leaves = outline(genesis.make_plan("Audit the repository at .", planner="heuristic", registry=registry)).leaves
    for page, sentence in (
        ("guide/getting-started.md", f"a plan of {_WORDS[len(leaves)]} tasks"),
        ("guide/agents.md", f"{_WORDS[len(registry.agents)]} agents"),
        ("guide/playbooks.md", f"{_WORDS[len(playbooks)].capitalize()} playbooks are packaged"),
        ("guide/python.md", f"There are {_WORDS[len(genesis.__all__)]}:"),
        ("guide/plan-file.md", f"a depth of {limits.depth} and to {limits.fan_out} subtasks"),
        ("guide/plan-file.md", f"at most {limits.leaves:,}"),
        ("guide/plan-file.md", f"more than {limits.document_bytes // 10**6} MB"),
        ("guide/plan-file.md", f"nested deeper than {limits.document_depth}"),
        ("guide/executors.md", f"more than {limits.result_inline_bytes // 1024} KiB"),
        ("guide/executors.md", f"{limits.output_bytes // 10**6} MB of each stream"),
        ("guide/command-line.md", f"maximum number of leaves running concurrently, {Settings().run.slots} by default"),
    ):
        assert sentence in (_DOCS / page).read_text(encoding="utf-8"), page


_WORDS = {4: "four", 12: "twelve", 15: "fifteen", 20: "twenty"}


def test_constraints_pin_everything_and_name_no_address():
    lines = (_ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(pin.url is None and str(pin.specifier).startswith("==") for pin in pins)
    assert not any("://" in line for line in lines)
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [wanted for extra in project["optional-dependencies"].values() for wanted in extra]
    for wanted in map(Requirement, [*project["dependencies"], *extras]):
        if wanted.name == project["name"]:
            continue
        found = [pin for pin in pins if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
        assert found, f"{wanted.name} is not pinned; run: make lock"
        for pin in found:
            assert wanted.specifier.contains(str(pin.specifier).removeprefix("==")), f"{pin}; run: make lock"


def test_no_lock_file_with_addresses_is_kept():
    assert "uv.lock" in (_ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    return runpy.run_path(str(_DOCS / "tools" / "sample.py"))


def _read_shown_plan(columns: int) -> list[str]:
    settings = Settings()
    prepared = prepare_plan("Audit the repository at .", settings, agents=None, playbooks=None, variables={})
    out = io.StringIO()
    Console(file=out, width=columns, highlight=False).print(
        plan_view(prepared.routed, prepared.report, forecast_plan(prepared, settings))
    )
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_sample_of_the_readme_shows_the_plan_that_is_made_now(sample, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(_ROOT)
    command, plan = (
        sample["read_sample"]((_ROOT / "README.md").read_text(encoding="utf-8")).partition("\n\n")[0].split("\n", 1)
    )
    assert command == f"$ {sample['COMMAND']}"
    made = "\n".join(sample["abridge_plan"](_read_shown_plan(sample["COLUMNS"])))
    normalise = sample["normalise"]
    assert normalise(plan) == normalise(made), "write it anew: make sample"


def test_the_sample_of_the_readme_has_the_shape_of_a_run(sample):
    run = sample["read_sample"]((_ROOT / "README.md").read_text(encoding="utf-8")).partition("\n\n")[2].splitlines()
    begun, url, *ended = [sample["normalise"](line) for line in run]
    assert (begun, url) == ("Run RUN", "http://127.0.0.1:PORT/runs/flow-run/ID")
    tasks = [line for line in ended if line.startswith("✓ ")]
    assert all(re.fullmatch(r"✓ [\w/]+ \w+ N \S.*", line) for line in tasks), tasks
    assert ended[:4] == [*tasks[:2], "…", tasks[2]]
    assert re.fullmatch(r"completed · N of N tasks done in N( · .*)?", ended[4])
    assert ended[5:] == [
        "Report by 'report': FOLDER/genesis-audit.md",
        "Watch it in the Prefect UI: http://127.0.0.1:PORT/runs/flow-run/ID",
    ]
    assert max(map(len, run[2:6])) <= sample["COLUMNS"]


def test_the_sample_is_abridged_and_normalised_in_what_changes_from_run_to_run(sample):
    lines = [
        "Run 20261129-114944-d7831f",
        "http://x",
        "✓ a  w  3.3 s  1,234 files",
        "✓ b",
        "✓ c",
        "task  agent",
        "a  w",
    ]
    closing = ["completed · 3 of 3 tasks done in 1 min 45 s · $0.00", "Report by 'r': /tmp/x/genesis-audit.md"]
    shown = sample["abridge_run"](["noise", *lines, *closing])
    assert shown == [*lines[:4], "…", "✓ c", *closing]
    assert sample["normalise"]("\n".join(shown)).splitlines() == [
        "Run RUN", "http://x", "✓ a w N N files", "✓ b", "…", "✓ c",
        "completed · N of N tasks done in N · $N", "Report by 'r': FOLDER/genesis-audit.md",
    ]  # fmt: skip
