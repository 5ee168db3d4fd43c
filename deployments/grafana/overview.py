"""The overview: what is asked for, what it comes to, what fails, what it costs."""

from __future__ import annotations

from deployments.grafana.model import Dashboard, Panel, Query, Row, quantile

__all__ = ["OVERVIEW"]

_NOW = Row(
    "Now",
    (
        Panel(
            "Alerts",
            "Alerts of Genesis that fire now. Prometheus shows which, and each has a runbook.",
            (Query('count(ALERTS{alertname=~"Genesis.*", alertstate="firing"}) or vector(0)', "firing", instant=True),),
            kind="stat",
            width=4,
            height=4,
            red_from=1,
            words=(("0", "none", "green"),),
        ),
        Panel(
            "Runs at work",
            "Runs that are orchestrated now.",
            (Query("sum(genesis_runs_active{@})", "runs"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "Tasks at work",
            "Tasks that agents work on now.",
            (Query("sum(genesis_tasks_running{@})", "tasks"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "Failed runs, last hour",
            "Share of the runs that ended in the last hour and failed, cancelled ones aside, over all workers.",
            (Query("genesis:runs:error_ratio1h", "failed"),),
            kind="stat",
            unit="percentunit",
            decimals=1,
            width=4,
            height=4,
            alert="GenesisRunsFailing",
        ),
        Panel(
            "Cost, last hour",
            "What tasks cost in the last hour, over all workers.",
            (Query("genesis:cost_usd:increase1h", "cost"),),
            kind="stat",
            unit="currencyUSD",
            decimals=2,
            width=4,
            height=4,
            alert="GenesisCostBurn",
        ),
        Panel(
            "Workers",
            "Processes that expose metrics, by version.",
            (Query("count by (version) (genesis_build_info{@})", "{{version}}"),),
            kind="stat",
            width=4,
            height=4,
        ),
    ),
)

_RUNS = Row(
    "Requests and runs",
    (
        Panel(
            "Requests planned",
            "Plans made an hour, by the planner level that made them.",
            (Query("3600 * sum by (planner) (rate(genesis_plans_total{@}[$__rate_interval]))", "{{planner}}"),),
            unit="suffix: /h",
            stacked=True,
        ),
        Panel(
            "Runs ended",
            "Runs that ended an hour, by state.",
            (Query("3600 * sum by (state) (rate(genesis_runs_total{@}[$__rate_interval]))", "{{state}}"),),
            unit="suffix: /h",
            stacked=True,
        ),
        Panel(
            "Share of failed runs",
            "Failed runs of those that ended in the last hour, cancelled ones aside, over all workers.",
            (Query("genesis:runs:error_ratio1h", "failed"),),
            unit="percentunit",
            most=1,
            alert="GenesisRunsFailing",
        ),
        Panel(
            "Duration of runs",
            "How long runs took that ended: the median, and what one of twenty exceeds.",
            (
                Query(
                    quantile(0.5, "genesis_run_duration_seconds"),
                    "median",
                ),
                Query(
                    quantile(0.95, "genesis_run_duration_seconds"),
                    "95 %",
                ),
            ),
            unit="s",
            exemplars=True,
        ),
        Panel(
            "Runs at work",
            "Runs that each process orchestrates.",
            (Query("sum by (instance) (genesis_runs_active{@})", "{{instance}}"),),
            stacked=True,
        ),
        Panel(
            "Resumed, planned again, out of budget, rehearsed",
            "Executions that continued with an earlier run, tasks planned again or extended, runs that spent their "
            "budget, rehearsals that ended; an hour.",
            (
                Query("3600 * sum(rate(genesis_resumes_total{@}[$__rate_interval]))", "resumed"),
                Query("3600 * sum(rate(genesis_replans_total{@}[$__rate_interval]))", "planned again"),
                Query("3600 * sum(rate(genesis_budgets_exceeded_total{@}[$__rate_interval]))", "out of budget"),
                Query("3600 * sum(rate(genesis_rehearsals_total{@}[$__rate_interval]))", "rehearsed"),
            ),
            unit="suffix: /h",
        ),
    ),
)

_STAGES = Row(
    "Stages",
    (
        Panel(
            "Duration of stages",
            "What one of twenty plans exceeds in each stage, over all workers. The line is the bound of routing, which "
            "has an alert; planning has its own on the dashboard of plans.",
            (Query("genesis:stage_duration_seconds:p95_10m", "{{stage}}"),),
            unit="s",
            alert="GenesisRoutingSlow",
        ),
        Panel(
            "Median duration of stages",
            "How long a stage takes in the usual case; points are single plans and lead to their traces.",
            (
                Query(
                    quantile(0.5, "genesis_stage_duration_seconds", "stage"),
                    "{{stage}}",
                ),
            ),
            unit="s",
            exemplars=True,
        ),
        Panel(
            "Errors of stages",
            "Stages that raised a minute, by the category of the error.",
            (
                Query(
                    "60 * sum by (stage, category) (rate(genesis_stage_errors_total{@}[$__rate_interval]))",
                    "{{stage}}: {{category}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Steps down",
            "Steps from a better way to a lesser one an hour: the model to playbooks, rules to capability.",
            (
                Query(
                    "3600 * sum by (layer, from, to) (rate(genesis_steps_down_total{@}[$__rate_interval]))",
                    "{{layer}}: {{from}} → {{to}}",
                ),
            ),
            unit="suffix: /h",
            stacked=True,
            width=12,
        ),
        Panel(
            "Tasks ended",
            "Tasks that became final a minute, by state.",
            (Query("60 * sum by (state) (rate(genesis_tasks_total{@}[$__rate_interval]))", "{{state}}"),),
            unit="cpm",
            stacked=True,
            width=12,
        ),
    ),
)

_COST = Row(
    "Cost",
    (
        Panel(
            "Cost an hour",
            "What tasks cost in the last hour, over all workers.",
            (Query("genesis:cost_usd:increase1h", "last hour"),),
            unit="currencyUSD",
            decimals=2,
            alert="GenesisCostBurn",
        ),
        Panel(
            "Cost by agent",
            "What the tasks of each agent cost in the time that the dashboard shows.",
            (
                Query(
                    "sort_desc(sum by (agent) (increase(genesis_cost_usd_total{@}[$__range])))",
                    "{{agent}}",
                    instant=True,
                ),
            ),
            kind="bargauge",
            unit="currencyUSD",
            decimals=2,
        ),
        Panel(
            "Tokens by agent",
            "Tokens of language models that tasks used a minute.",
            (Query("60 * sum by (agent) (rate(genesis_task_tokens_total{@}[$__rate_interval]))", "{{agent}}"),),
            unit="cpm",
            stacked=True,
        ),
    ),
)

_HEALTH = Row(
    "Errors and health",
    (
        Panel(
            "Failed tasks",
            "Tasks that failed permanently a minute, by agent.",
            (
                Query(
                    '60 * sum by (agent) (rate(genesis_tasks_total{@, state="failed"}[$__rate_interval]))', "{{agent}}"
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Log lines",
            "Log lines of Genesis a minute, by level.",
            (Query("60 * sum by (level) (rate(genesis_log_lines_total{@}[$__rate_interval]))", "{{level}}"),),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Answers",
            "Whether workers, Prefect's API and the collector answer Prometheus.",
            (Query('up{job=~"genesis.*|prefect.*|otel.*"}', "{{job}} {{instance}}"),),
            kind="state-timeline",
            alert="GenesisServiceDown",
            words=(("1", "answers", "green"), ("0", "down", "red")),
        ),
        Panel(
            "Prefect API away",
            "How long the Prefect API has not answered a worker.",
            (Query("max by (instance) (genesis_worker_api_away_seconds{@})", "{{instance}}"),),
            unit="s",
            alert="GenesisApiAway",
        ),
        Panel(
            "Observations under “other”",
            "Observations that were counted under “other”, since their metric has too many series; an hour.",
            (
                Query(
                    "3600 * sum by (instance) (rate(genesis_series_dropped_total{@}[$__rate_interval]))", "{{instance}}"
                ),
            ),
            unit="suffix: /h",
            alert="GenesisSeriesDropped",
        ),
        Panel(
            "Lost spans",
            "Spans that could not be exported; an hour.",
            (
                Query(
                    "3600 * sum by (instance) (rate(genesis_spans_dropped_total{@}[$__rate_interval]))", "{{instance}}"
                ),
            ),
            unit="suffix: /h",
            alert="GenesisSpansDropped",
        ),
    ),
)

OVERVIEW = Dashboard(
    "overview",
    "Genesis: overview",
    "What is asked for, what it comes to, what fails, what it costs.",
    (_NOW, _RUNS, _STAGES, _COST, _HEALTH),
)
