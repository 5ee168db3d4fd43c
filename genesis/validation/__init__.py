"""Validation (AOP) as data: coded checks over a routed plan, and a quality score."""

from genesis.validation.check import Check, CheckFinding
from genesis.validation.checks import CHECKS
from genesis.validation.probe import Probe
from genesis.validation.reference import checks_page
from genesis.validation.validate import refuse_size, validate

__all__ = ["CHECKS", "Check", "CheckFinding", "Probe", "checks_page", "refuse_size", "validate"]
