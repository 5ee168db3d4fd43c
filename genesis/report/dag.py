"""The DAG of a report, drawn into the page: it follows light and dark, and its boxes lead to their tasks."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping

from genesis.model import Program, TaskState
from genesis.report.graph_layout import BOX_HEIGHT, BOX_WIDTH, Layout, curve, layout
from genesis.report.overview import Box, Overview, overview
from genesis.report.picture import box_name, state_of
from genesis.text import fit_line, one_line

__all__ = ["dag"]

_MARGIN = 10.0
_NOTE_CELLS = 26


def dag(program: Program, states: Mapping[int, TaskState], chain: frozenset[int]) -> str:
    """Draw the DAG.

    Args:
        program: Up to 60 leaves have a box each, more are summed up.
        states: State by leaf index.
        chain: Leaves of the critical path, which are drawn with a thicker edge.
    """
    seen = overview(program) if program.leaves else None
    if seen is None:
        return '<p class="dim">The plan is too large, or too entangled, to be drawn. The table has all its edges.</p>'
    plan = layout(seen.before, seen.depth)
    width, height = plan.width + 2 * _MARGIN, plan.height + 2 * _MARGIN
    is_summed_up = len(seen.boxes) < len(program.leaves)
    what = f"{len(program.leaves)} tasks in {len(seen.boxes)} boxes" if is_summed_up else f"{len(seen.boxes)} tasks"
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="The graph of the tasks">'
        f'<svg class="dag" role="group" aria-labelledby="dag-title dag-desc" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}">'
        f'<title id="dag-title">The graph of the tasks: {what}</title>'
        f'<desc id="dag-desc">An arrow leads from a task to each that comes after it. The table of all tasks names, for'
        f" each task, those that it comes after.</desc>{_ARROW}"
        f"{''.join(_edges(plan))}{''.join(_boxes(seen, plan, states, chain))}</svg></div>"
        + (f'<p class="dim">{what}; each box stands for the tasks below one path, or for one step.</p>' * is_summed_up)
    )


_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<polygon class="head" points="0,0 8,4 0,8"/></marker></defs>'
)


def _edges(plan: Layout) -> Iterator[str]:
    for points, arrow in zip(plan.edges, plan.arrows, strict=True):
        marker = ' marker-end="url(#arrow)"' if arrow else ""
        yield f'<path d="{curve(points, downwards=plan.downwards)}"{marker}/>'
    for x, y in plan.joints:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'


def _boxes(seen: Overview, plan: Layout, states: Mapping[int, TaskState], chain: frozenset[int]) -> Iterator[str]:
    for (x, y), box in zip(plan.boxes, seen.boxes, strict=True):
        said, state = state_of(box, states)
        middle = x + BOX_WIDTH / 2
        critical = " crit" if chain.intersection(box.leaves) else ""
        drawn = (
            f'<g class="box {state}{critical}"><rect x="{x:.1f}" y="{y:.1f}" width="{BOX_WIDTH:.0f}" '
            f'height="{BOX_HEIGHT:.0f}" rx="7"/>'
            f'<text class="l" x="{middle:.1f}" y="{y + 17:.1f}">{_text(box_name(box.label))}</text>'
            f'<text class="n" x="{middle:.1f}" y="{y + 31:.1f}">{_text(fit_line(said, _NOTE_CELLS))}</text></g>'
        )
        yield _link_box(box, drawn)


def _link_box(box: Box, drawn: str) -> str:
    """Let the box of one leaf lead to it; its whole path is its title."""
    title = f"<title>{_text(box.label)}</title>"
    if len(box.leaves) > 1:
        return f"<g>{title}{drawn}</g>"
    return f'<a href="#t{box.leaves[0]}">{title}{drawn}</a>'


def _text(value: str) -> str:
    return html.escape(one_line(value))
