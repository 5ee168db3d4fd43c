"""How well routing finds the agent that a request is about, what it refuses, and what it costs a task.

    python -m bench.routing [--quick] [--json] [--data DIR]

**Choice.** Each tool of MetaTool (arXiv:2310.03128) is an agent with the tool's own name and description, and takes the
one type that all tasks have, so that only the description decides; a query is a task. AssetOpsBench's requests name the
agent that is expected; it has no descriptions of its agents, so the four here are this project's own words. Labels of
both are noisy. Baselines: the first agents of the list, a drawn order, and the number of words in common.

**Refusal.** A request of no type and one tool: is it sent there? BFCL's `irrelevance` has tools that do not fit, often
in the words of the request. MetaTool's right tool and another one that is drawn stand beside it, because a router that
refuses everything refuses those too.

**Time.** A plan of tasks with types, descriptions that differ, and the packaged registry, with reasons and
alternatives, beside picking the first agent of the type from a dictionary and writing its route. Sizes are interleaved;
rows hold medians of the time that passed and the least CPU time; preparing the registry is shown apart and included.
"""

from __future__ import annotations

import gc
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.report import Bench, arguments
from genesis.model import AgentProfile, Plan, Registry, Route, RoutedPlan
from genesis.routing import Router, Similarity, load_registry, route

_TYPE = "query"
_SIZES = (100, 1_000, 5_000)
_SEED = 20
_WORD = re.compile(r"\w+")
_TOP = 5

Ranking = Callable[[str], Sequence[int]]
"""Positions of agents, best first, for a request."""

_ASSET_AGENTS = {
    "IoT": "Sites, assets, sensors and their metadata; downloads the measured data of an asset at a site for a period",
    "FMSR": "Failure modes of assets, and which sensors detect which failure",
    "TSFM": "Time series models: forecasting, anomaly detection, prediction and tuning on data in a file",
    "Workorder": "Work orders, alerts and events of equipment; maintenance history and recommendations",
}
_STEPS = (
    ("implement", "Implement the {noun} form and connect it to the service number {n}"),
    ("test", "Write unit tests for the {noun} and run them"),
    ("documentation", "Describe how customers use the {noun} of release {n}"),
    ("research", "Survey how competitors solve the {noun}"),
    ("deploy", "Deploy the {noun} to the cluster"),
    ("design", "Sketch the {noun} with its states and limits"),
    ("analytics", "Report how often the {noun} is used"),
)
_NOUNS = ("login", "billing", "search", "upload", "export", "invoice", "basket", "profile", "message", "calendar")


def main() -> None:
    options = arguments(__doc__.splitlines()[0]).parse_args()
    bench = Bench("routing")
    if not (options.data / "metatool").is_dir():
        raise SystemExit(f"there is no data in {options.data}; name its folder with --data")
    tools, queries = metatool(options.data)
    choice(bench, tools, queries[::3] if options.quick else queries, options.data)
    refusal(bench, tools, queries[::3] if options.quick else queries, options.data)
    speed(bench, repeats=5 if options.quick else 21)
    bench.show(as_json=options.as_json)


def metatool(data: Path) -> tuple[list[AgentProfile], list[tuple[str, int]]]:
    """Read the tools as agents, and the queries with the position of their tool."""
    described = json.loads((data / "metatool" / "plugin_des.json").read_text(encoding="utf-8"))
    position = {name: index for index, name in enumerate(described)}
    tools = [_tool(name, text) for name, text in described.items()]
    rows = _lines(data / "metatool" / "single_tool_sample.jsonl")
    return tools, [(row["query"], position[row["tool"]]) for row in rows if row["tool"] in position]


def choice(bench: Bench, tools: list[AgentProfile], queries: list[tuple[str, int]], data: Path) -> None:
    _choice(bench, "metatool", tools, queries)
    agents = [_tool(name, text) for name, text in _ASSET_AGENTS.items()]
    names = list(_ASSET_AGENTS)
    rows = _lines(data / "assetopsbench" / "all_utterance.jsonl")
    labelled = [(row["text"], names.index(row["type"])) for row in rows if row.get("type") in _ASSET_AGENTS]
    _choice(bench, "assetopsbench", agents, labelled)


def _choice(bench: Bench, name: str, agents: list[AgentProfile], queries: list[tuple[str, int]]) -> None:
    router = Router(Registry(agents=tuple(agents)))
    routed = sum(_route(router, text, _TYPE) == agents[right].name for text, right in queries)
    rankings = {"first": _first(agents), "drawn": _draw(agents), "words in common": _overlap(agents)}
    for method, rank in {"genesis": _similarity(agents), **rankings}.items():
        found = [list(rank(text)) for text, _ in queries]
        pairs = list(zip(found, (right for _, right in queries), strict=True))
        top1 = sum(ranking[:1] == [right] for ranking, right in pairs)
        top5 = sum(right in ranking[:_TOP] for ranking, right in pairs)
        bench.add(
            set=name,
            method=method,
            agents=len(agents),
            queries=len(queries),
            top1=_share(routed if method == "genesis" else top1, len(queries)),
            **({"top5": _share(top5, len(queries))} if len(agents) > _TOP else {}),
        )


