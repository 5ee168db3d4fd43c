"""Plans: who made them, how large they are, what the checks find, how good they are, how they change."""

from __future__ import annotations

from deployments.grafana.model import Dashboard, Panel, Query, Row, quantile

__all__ = ["PLANS"]


_PLANNING = Row(
    "Decomposition",
    (
        Panel(
            "Planner levels",
            "Plans made an hour, by the level that made them.",
            (Query("3600 * sum by (planner) (rate(genesis_plans_total{@}[$__rate_interval]))", "{{planner}}"),),
            unit="suffix: /h",
            stacked=True,
        ),
        Panel(
            "Share of each level",
            "Which level made the plans, in the time that the dashboard shows.",
            (
                Query(
                    "sum by (planner) (increase(genesis_plans_total{@}[$__range])) "
                    "/ on () group_left () (sum(increase(genesis_plans_total{@}[$__range])) > 0)",
                    "{{planner}}",
                    instant=True,
                ),
            ),
            kind="bargauge",
            unit="percentunit",
            most=1,
            width=4,
        ),
        Panel(
            "Steps down a plan",
            "How often a plan of the last hour was left to a lesser planner, over all workers.",
            (Query("genesis:planning:fallback_ratio1h", "steps"),),
            decimals=2,
            width=6,
            alert="GenesisPlanningFallsBack",
        ),
        Panel(
            "From which level to which",
            "Steps of the planning to a lesser level an hour.",
            (
                Query(
                    '3600 * sum by (from, to) (rate(genesis_steps_down_total{@, layer="planning"}[$__rate_interval]))',
                    "{{from}} → {{to}}",
                ),
            ),
            unit="suffix: /h",
            stacked=True,
            width=6,
        ),
        Panel(
            "Duration of planning, as alerts see it",
            "What one of twenty requests exceeds, over all workers and 10 minutes.",
            (Query('genesis:stage_duration_seconds:p95_10m{stage="plan"}', "95 %"),),
            unit="s",
            alert="GenesisPlanningSlow",
        ),
        Panel(
            "Duration of planning",
            "The median, and what one of twenty requests exceeds; points are single plans and lead to their traces.",
            (
                Query(quantile(0.5, "genesis_stage_duration_seconds", chosen='@, stage="plan"'), "median"),
                Query(quantile(0.95, "genesis_stage_duration_seconds", chosen='@, stage="plan"'), "95 %"),
            ),
            unit="s",
            exemplars=True,
        ),
        Panel(
            "Errors of planning",
            "Requests a minute that could not be planned, by the category of the error.",
            (
                Query(
                    '60 * sum by (category) (rate(genesis_stage_errors_total{@, stage="plan"}[$__rate_interval]))',
                    "{{category}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
    ),
)

_SIZE = Row(
    "Size",
    (
        Panel(
            "Tasks a plan",
            "How many plans have how many tasks.",
            (Query("sum by (le) (increase(genesis_plan_tasks_bucket{@}[$__rate_interval]))", "{{le}}"),),
            kind="heatmap",
            width=8,
        ),
        Panel(
            "Tasks of the larger plans",
            "The median, and what one of twenty plans exceeds.",
            (
                Query(quantile(0.5, "genesis_plan_tasks"), "median"),
                Query(quantile(0.95, "genesis_plan_tasks"), "95 %"),
            ),
        ),
        Panel(
            "Depth of plans",
            "Levels of a plan: the median, and what one of twenty plans exceeds.",
            (
                Query(quantile(0.5, "genesis_plan_depth"), "median"),
                Query(quantile(0.95, "genesis_plan_depth"), "95 %"),
            ),
        ),
    ),
)

_CHECKS = Row(
    "Validation and quality",
    (
        Panel(
            "Findings by code",
            "What the checks found most often, in the time that the dashboard shows.",
            (
                Query(
                    "topk(15, sum by (code, severity) (increase(genesis_validation_findings_total{@}[$__range])))",
                    "{{code}} ({{severity}})",
                    instant=True,
                ),
            ),
            kind="bargauge",
            decimals=0,
            width=12,
            height=10,
        ),
        Panel(
            "Findings",
            "Findings of the checks a minute, by severity.",
            (
                Query(
                    "60 * sum by (severity) (rate(genesis_validation_findings_total{@}[$__rate_interval]))",
                    "{{severity}}",
                ),
            ),
            unit="cpm",
            stacked=True,
            width=6,
            height=10,
        ),
        Panel(
            "Rejected plans",
            "Plans that the checks stopped before they ran; an hour.",
            (Query("3600 * sum(rate(genesis_plans_rejected_total{@}[$__rate_interval]))", "rejected"),),
            unit="suffix: /h",
            width=6,
            height=10,
        ),
        Panel(
            "Quality",
            "How many plans have which score; 1 is best.",
            (Query("sum by (le) (increase(genesis_plan_quality_score_bucket{@}[$__rate_interval]))", "{{le}}"),),
            kind="heatmap",
        ),
        Panel(
            "Mean quality",
            "Of the plans of the last hour, over all workers.",
            (Query("genesis:plan_quality_score:mean1h", "score"),),
            decimals=2,
            most=1,
            alert="GenesisQualityLow",
        ),
        Panel(
            "Tasks without an agent",
            "Tasks in 15 minutes for which no agent was found.",
            (Query("sum(increase(genesis_tasks_unassigned_total{@}[15m]))", "tasks"),),
            alert="GenesisTasksUnassigned",
        ),
    ),
)

_CHANGES = Row(
    "Plans that change while they run",
    (
        Panel(
            "Amendments",
            "Tasks planned again or extended while they ran, an hour, by what came of it.",
            (Query("3600 * sum by (outcome) (rate(genesis_replans_total{@}[$__rate_interval]))", "{{outcome}}"),),
            unit="suffix: /h",
            stacked=True,
        ),
        Panel(
            "Resumed runs",
            "Executions an hour that continued with an earlier one's run.",
            (Query("3600 * sum(rate(genesis_resumes_total{@}[$__rate_interval]))", "resumed"),),
            unit="suffix: /h",
        ),
        Panel(
            "Runs out of budget",
            "Runs an hour that spent their budget.",
            (Query("3600 * sum(rate(genesis_budgets_exceeded_total{@}[$__rate_interval]))", "out of budget"),),
            unit="suffix: /h",
        ),
    ),
)

PLANS = Dashboard(
    "plans",
    "Genesis: plans",
    "Who made plans, how large they are, what the checks find, how good they are, how they change.",
    (_PLANNING, _SIZE, _CHECKS, _CHANGES),
)
