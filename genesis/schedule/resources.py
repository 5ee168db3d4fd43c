"""The resources of leaves, agents and the machine, as the scheduler counts them."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.model import Leaf, Program, Resources

__all__ = ["find_capacity", "find_needs"]

_MACHINE = "this machine"


def find_needs(leaf: Leaf) -> tuple[tuple[str, int], ...]:
    """Return what a leaf uses while its agent runs it: of what the agent offers, of the machine, and its mutex.

    Returns:
        Names of counters and amounts: thousandths of a processor, bytes, GPUs, 1 of a mutex.
    """
    if leaf.resources is None and leaf.mutex is None:
        return ()
    needs = [
        (f"{kind} of {holder}", amount)
        for kind, amount in _list_amounts(leaf.resources)
        for holder in (f"agent {leaf.agent}", _MACHINE)
    ]
    return tuple(needs) if leaf.mutex is None else (*needs, (f"mutex {leaf.mutex}", 1))


def find_capacity(program: Program, machine: Resources | None) -> dict[str, int]:
    """Return how much of each counter of `find_needs` there is; what nobody states has no limit.

    Args:
        program: Its registry has what the agents offer.
        machine: What the machine has that runs the leaves; None where they run elsewhere.
    """
    mutexes = {f"mutex {leaf.mutex}": 1 for leaf in program.leaves if leaf.mutex is not None}
    offers = {f"agent {agent.name}": agent.resources for agent in program.registry.agents} | {_MACHINE: machine}
    return mutexes | {
        f"{kind} of {holder}": amount for holder, offer in offers.items() for kind, amount in _list_amounts(offer)
    }


def _list_amounts(resources: Resources | None) -> Iterator[tuple[str, int]]:
    if resources is None:
        return
    if resources.cpu is not None:
        yield "cpu", max(1, round(resources.cpu * 1000))
    if resources.memory is not None:
        yield "memory", resources.memory
    if resources.gpu:
        yield "gpu", resources.gpu