def refusal(bench: Bench, tools: list[AgentProfile], queries: list[tuple[str, int]], data: Path) -> None:
    draw = random.Random(_SEED)
    right = [(text, tools[tool]) for text, tool in queries]
    wrong = [(text, tools[(tool + draw.randrange(1, len(tools))) % len(tools)]) for text, tool in queries]
    rows = _lines(data / "bfcl" / "irrelevance.jsonl")
    unfit = [(_question(row), _function(function)) for row in rows for function in row["function"]]
    methods: dict[str, Callable[[str, AgentProfile], bool]] = {
        "genesis": lambda text, tool: _route(Router(Registry(agents=(tool,))), text, "generic") is not None,
        "a word in common": lambda text, tool: bool(_overlap([tool])(text)),
        "refuse all": lambda _text, _tool: False,
    }
    for method, accepts in methods.items():
        bench.add(
            method=method,
            bfcl_irrelevant_refused=_share(sum(not accepts(*pair) for pair in unfit), len(unfit)),
            metatool_wrong_refused=_share(sum(not accepts(*pair) for pair in wrong), len(wrong)),
            metatool_right_accepted=_share(sum(accepts(*pair) for pair in right), len(right)),
            bfcl_requests=len(unfit),
            metatool_requests=len(right),
        )


def speed(bench: Bench, repeats: int) -> None:
    registry = load_registry()
    plans = {size: _plan(size) for size in _SIZES}
    ways: dict[str, Callable[[Plan], object]] = {
        "genesis": lambda plan: route(plan, registry),
        "first of the type": lambda plan: _first_of_type(plan, registry),
    }
    times: dict[tuple[str, int], list[tuple[float, float]]] = {(way, size): [] for way in ways for size in _SIZES}
    for _ in range(repeats):
        for (way, size), taken in times.items():
            gc.collect()
            taken.append(_time(lambda way=ways[way], plan=plans[size]: way(plan)))
    for (way, size), taken in times.items():
        passed, worked = statistics.median(wall for wall, _ in taken), min(cpu for _, cpu in taken)
        bench.add(
            method=way,
            tasks=size,
            us_a_task=round(passed / size * 1e6, 2),
            cpu_us_a_task=round(worked / size * 1e6, 2),
            ms=round(passed * 1e3, 2),
        )
    prepared = [_time(lambda: Router(registry)) for _ in range(repeats)]
    bench.add(step="prepare the registry", ms=round(statistics.median(wall for wall, _ in prepared) * 1e3, 2))


def _time(work: Callable[[], object]) -> tuple[float, float]:
    """Return the time that passed and the CPU time, in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    worked = time.process_time() - cpu
    return time.perf_counter() - wall, worked


def _plan(size: int) -> Plan:
    tasks = []
    for index in range(size):
        kind, text = _STEPS[index % len(_STEPS)]
        noun = _NOUNS[index // len(_STEPS) % len(_NOUNS)]
        tasks.append({"id": f"t{index}", "type": kind, "description": text.format(noun=noun, n=index)})
    return Plan.model_validate({"request": "Deliver all of it", "tasks": tasks})


def _first_of_type(plan: Plan, registry: Registry) -> RoutedPlan:
    takers: dict[str, str] = {}
    for agent in registry.agents:
        for kind in agent.task_types:
            takers.setdefault(kind, agent.name)
    routes = {task.id: Route(agent=takers[task.type], score=1.0, reason="takes the type") for task in plan.tasks}
    return RoutedPlan(plan=plan, routes=routes)


def _route(router: Router, text: str, kind: str) -> str | None:
    task = {"id": "t", "type": kind, "description": text}
    return router.route(Plan.model_validate({"request": text, "tasks": [task]})).routes["t"].agent


def _similarity(agents: Sequence[AgentProfile]) -> Ranking:
    reader = Similarity(agents).reader()
    return lambda text: [agent for _, agent in sorted((-near, agent) for agent, near in reader.read(text).items())]


def _first(agents: Sequence[AgentProfile]) -> Ranking:
    return lambda _text: range(len(agents))


def _draw(agents: Sequence[AgentProfile]) -> Ranking:
    draw = random.Random(_SEED)
    return lambda _text: draw.sample(range(len(agents)), len(agents))


def _overlap(agents: Sequence[AgentProfile]) -> Ranking:
    words = [set(_words(f"{agent.name} {agent.description}")) for agent in agents]

    def rank(text: str) -> list[int]:
        asked = set(_words(text))
        counted = sorted((-len(asked & known), agent) for agent, known in enumerate(words))
        return [agent for count, agent in counted if count]

    return rank


def _words(text: str) -> Iterable[str]:
    return _WORD.findall(text.lower())


def _tool(name: str, description: str) -> AgentProfile:
    return AgentProfile(name=re.sub(r"[^\w.\-]", "_", name), description=description, task_types=(_TYPE,))


def _function(function: dict[str, Any]) -> AgentProfile:
    parameters = function.get("parameters", {}).get("properties", {})
    return _tool(function["name"], " ".join((function.get("description", ""), *parameters)))


def _question(row: dict[str, Any]) -> str:
    return " ".join(turn["content"] for turns in row["question"] for turn in turns if turn["role"] == "user")


def _share(count: int, total: int) -> float:
    return round(count / total, 4) if total else 0.0


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()
