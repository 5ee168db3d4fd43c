"""The nouns of Genesis, one frozen model each: Plan, RoutedPlan, Report, Program, Run and what they are made of."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genesis.model.agent import (
        AgentCost,
        AgentProfile,
        AgentRate,
        BriefSpec,
        CommandSpec,
        Condition,
        DeploymentSpec,
        ExecutorSpec,
        HttpSpec,
        LlmSpec,
        ParameterKind,
        PluginSpec,
        PythonSpec,
        Registry,
        RehearsalSpec,
        RemoteAgentSpec,
        Rule,
    )
    from genesis.model.amendment import Amendment
    from genesis.model.base import Model
    from genesis.model.files import FileSource, KeptFile
    from genesis.model.plan import Budget, Plan, PlannerLevel, RoutedPlan, Selection
    from genesis.model.plan_parameter import PlanParameter
    from genesis.model.plan_schedule import Notification, PlanSchedule
    from genesis.model.program import Leaf, Program
    from genesis.model.report import Diagnostic, Report, ScoreParts, Severity
    from genesis.model.resources import Resources
    from genesis.model.run import (
        RESULT_FILE,
        Attempt,
        Cause,
        ErrorInfo,
        Handover,
        Moment,
        MomentKind,
        Outcome,
        Run,
    )
    from genesis.model.runs_in import RunsIn, Venv
    from genesis.model.states import FINISHED, KEPT, RunState, TaskState
    from genesis.model.task import Alternative, CacheTtl, Estimate, ExpandedTask, Retry, Route, Task, TaskCopy, TaskId
    from genesis.model.wait_for import WaitFor

_HOMES = {
    "FINISHED": "genesis.model.states",
    "KEPT": "genesis.model.states",
    "RESULT_FILE": "genesis.model.run",
    "AgentCost": "genesis.model.agent",
    "AgentProfile": "genesis.model.agent",
    "AgentRate": "genesis.model.agent",
    "Alternative": "genesis.model.task",
    "Amendment": "genesis.model.amendment",
    "Attempt": "genesis.model.run",
    "BriefSpec": "genesis.model.agent",
    "Budget": "genesis.model.plan",
    "CacheTtl": "genesis.model.task",
    "Cause": "genesis.model.run",
    "CommandSpec": "genesis.model.agent",
    "Condition": "genesis.model.agent",
    "DeploymentSpec": "genesis.model.agent",
    "Diagnostic": "genesis.model.report",
    "ErrorInfo": "genesis.model.run",
    "Estimate": "genesis.model.task",
    "ExecutorSpec": "genesis.model.agent",
    "ExpandedTask": "genesis.model.task",
    "FileSource": "genesis.model.files",
    "Handover": "genesis.model.run",
    "HttpSpec": "genesis.model.agent",
    "KeptFile": "genesis.model.files",
    "Leaf": "genesis.model.program",
    "LlmSpec": "genesis.model.agent",
    "Model": "genesis.model.base",
    "Moment": "genesis.model.run",
    "MomentKind": "genesis.model.run",
    "Notification": "genesis.model.plan_schedule",
    "Outcome": "genesis.model.run",
    "ParameterKind": "genesis.model.agent",
    "Plan": "genesis.model.plan",
    "PlanParameter": "genesis.model.plan_parameter",
    "PlanSchedule": "genesis.model.plan_schedule",
    "PlannerLevel": "genesis.model.plan",
    "PluginSpec": "genesis.model.agent",
    "Program": "genesis.model.program",
    "PythonSpec": "genesis.model.agent",
    "Registry": "genesis.model.agent",
    "RehearsalSpec": "genesis.model.agent",
    "RemoteAgentSpec": "genesis.model.agent",
    "Report": "genesis.model.report",
    "Resources": "genesis.model.resources",
    "Retry": "genesis.model.task",
    "Route": "genesis.model.task",
    "RoutedPlan": "genesis.model.plan",
    "Rule": "genesis.model.agent",
    "Run": "genesis.model.run",
    "RunState": "genesis.model.states",
    "RunsIn": "genesis.model.runs_in",
    "ScoreParts": "genesis.model.report",
    "Selection": "genesis.model.plan",
    "Severity": "genesis.model.report",
    "Task": "genesis.model.task",
    "TaskCopy": "genesis.model.task",
    "TaskId": "genesis.model.task",
    "TaskState": "genesis.model.states",
    "Venv": "genesis.model.runs_in",
    "WaitFor": "genesis.model.wait_for",
}

__all__ = [
    "FINISHED",
    "KEPT",
    "RESULT_FILE",
    "AgentCost",
    "AgentProfile",
    "AgentRate",
    "Alternative",
    "Amendment",
    "Attempt",
    "BriefSpec",
    "Budget",
    "CacheTtl",
    "Cause",
    "CommandSpec",
    "Condition",
    "DeploymentSpec",
    "Diagnostic",
    "ErrorInfo",
    "Estimate",
    "ExecutorSpec",
    "ExpandedTask",
    "FileSource",
    "Handover",
    "HttpSpec",
    "KeptFile",
    "Leaf",
    "LlmSpec",
    "Model",
    "Moment",
    "MomentKind",
    "Notification",
    "Outcome",
    "ParameterKind",
    "Plan",
    "PlanParameter",
    "PlanSchedule",
    "PlannerLevel",
    "PluginSpec",
    "Program",
    "PythonSpec",
    "Registry",
    "RehearsalSpec",
    "RemoteAgentSpec",
    "Report",
    "Resources",
    "Retry",
    "Route",
    "RoutedPlan",
    "Rule",
    "Run",
    "RunState",
    "RunsIn",
    "ScoreParts",
    "Selection",
    "Severity",
    "Task",
    "TaskCopy",
    "TaskId",
    "TaskState",
    "Venv",
    "WaitFor",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: a list of runs needs none of the models."""
    if name not in _HOMES:
        raise AttributeError(f"module 'genesis.model' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
