"""Which leaves never run, whatever the results: conditions are false by the values that the plan itself has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from genesis.structure import Outline

__all__ = ["find_never_run"]


def find_never_run(
    outline: Outline, before: Sequence[Sequence[int]], order: Sequence[int], false: Collection[int]
) -> frozenset[int]:
    """Find the leaves that never run.

    Args:
        outline: The plan's outline.
        before: Its order over junctions.
        order: The vertices in an order that respects it.
        false: The tasks whose `when` is false whatever the results.
    """
    nodes = outline.nodes
    out, may_fail = [False] * len(before), [False] * len(before)
    for vertex in order:
        node = nodes[vertex >> 1]
        if vertex & 1:
            ends = [2 * child + bool(nodes[child].children) for child in node.children]
            fails = any(may_fail[end] for end in ends)
            may_fail[vertex] = fails or may_fail[vertex - 1]
            # Where its failure is allowed, a composite succeeds although nothing in it has run.
            out[vertex] = bool(ends) and all(out[end] for end in ends) and not (fails and node.task.allow_failure)
            continue
        around, run_if = 2 * node.parent, node.task.run_if
        earlier = [source for source in before[vertex] if node.parent < 0 or source != around]
        fails = any(may_fail[source] for source in earlier)
        inside = node.parent >= 0
        out[vertex] = (
            node.index in false
            or (inside and out[around])
            or _is_shut(run_if, [out[source] for source in earlier], fails=fails)
        )
        # What is left out since something before it failed counts as failed; so may a leaf that runs.
        may_fail[vertex] = (
            (inside and may_fail[around])
            or (fails and run_if in ("all_succeeded", "any_succeeded"))
            or not (node.children or out[vertex])
        )
    return frozenset(leaf for leaf in outline.leaves if out[2 * leaf])


def _is_shut(run_if: str, out: Sequence[bool], *, fails: bool) -> bool:
    """Whether what is before a task leaves it out by its `run_if`.

    Args:
        run_if: The rule.
        out: For each thing before it, whether it never succeeds.
        fails: Whether one of them may count as failed.
    """
    if run_if == "all_succeeded":
        return any(out)
    return (run_if == "any_succeeded" and all(out)) or (run_if == "any_failed" and not fails)
