"""Agents and resilience: who gets what, how they do, what keeps faults from spreading, how work pools keep up."""

from __future__ import annotations

from deployments.grafana.model import Dashboard, Panel, Query, Row, quantile

__all__ = ["AGENTS"]


_ROUTING = Row(
    "Routing",
    (
        Panel(
            "Decisions by agent",
            "Tasks routed a minute, by the agent that they went to.",
            (
                Query(
                    "60 * sum by (agent) (rate(genesis_routing_decisions_total{@agent}[$__rate_interval]))", "{{agent}}"
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "What decided",
            "Tasks routed a minute, by what decided: a rule, a person's pin, capability.",
            (Query("60 * sum by (by) (rate(genesis_routing_decisions_total{@agent}[$__rate_interval]))", "{{by}}"),),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Decisions by rule",
            "Tasks that each rule of the registry routed, in the time that the dashboard shows.",
            (
                Query(
                    "sort_desc(sum by (rule) (increase(genesis_routing_rule_decisions_total{@}[$__range])))",
                    "{{rule}}",
                    instant=True,
                ),
            ),
            kind="bargauge",
            decimals=0,
            width=4,
        ),
        Panel(
            "Without an agent",
            "Tasks in the last 15 minutes for which no agent was found.",
            (Query("sum(increase(genesis_tasks_unassigned_total{@}[15m]))", "tasks"),),
            kind="stat",
            decimals=0,
            width=4,
            alert="GenesisTasksUnassigned",
        ),
    ),
)

_WORKLOAD = Row(
    "Workload",
    (
        Panel(
            "Tasks at work",
            "Tasks that run now, by agent.",
            (Query("sum by (agent) (genesis_tasks_running{@agent})", "{{agent}}"),),
            stacked=True,
        ),
        Panel(
            "Tasks that wait for a slot",
            "Tasks that could start and wait, by the process that orchestrates them.",
            (Query("sum by (instance) (genesis_tasks_ready{@})", "{{instance}}"),),
            stacked=True,
        ),
        Panel(
            "Tasks ended",
            "Tasks of the chosen agents that became final a minute, by state.",
            (Query("60 * sum by (state) (rate(genesis_tasks_total{@agent}[$__rate_interval]))", "{{state}}"),),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Share of failed tasks",
            "Tasks of each agent that failed permanently, of those that ended in the last hour, over all workers.",
            (Query('genesis:tasks:error_ratio1h{agent=~"$agent"}', "{{agent}}"),),
            unit="percentunit",
            most=1,
            alert="GenesisTasksFailing",
        ),
        Panel(
            "Duration of tasks",
            "From a task's start to its end, repeats included: what one of twenty exceeds.",
            (Query(quantile(0.95, "genesis_task_duration_seconds", "agent", chosen="@agent"), "{{agent}}"),),
            unit="s",
            exemplars=True,
        ),
        Panel(
            "Duration of attempts",
            "One attempt of an agent: what one of twenty exceeds.",
            (Query(quantile(0.95, "genesis_agent_call_duration_seconds", "agent", chosen="@agent"), "{{agent}}"),),
            unit="s",
            exemplars=True,
        ),
        Panel(
            "Attempts",
            "Attempts of agents a minute, by how they ended.",
            (
                Query(
                    "60 * sum by (agent, outcome) (rate(genesis_agent_calls_total{@agent}[$__rate_interval]))",
                    "{{agent}}: {{outcome}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Results that were known",
            "Tasks a minute whose result was known already, by agent.",
            (Query("60 * sum by (agent) (rate(genesis_cache_hits_total{@agent}[$__rate_interval]))", "{{agent}}"),),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Detours",
            "Tasks a minute that went from their agent to another (other), or waited for it (later).",
            (
                Query(
                    "60 * sum by (agent, kind) (rate(genesis_task_detours_total{@agent}[$__rate_interval]))",
                    "{{agent}}: {{kind}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
    ),
)

_RESILIENCE = Row(
    "Resilience",
    (
        Panel(
            "Circuit breakers",
            "The state of each breaker: the worst that any process knows of.",
            (Query("max by (kind, name) (genesis_breaker_state{@})", "{{kind}} {{name}}"),),
            kind="state-timeline",
            width=16,
            alert="GenesisBreakerNotClosed",
            words=(("0", "closed", "green"), ("1", "half open", "orange"), ("2", "open", "red")),
        ),
        Panel(
            "Breakers' changes",
            "Changes of breakers an hour, by the new state.",
            (
                Query(
                    "3600 * sum by (kind, state) (rate(genesis_breaker_transitions_total{@}[$__rate_interval]))",
                    "{{kind}}: {{state}}",
                ),
            ),
            unit="suffix: /h",
            stacked=True,
        ),
        Panel(
            "Repeats",
            "Repeats a minute of attempts and of single calls: made, or refused by the budget of their run.",
            (
                Query(
                    "60 * sum by (layer, decision) (rate(genesis_retries_total{@}[$__rate_interval]))",
                    "{{layer}}: {{decision}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Waits for rate limits",
            "Calls a minute that waited for a rate limit, and those whose turn would have come too late.",
            (
                Query("60 * sum by (kind) (rate(genesis_quota_waits_total{@}[$__rate_interval]))", "{{kind}}: waited"),
                Query(
                    "60 * sum by (kind) (rate(genesis_quota_refusals_total{@}[$__rate_interval]))", "{{kind}}: refused"
                ),
            ),
            unit="cpm",
        ),
        Panel(
            "Time lost to rate limits",
            "How many calls wait for a rate limit at a time, on average.",
            (Query("sum by (kind) (rate(genesis_quota_wait_seconds_total{@}[$__rate_interval]))", "{{kind}}"),),
        ),
    ),
)

_POOLS = Row(
    "Work pools and workers",
    (
        Panel(
            "Dispatches",
            "Flow runs dispatched a minute, by how they ended.",
            (
                Query(
                    "60 * sum by (pool, outcome) (rate(genesis_dispatches_total{@pool}[$__rate_interval]))",
                    "{{pool}}: {{outcome}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "From dispatch to beginning",
            "What one of twenty flow runs exceeds between its dispatch and its beginning.",
            (Query(quantile(0.95, "genesis_dispatch_latency_seconds", "pool", chosen="@pool"), "{{pool}}"),),
            unit="s",
            exemplars=True,
        ),
        Panel(
            "Dispatched and not begun",
            "Flow runs that wait for a worker. The line is where they become an alert, if they do not get fewer.",
            (Query("sum by (pool) (genesis_dispatch_queue_depth{@pool})", "{{pool}}"),),
            alert="GenesisQueueGrowing",
        ),
        Panel(
            "Workers",
            "Whether each worker polls as it should.",
            (Query("genesis_worker_up{@}", "{{instance}}"),),
            kind="state-timeline",
            alert="GenesisWorkerSilent",
            words=(("1", "polls", "green"), ("0", "silent", "red")),
        ),
        Panel(
            "Flow runs at work",
            "Flow runs that workers have now.",
            (Query("sum by (pool) (genesis_worker_flow_runs_running{@pool})", "{{pool}}"),),
            stacked=True,
        ),
        Panel(
            "Flow runs done",
            "Flow runs a minute that workers are done with, by how they ended.",
            (
                Query(
                    "60 * sum by (pool, outcome) (rate(genesis_worker_flow_runs_total{@pool}[$__rate_interval]))",
                    "{{pool}}: {{outcome}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Flow runs refused",
            "Flow runs that workers refused because the Prefect API named code or an environment for them, by what.",
            (
                Query(
                    "sum by (pool, what) (increase(genesis_worker_refusals_total{@pool}[$__rate_interval]))",
                    "{{pool}}: {{what}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Warm children",
            "Processes that workers keep ready.",
            (Query("sum by (instance) (genesis_worker_children{@})", "{{instance}}"),),
            stacked=True,
        ),
        Panel(
            "Since the last poll",
            "How long ago each pool was last polled, by the worker that is longest without.",
            (Query("max by (pool) (genesis_worker_last_poll_seconds{@pool})", "{{pool}}"),),
            unit="s",
        ),
        Panel(
            "Prefect API away",
            "How long the Prefect API has not answered a worker.",
            (Query("max by (instance) (genesis_worker_api_away_seconds{@})", "{{instance}}"),),
            unit="s",
            alert="GenesisApiAway",
        ),
    ),
)

_MODELS = Row(
    "Language models",
    (
        Panel(
            "Calls",
            "Calls to language models a minute, by how they ended.",
            (
                Query(
                    "60 * sum by (model, outcome) (rate(genesis_llm_calls_total{@}[$__rate_interval]))",
                    "{{model}}: {{outcome}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
        Panel(
            "Duration of calls",
            "What one of twenty calls to a language model exceeds.",
            (Query(quantile(0.95, "genesis_llm_call_duration_seconds", "model", chosen="@"), "{{model}}"),),
            unit="s",
            exemplars=True,
        ),
        Panel(
            "Tokens",
            "Tokens a minute, sent to and taken from language models.",
            (
                Query(
                    "60 * sum by (model, direction) (rate(genesis_llm_tokens_total{@}[$__rate_interval]))",
                    "{{model}}: {{direction}}",
                ),
            ),
            unit="cpm",
            stacked=True,
        ),
    ),
)

AGENTS = Dashboard(
    "agents",
    "Genesis: agents and resilience",
    "Who gets what, how they do, what keeps faults from spreading, how work pools keep up.",
    (_ROUTING, _WORKLOAD, _RESILIENCE, _POOLS, _MODELS),
    variables=("agent", "pool"),
)
