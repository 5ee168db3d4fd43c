"""Guess a step's task type from its verb and its nouns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from genesis.planning.words import base_verb, content_stems, stem, strip_polite, words

__all__ = ["CHANGE_OUTSIDE", "guess_type"]

GENERIC = "generic"
CHANGE_OUTSIDE = frozenset({"api_call", "deploy", "devops", "file_write", "infrastructure", "outreach"})
"""Types of task that change something outside of the run."""


@dataclass(frozen=True, slots=True)
class _Clue:
    """Words that point to types: the first type that some agent takes is the guess."""

    types: tuple[str, ...]
    verbs: frozenset[str] = frozenset()
    """Base forms that must begin the step; empty stands for any verb."""
    nouns: frozenset[str] = frozenset()
    """Words of which one must be in the step; empty stands for any."""


def _clue(types: str, verbs: str = "", nouns: str = "") -> _Clue:
    stems = frozenset(stem(noun) for noun in nouns.split())
    return _Clue(tuple(types.split()), frozenset(verbs.split()), stems)


@lru_cache(maxsize=1)
def _clues() -> Sequence[_Clue]:
    """Return the clues, the more specific ones first."""
    make = (
        "add build code create design develop draw extend implement improve make prototype redesign set "
        "setup update"
        " write fix"
    )
    look = "analyse analyze check assess audit find inspect investigate review scan test"
    return (
        _clue("test_run test", "run execute rerun repeat", "test tests suite pytest unittest benchmark"),
        _clue("test quality_assurance", make, "test tests testing"),
        _clue("penetration_test security", "", "pentest penetration"),
        _clue("vulnerability_scan security", look, "vulnerability vulnerabilities cve"),
        _clue("security", "secure harden encrypt protect", ""),
        _clue("security", look, "security secrets credentials threats"),
        _clue("deploy", "deploy release ship roll rollout", ""),
        _clue(
            "deploy", "publish push launch", "production staging server app application site website service package"
        ),
        _clue(
            "infrastructure devops deploy", "", "kubernetes terraform cluster infrastructure docker helm pipeline ci"
        ),
        _clue("monitor observability", "monitor observe watch", ""),
        _clue(
            "monitor observability metrics",
            make + " configure install",
            "alerts alerting dashboards monitoring telemetry",
        ),
        _clue("requirements specification", "", "requirements requirement stories criteria"),
        _clue("specification technical_spec design", make + " draft", "specification spec"),
        _clue("architecture system_design design", make, "architecture"),
        _clue("database backend", make + " migrate", "database schema sql table migration index postgres mysql sqlite"),
        _clue(
            "ui frontend design",
            "design sketch draw wireframe prototype",
            "page ui mockup wireframe interface screen layout",
        ),
        _clue("frontend ui", make, "frontend ui page website button form css react component interface screen layout"),
        _clue("api backend", make, "api endpoint endpoints rest graphql webhook"),
        _clue("backend", make, "backend server microservice"),
        _clue(
            "documentation content",
            make + " document draft",
            "documentation docs readme manual guide tutorial docstrings",
        ),
        _clue("documentation content", "document", ""),
        _clue("bug_fix implement", "fix debug repair correct troubleshoot", ""),
        _clue(
            "refactor implement", "refactor restructure streamline rewrite", "code module function class service app"
        ),
        _clue("marketing promotion", "promote advertise market", ""),
        _clue("marketing promotion", "", "campaign seo ads newsletter advertising"),
        _clue("lead_generation sales", "", "leads prospects"),
        _clue("sales outreach", "sell pitch negotiate", ""),
        _clue("pricing finance", make + " define calculate determine choose", "pricing prices price"),
        _clue("budgeting finance", "", "budget"),
        _clue("finance accounting", "", "invoice invoices accounting billing revenue tax taxes"),
        _clue("support customer_service", "help answer reply respond", "customer customers user users ticket tickets"),
        _clue("reporting analytics", "summarise summarize report", ""),
        _clue("reporting analytics", make + " draft prepare generate compile produce", "report summary overview"),
        _clue(
            "content marketing",
            "write draft compose create prepare produce edit",
            "article post blog copy story email text essay",
        ),
        _clue(
            "data_analysis analytics",
            "analyse analyze calculate compute compare measure plot visualise visualize forecast"
            " predict estimate aggregate count evaluate rank sort",
            "",
        ),
        _clue("validation test", "validate verify check lint confirm", ""),
        _clue("test validation", "test benchmark", ""),
        _clue("review validation", "review audit inspect assess", ""),
        _clue(
            "research discovery",
            "research find search investigate explore discover study browse look gather collect "
            "retrieve fetch get identify survey recommend suggest list show locate query read determine "
            "learn",
            "",
        ),
        _clue("design", "design sketch prototype draw", ""),
        _clue("planning", "plan schedule organise organize prioritise prioritize coordinate brainstorm outline", ""),
        _clue("implement code", "implement code develop program refactor integrate automate", ""),
        _clue(
            "implement code",
            "add build create extend make set setup migrate",
            "app application feature function module code "
            "script service library login authentication cli command class component plugin integration "
            "search cache",
        ),
        _clue("build implement", "build compile", ""),
        _clue("content", "write compose draft translate", ""),
    )


def guess_type(text: str, known: Collection[str] = ()) -> str:
    """Guess the task type of a step.

    Args:
        text: The step's words.
        known: Types that some agent takes; empty means that all are.

    Returns:
        A type from `known`, or `generic` when no known word decides.
    """
    tokens = words(strip_polite(text))
    if not tokens:
        return GENERIC
    verb = base_verb(tokens[0]) or tokens[0]
    nouns = set(content_stems(text))
    for clue in _clues():
        if clue.verbs and verb not in clue.verbs:
            continue
        if clue.nouns and not clue.nouns & nouns:
            continue
        for task_type in clue.types:
            if not known or task_type in known:
                return task_type
    return GENERIC
