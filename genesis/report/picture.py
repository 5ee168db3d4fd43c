"""Draw a program's DAG as an SVG picture.

Both faces of the Prefect UI show an SVG image that is embedded in Markdown as a data URI; neither shows raw SVG, and
only one draws Mermaid. An embedded picture cannot know whether the page around it is light or dark: it brings its own
light ground. Colours repeat what the boxes say in words.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genesis.model import FINISHED, Program, TaskState
from genesis.report.graph_layout import Layout, layout
from genesis.report.overview import Box, Overview, overview
from genesis.report.rendering import render
from genesis.text import cells, fit_line, one_line

__all__ = ["Picture", "box_name", "state_of"]

_log = logging.getLogger(__name__)
_MARGIN = 16.0
"""Pixels around the picture."""
_LABEL_CELLS, _NOTE_CELLS = 21, 26
_LEGEND_LINE, _CELL = 20.0, 6.6
_LEAST_WIDTH = 320.0
"""Pixels that the legend needs."""


@dataclass(frozen=True, slots=True)
class _Colour:
    fill: str
    line: str


_AGENT_COLOURS = tuple(
    _Colour(*pair)
    for pair in (
        ("#dbeafe", "#2563eb"), ("#dcfce7", "#16a34a"), ("#fef3c7", "#d97706"), ("#fae8ff", "#a21caf"),
        ("#ffe4e6", "#e11d48"), ("#cffafe", "#0891b2"), ("#ede9fe", "#7c3aed"), ("#ffedd5", "#ea580c"),
        ("#ecfccb", "#65a30d"), ("#e0e7ff", "#4338ca"), ("#fce7f3", "#be185d"), ("#e7e5e4", "#57534e"),
        ("#a7f3d0", "#065f46"), ("#fecaca", "#7f1d1d"), ("#bfdbfe", "#1e3a8a"),
    )
)  # fmt: skip
_MIXED = _Colour("#f1f5f9", "#64748b")
_STATE_COLOURS: dict[TaskState, _Colour] = {
    "failed": _Colour("#fee2e2", "#dc2626"),
    "running": _Colour("#fef3c7", "#d97706"),
    "awaiting_approval": _Colour("#ffedd5", "#ea580c"),
    "cancelled": _Colour("#e2e8f0", "#475569"),
    "skipped": _Colour("#f1f5f9", "#94a3b8"),
    "pending": _Colour("#ffffff", "#cbd5e1"),
    "briefed": _Colour("#ede9fe", "#7c3aed"),
    "cached": _Colour("#ccfbf1", "#0d9488"),
    "completed": _Colour("#dcfce7", "#16a34a"),
}
"""In the order in which one state speaks for a box with many leaves."""


class Picture:
    """The picture of one program: laid out once, drawn as often as its states change.

    Args:
        program: What is drawn; up to 60 leaves each have a box, more are summed up by composite or by step.
    """

    def __init__(self, program: Program):
        self._program = program
        self._overview: Overview | None = None
        self._layout: Layout | None = None
        try:
            self._overview = overview(program)
            self._layout = layout(self._overview.before, self._overview.depth) if self._overview else None
        except Exception as error:  # noqa: BLE001  # the boundary of drawing: the run continues without a picture
            self._overview = None
            _log.warning("the plan's picture cannot be drawn", extra={"reason": repr(error)})

    @property
    def shows_leaves(self) -> bool:
        """Whether each leaf has a box of its own."""
        return self._overview is not None and len(self._overview.boxes) == len(self._program.leaves)

    def by_agent(self) -> str:
        """Draw it with a colour for each agent.

        Returns:
            SVG; empty where nothing can be drawn.
        """
        names = list(dict.fromkeys(leaf.agent for leaf in self._program.leaves if leaf.agent))
        colours = {name: _AGENT_COLOURS[number % len(_AGENT_COLOURS)] for number, name in enumerate(names)}

        def colour(box: Box) -> _Colour:
            agents = {agent for leaf in box.leaves if (agent := self._program.leaves[leaf].agent)}
            return colours[agents.pop()] if len(agents) == 1 else _MIXED

        return self._draw([(box.note, colour(box)) for box in self._boxes], colours)

    def by_state(self, states: Mapping[int, TaskState]) -> str:
        """Draw it with a colour for each state.

        Args:
            states: State by leaf index; pending if omitted.

        Returns:
            SVG; empty where nothing can be drawn.
        """
        counts = Counter(states.get(leaf.index, "pending") for leaf in self._program.leaves)
        legend = {
            f"{counts[state]} {_words(state)}": colour for state, colour in _STATE_COLOURS.items() if counts[state]
        }
        return self._draw([_describe_state(box, states) for box in self._boxes], legend)

    @property
    def _boxes(self) -> tuple[Box, ...]:
        return self._overview.boxes if self._overview else ()

    def _draw(self, looks: list[tuple[str, _Colour]], legend: Mapping[str, _Colour]) -> str:
        if self._overview is None or self._layout is None:
            return ""
        return _render_svg(self._overview, self._layout, looks, legend)


def _describe_state(box: Box, states: Mapping[int, TaskState]) -> tuple[str, _Colour]:
    words, state = state_of(box, states)
    return words, _STATE_COLOURS[state]


def state_of(box: Box, states: Mapping[int, TaskState]) -> tuple[str, TaskState]:
    """Describe in words how far a box is, and which state speaks for all of its leaves.

    Args:
        box: One of the boxes of an overview.
        states: State by leaf index; pending if omitted.
    """
    counts = Counter(states.get(leaf, "pending") for leaf in box.leaves)
    done = sum(counts[state] for state in FINISHED)
    if len(box.leaves) == 1:
        (state,) = counts
        return _words(state), state
    is_going_on = 0 < done < len(box.leaves) and not counts["failed"] and counts["pending"]
    speaking = "running" if is_going_on else next(state for state in _STATE_COLOURS if counts[state])
    return f"{done} of {len(box.leaves)} done", speaking


def _words(state: TaskState) -> str:
    return state.replace("_", " ")


def _render_svg(
    seen: Overview, plan: Layout, looks: Sequence[tuple[str, _Colour]], legend: Mapping[str, _Colour]
) -> str:
    width = max(plan.width, _LEAST_WIDTH) + 2 * _MARGIN
    keys, legend_height = _lay_out_legend(legend, width, plan.height + 2 * _MARGIN)
    return render(
        "picture.svg",
        width=width,
        height=plan.height + 2 * _MARGIN + legend_height,
        left=(width - plan.width) / 2,
        margin=_MARGIN,
        layers=len(set(seen.depth)),
        layout=plan,
        boxes=[
            (place, box_name(box.label), fit_line(note, _NOTE_CELLS), colour)
            for place, box, (note, colour) in zip(plan.boxes, seen.boxes, looks, strict=True)
        ],
        keys=keys,
    )


def box_name(path: str) -> str:
    """Shorten a path for a box so that its end, which distinguishes tasks, stays."""
    path = one_line(path)
    if cells(path) <= _LABEL_CELLS or "/" not in path:
        return fit_line(path, _LABEL_CELLS)
    parts = path.split("/")
    while len(parts) > 1 and cells("…/" + "/".join(parts)) > _LABEL_CELLS:
        del parts[0]
    return fit_line("…/" + "/".join(parts), _LABEL_CELLS)


def _lay_out_legend(
    legend: Mapping[str, _Colour], width: float, top: float
) -> tuple[list[tuple[float, float, str, _Colour]], float]:
    """Place what the colours mean, in as many lines as it takes; return the places, and the height of all."""
    keys: list[tuple[float, float, str, _Colour]] = []
    x, y = _MARGIN, top
    for name, colour in legend.items():
        shown = fit_line(one_line(name), 3 * _LABEL_CELLS)
        room = 16 + cells(shown) * _CELL + 12
        if x > _MARGIN and x + room > width:
            x, y = _MARGIN, y + _LEGEND_LINE
        keys.append((x, y, shown, colour))
        x += room
    return keys, y - top + _LEGEND_LINE
