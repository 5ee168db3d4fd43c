"""Whether real workflows of other systems keep their order, their concurrency and all of their parts as plans.

    python -m bench.workflows [--quick] [--json] [--data DIR] [--fetch]

Eleven public workflows are named in `workflows.json`, with repository, commit and licence. They are not shipped:
`--fetch` downloads them once into the folder `workflows` of the data sets. Each is imported, validated and rehearsed on
a server, and compared with what `bench.workflow_edges` reads in its file. `--quick` compares the plans and rehearses
nothing.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from bench.report import Bench, Target, arguments
from bench.server import private_server
from bench.startup import genesis
from bench.workflow_edges import read_edges
from genesis.document import dump_yaml
from genesis.importers import Imported, import_workflow
from genesis.model import Program
from genesis.pipeline import compile_prepared, prepare
from genesis.planning import plan_document
from genesis.settings import Settings

__all__ = ["compare_plan", "compare_run", "main"]

_NAMED = Path(__file__).with_suffix(".json")
_RAW = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
_TIMEOUT_S = 300
_LONGEST_ID = 60
_ROWS = (
    ("files handed from task to task", ("files:",)),
    ("a task for each of some values", ("a copy for each",)),
    ("memory and processors", ("resources:",)),
    ("running although something failed", ("trigger rule",)),
    ("priorities", ("priority:",)),
    ("a schedule in the file", ("start: schedule", "start: trigger Schedule")),
    ("other starts: events, a person", ("start:",)),
    ("a condition", ("condition:", "expressions:", "depends:")),
    ("waiting, or an approval", ("waits for",)),
    ("a notice", ("notice:",)),
    ("an environment", ("environment:",)),
    ("a sub-workflow", ("workflow:", "action ")),
    ("parameters", ("parameter ", "parameters ")),
    ("results", ("results:",)),
    ("keeping runs apart", ("concurrency:",)),
    ("secrets", ("secret ",)),
)
"""Rows of the list of what plans could not say, by how the constructs of an import begin."""


def main() -> None:
    """Compare all workflows and print what was found."""
    parser = arguments("order, concurrency and parts of real workflows as plans")
    parser.add_argument("--fetch", action="store_true", help="download the workflows into the data folder first")
    given = parser.parse_args()
    named = json.loads(_NAMED.read_text(encoding="utf-8"))
    folder = given.data / "workflows"
    if given.fetch:
        _fetch(named, folder)
    missing = [path for each in named for path in _paths(each, folder) if not path.is_file()]
    if missing:
        raise SystemExit(f"{missing[0]} is missing: add --fetch, or name a folder with the workflows by --data")
    bench = Bench("workflows")
    faults, lost = 0, defaultdict(set)
    imported = [import_workflow(_paths(each, folder)[0]) for each in named]
    found = [
        [*compare_plan(plan, each["format"], _paths(each, folder)[0])]
        for each, plan in zip(named, imported, strict=True)
    ]
    runs = [] if given.quick else [*_rehearse(imported)]
    for at, (each, plan) in enumerate(zip(named, imported, strict=True)):
        found[at] += compare_run(plan, each["format"], _paths(each, folder)[0], runs[at]) if runs else []
        faults += len(found[at])
        rows = Counter(_row_of(loss.construct) for loss in plan.losses)
        for row in rows:
            lost[row].add(at)
        bench.add(
            workflow=f"{each['repository']} {Path(each['path']).name}",
            format=each["format"],
            leaves=len(_compile(plan).leaves),
            schedules=len(plan.plan.schedules),
            lost=sum(rows.values()),
            faults="; ".join(found[at]) or "none",
        )
    for row in (*(name for name, _ in _ROWS), "anything else"):
        bench.add(not_carried_over=row, workflows=len(lost[row]))
    bench.targets.append(Target.at_least("workflows", len(named), float(len(imported))))
    bench.targets.append(Target.at_most("faults of order, concurrency and parts", 0, float(faults)))
    bench.show(as_json=given.as_json)


def _paths(named: Mapping[str, Any], folder: Path) -> list[Path]:
    """Return the file of a workflow, and those that it refers to."""
    return [folder / named["repository"] / path for path in (named["path"], *named.get("beside", ()))]


def _fetch(named: list[dict[str, Any]], folder: Path) -> None:
    with httpx.Client(timeout=60, follow_redirects=True) as client:
        for each in named:
            for path in _paths(each, folder):
                if path.is_file():
                    continue
                name = path.relative_to(folder / each["repository"]).as_posix()
                answer = client.get(_RAW.format(repository=each["repository"], commit=each["commit"], path=name))
                answer.raise_for_status()
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(answer.content)


def _compile(imported: Imported) -> Program:
    settings = Settings()
    return compile_prepared(prepare(imported.plan, imported.registry, settings=settings), settings)


def compare_plan(imported: Imported, form: str, file: Path) -> Iterator[str]:
    """Yield where a plan differs from its file: parts that are missing or new, order that is lost or added."""
    edges = _edges(form, file)
    parts = {task.id for task in imported.plan.tasks}
    if parts != set(edges):
        yield f"parts {sorted(parts ^ set(edges))[:5]} are only on one side"
        return
    wanted = {(before, name) for name in edges for before in _all_before(name, edges)}
    direct: dict[str, set[str]] = {part: set() for part in parts}
    for source, target in imported.plan.graph().edges:
        before, name = source.partition("/")[0], target.partition("/")[0]
        direct[name] |= {before} - {name}
    there = {(before, name) for name in direct for before in _all_before(name, direct)}
    yield from (f"{before} before {name} is lost" for before, name in sorted(wanted - there))
    yield from (f"{before} before {name} is new" for before, name in sorted(there - wanted))


def compare_run(imported: Imported, form: str, file: Path, run: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a rehearsal differs from its file: tasks without an end, and tasks that began too early."""
    states = Counter(task["state"] for task in run["tasks"])
    if run["state"] != "completed" or set(states) - {"completed", "skipped"}:
        yield f"the rehearsal is {run['state']}: {dict(states)}"
    expected = {leaf.path for leaf in _compile(imported).leaves}
    if {task["id"] for task in run["tasks"]} != expected:
        yield "the rehearsal has other tasks than the plan"
    begun, ended = defaultdict(list), defaultdict(list)
    for task in run["tasks"]:
        if task["state"] == "completed":
            begun[task["id"].partition("/")[0]].append(task["started_at"])
            ended[task["id"].partition("/")[0]].append(task["ended_at"])
    edges = _edges(form, file)
    for name in edges:
        for before in _all_before(name, edges):
            if begun[name] and ended[before] and min(begun[name]) < max(ended[before]):
                yield f"{name} began before {before} had ended"


