"""Write the sample of the README anew, from a real run: `make sample`, or `python docs/tools/sample.py`.

The main job runs on a clone of what is committed, in a home of its own, 110 columns wide. Of what it prints, the parts
that a reader would not miss are left out: an ellipsis stands for them. A test compares the sample with what planning
prints now, and with the shape of a run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["COMMAND", "abridge_plan", "abridge_run", "normalise", "read_sample", "sample"]

ROOT = Path(__file__).parents[2]
COMMAND = 'genesis run "Audit the repository at ."'
COLUMNS = 110
_PART = re.compile(r"(<!-- sample -->\n```console\n).*?(```\n<!-- /sample -->)", re.DOTALL)
_BRANCHES = 6
"""Lines of the tree from its top."""
_ENDS = 2
"""Tasks that are shown as they end, besides the last."""
_VOLATILE = (
    (re.compile(r" \(including start-up: [^)]*\)"), ""),
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{6,12}\b"), "RUN"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "PORT"),
    (re.compile(r"(?:/[\w.\-]+)+/(?=[\w.\-]+\.md)"), "FOLDER/"),
    (re.compile(r"(?<![\d.])(?!127\.0\.0\.1)\d+(?:[.,]\d+)*(?: (?:h|min|s)\b(?: \d+ (?:min|s)\b)*)?"), "N"),
    (re.compile(r" {2,}"), " "),
)


def abridge_plan(lines: list[str]) -> list[str]:
    """Keep the top of a plan's tree, its last task, and the totals."""
    total = next(number for number, line in enumerate(lines) if re.match(r"[\d,]+ tasks? on ", line))
    verdict = next(number for number, line in enumerate(lines) if line.startswith(("the plan can", "the plan cannot")))
    last = max(number for number, line in enumerate(lines[:total]) if line.startswith("└──"))
    return [*lines[: 1 + _BRANCHES], "…", *lines[last:total], *lines[total : verdict + 1]]


def abridge_run(lines: list[str]) -> list[str]:
    """Keep where a run can be watched, some tasks as they end, and how it ended."""
    begun = next(number for number, line in enumerate(lines) if line.startswith("Run "))
    ended = [line for line in lines[begun:] if line[:2] in ("✓ ", "✗ ", "✎ ", "– ")]
    closing = next(number for number, line in enumerate(lines) if re.match(r"\w+ · .* tasks? done in ", line))
    return [*lines[begun : begun + 2], *ended[:_ENDS], "…", ended[-1], *lines[closing:]]


def normalise(text: str) -> str:
    """Put one word in place of each number, id, port and folder, and one space in place of several."""
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text


def sample() -> str:
    """Run the main job, and abridge what it prints."""
    with tempfile.TemporaryDirectory() as home:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GENESIS_"))}
        environment = {**kept, "HOME": home, "COLUMNS": str(COLUMNS), "GENESIS_SERVER__START_TIMEOUT_S": "600"}
        project = Path(home) / "project"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(project)], check=True)
        program = [sys.executable, "-P", "-m", "genesis.cli"]
        try:
            done = subprocess.run(
                [*program, "run", "Audit the repository at ."],
                cwd=project,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            )
        finally:
            subprocess.run([*program, "server", "down"], cwd=project, env=environment, check=False, capture_output=True)
        text = done.stdout.replace(home, "/home/ada")
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join([*abridge_plan(lines), "", *map(_cut, abridge_run(lines))])


def _cut(line: str) -> str:
    is_command = line.startswith(("http", "Watch", "Report", "All about"))
    return line if is_command or len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…"


def read_sample(page: str) -> str:
    """Return the sample that stands in a page."""
    found = _PART.search(page)
    if found is None:
        raise ValueError("the page has no part between <!-- sample --> and <!-- /sample -->")
    return found[0].removeprefix(found[1]).removesuffix(found[2])


def main() -> None:
    """Write the README."""
    readme = ROOT / "README.md"
    page = readme.read_text(encoding="utf-8")
    made = f"$ {COMMAND}\n{sample()}\n"
    readme.write_text(_PART.sub(lambda found: f"{found[1]}{made}{found[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
