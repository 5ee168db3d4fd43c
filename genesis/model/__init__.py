"""The nouns of Genesis, one frozen model each: Plan, RoutedPlan, Report, Program, Run and what they are made of."""

from genesis.model.agent import (
    AgentCost,
    AgentProfile,
    AgentRate,
    BriefExecutor,
    CommandExecutor,
    Condition,
    DeploymentExecutor,
    ExecutorSpec,
    HttpExecutor,
    LlmExecutor,
    PythonExecutor,
    Registry,
    RehearsalExecutor,
    RemoteAgentExecutor,
    Rule,
)
from genesis.model.amendment import Amendment
from genesis.model.base import Model
from genesis.model.plan import Budget, Plan, PlannerLevel, RoutedPlan
from genesis.model.program import Leaf, Program
from genesis.model.report import Diagnostic, Report, ScoreParts, Severity
from genesis.model.run import FINISHED, Attempt, Cause, ErrorInfo, Outcome, Run, RunState, TaskState
from genesis.model.task import Alternative, CacheTtl, Estimate, Route, Task, TaskId

__all__ = [
    "FINISHED",
    "AgentCost",
    "AgentProfile",
    "AgentRate",
    "Alternative",
    "Amendment",
    "Attempt",
    "BriefExecutor",
    "Budget",
    "CacheTtl",
    "Cause",
    "CommandExecutor",
    "Condition",
    "DeploymentExecutor",
    "Diagnostic",
    "ErrorInfo",
    "Estimate",
    "ExecutorSpec",
    "HttpExecutor",
    "Leaf",
    "LlmExecutor",
    "Model",
    "Outcome",
    "Plan",
    "PlannerLevel",
    "Program",
    "PythonExecutor",
    "Registry",
    "RehearsalExecutor",
    "RemoteAgentExecutor",
    "Report",
    "Route",
    "RoutedPlan",
    "Rule",
    "Run",
    "RunState",
    "ScoreParts",
    "Severity",
    "Task",
    "TaskId",
    "TaskState",
]
