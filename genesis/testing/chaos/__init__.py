"""Faults from a seed at each boundary, and what has to hold in spite of them."""

from genesis.testing.chaos import invariants
from genesis.testing.chaos.clock import ChaosCalendar, ChaosClock
from genesis.testing.chaos.executor import ChaosExecutor
from genesis.testing.chaos.faults import FAILING, KINDS, Fault, FaultKind, Faults, InjectedError
from genesis.testing.chaos.ledger import ChaosLedger, Killed, MortalLedger
from genesis.testing.chaos.model import misbehaving
from genesis.testing.chaos.store import ChaosStore
from genesis.testing.chaos.wire import Wire
from genesis.testing.chaos.witness import Effects, Witness, WitnessedEvent

__all__ = [
    "FAILING",
    "KINDS",
    "ChaosCalendar",
    "ChaosClock",
    "ChaosExecutor",
    "ChaosLedger",
    "ChaosStore",
    "Effects",
    "Fault",
    "FaultKind",
    "Faults",
    "InjectedError",
    "Killed",
    "MortalLedger",
    "Wire",
    "Witness",
    "WitnessedEvent",
    "invariants",
    "misbehaving",
]