def _edges(form: str, file: Path) -> dict[str, set[str]]:
    """Return the edges in the file, with names as long as ids of an imported plan are."""
    return {
        name[:_LONGEST_ID]: {before[:_LONGEST_ID] for before in found} for name, found in read_edges(form, file).items()
    }


def _all_before(name: str, edges: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*edges[name]]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += edges[each]
    return found


def _rehearse(all_imported: list[Imported]) -> Iterator[dict[str, Any]]:
    """Rehearse each plan by `genesis run`, and return its summary."""
    with private_server() as server, tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        for imported in all_imported:
            plan, agents = Path(folder) / "plan.yaml", Path(folder) / "agents.yaml"
            plan.write_text(dump_yaml(plan_document(imported.plan, terse=True)), encoding="utf-8")
            registry = imported.registry.model_dump(mode="json", exclude_defaults=True)
            agents.write_text(dump_yaml(registry), encoding="utf-8")
            words = genesis("run", str(plan), "--agents", str(agents), "--rehearse", "0.01", "--json")
            done = subprocess.run(
                words,
                env=server.environment,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
            if not done.stdout.strip():
                raise SystemExit(f"{imported.source} was not rehearsed: {done.stderr[-2000:]}")
            yield json.loads(done.stdout)


def _row_of(construct: str) -> str:
    return next((row for row, starts in _ROWS if construct.startswith(starts)), "anything else")


if __name__ == "__main__":
    main()
