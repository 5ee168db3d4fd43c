"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from genesis.errors import UsageError
from genesis.foreign import encodable

if TYPE_CHECKING:
    from genesis.planning import Selectors
    from genesis.settings import Settings

__all__ = [
    "agents_option",
    "debug_option",
    "is_plan_file",
    "json_option",
    "load_settings",
    "parameters",
    "params_option",
    "planning_options",
    "project_agents_option",
    "project_option",
    "selection_options",
    "selectors",
    "slots_option",
    "tenant_option",
    "use_project_here",
    "variables",
]

_F = TypeVar("_F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
_PROJECT = "genesis.project"
"""Key of the context's notes under which the project of the command line is."""


def _note_project(ctx: click.Context, _param: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.meta[_PROJECT] = value


project_option = click.option(
    "--project",
    type=click.Path(path_type=Path),
    callback=_note_project,
    expose_value=False,
    is_eager=True,
    metavar="DIR",
    help="Use the agents and playbooks of the project in DIR (default: GENESIS_PROJECT).",
)


def _choose_agents(default: str) -> Callable[[_F], _F]:
    """Return the options that choose the agents.

    Args:
        default: Whose agents are used without them, for the help.
    """
    option = click.option(
        "--agents",
        type=click.Path(path_type=Path),
        default=None,
        metavar="FILE",
        help=f"Agents file (default: {default}).",
    )
    return lambda command: project_option(option(command))


agents_option = _choose_agents("that of the project, or the agents of the installed fleets")
project_agents_option = _choose_agents("GENESIS_AGENTS, that of the project, or those of the installed fleets")
"""For a command about pools."""
params_option = click.option(
    "--param", "params", multiple=True, metavar="K=V", help="Parameter of the plan file; may be repeated."
)
slots_option = click.option(
    "--slots", type=click.IntRange(1, 1000), default=None, help="Maximum number of tasks running at once (default 16)."
)


def _tenant(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    from genesis.model.tenant import check_tenant

    return check_tenant(value)


tenant_option = click.option(
    "--tenant",
    callback=_tenant,
    default=None,
    metavar="NAME",
    help="Tenant of the run: workers serve the tenants' waiting runs in turn.",
)


def planning_options(command: _F) -> _F:
    """Add the options of planning."""
    for option in (
        params_option,
        click.option("--var", "pairs", multiple=True, metavar="K=V", help="Variable for the plan; may be repeated."),
        click.option(
            "--playbooks",
            type=click.Path(path_type=Path),
            default=None,
            metavar="DIR",
            help="Folder with your playbooks.",
        ),
        agents_option,
        click.option(
            "--llm",
            default=None,
            metavar="MODEL",
            help="Model for planning and for agents: openai:…, anthropic:…, or off.",
        ),
    ):
        command = option(command)
    return command


def selection_options(command: _F) -> _F:
    """Add the options that select a part of a plan."""
    for option in (
        click.option(
            "--except",
            "except_",
            multiple=True,
            metavar="SELECTOR",
            help="Leave these tasks out, by the same selectors; may be repeated.",
        ),
        click.option(
            "--select",
            multiple=True,
            metavar="SELECTOR",
            help='Only these tasks: "lint", "+report" with all before it, "build+" with all after it, "agent:qa".',
        ),
    ):
        command = option(command)
    return command


def selectors(select: tuple[str, ...], except_: tuple[str, ...]) -> Selectors:
    """Return what `--select` and `--except` ask for."""
    from genesis.planning import Selectors

    return Selectors(tuple(map(encodable, select)), tuple(map(encodable, except_)))


def variables(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse `k=v` words of `--var`.

    Raises:
        UsageError: A word has no `=`, or no name before it.
    """
    return _parse_pairs(pairs, "--var", "run_tests=yes")


def parameters(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse `k=v` words of `--param`; the plan declares the types of the values.

    Raises:
        UsageError: A word has no `=`, or no name before it.
    """
    return _parse_pairs(pairs, "--param", "limit=3")


def _parse_pairs(pairs: tuple[str, ...], option: str, example: str) -> dict[str, str]:
    from genesis.model.scalars import canonical

    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(
                f"{option} {pair!r} is not of the form name=value", hint=f"for example: {option} {example}"
            )
        found[canonical(encodable(name.strip()))] = encodable(value)
    return found


def is_plan_file(word: str) -> bool:
    """Whether an argument names a file rather than a request: it ends in .yaml, .yml or .json."""
    return word.lower().endswith((".yaml", ".yml", ".json")) and "\n" not in word


def use_project_here(settings: Settings, agents: Path | None) -> Settings:
    """Use the project of the current folder if it is trusted, for a command about pools.

    Other commands may run in somebody else's repository, and take a project only by name.

    Args:
        settings: The settings.
        agents: Agents file of the command line.
    """
    from genesis.cli.output import print_notice
    from genesis.fleet.trusted import use_current_project

    return use_current_project(settings, print_notice, quiet=agents is not None)


def load_settings(*, llm: str | None = None, slots: int | None = None, named_project: bool = True) -> Settings:
    """Read the settings; options of the command line take precedence.

    Args:
        llm: Model of the command line.
        slots: Slots of the command line.
        named_project: Use the agents and playbooks of the project that the command line or the environment names.

    Raises:
        UsageError: An environment variable has a value that cannot be used, or the project is no folder.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from genesis.settings import Settings

    try:
        settings = Settings()
    except SettingsError as error:
        named = re.search(r'field "(\w+)"', str(error))
        name = f"GENESIS_{named[1].upper()}" if named else str(error)
        raise UsageError(
            f"the setting {name} cannot be used: it is not JSON",
            hint="a group of settings is a JSON object, as in GENESIS_RUN='{\"slots\": 8}'",
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "GENESIS_" + "__".join(str(part) for part in first["loc"]).upper()
        why = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"the setting {name} cannot be used: {why}", hint=f"correct it, or: unset {name}") from error
    update: dict[str, Any] = {}
    if llm is not None:
        model = None if llm.lower() in ("off", "none", "no") else llm
        update["llm"] = settings.llm.model_copy(update={"model": model})
    if slots is not None:
        update["run"] = settings.run.model_copy(update={"slots": slots})
    settings = settings.model_copy(update=update)
    return _use_named_project(settings) if named_project else settings


def _use_named_project(settings: Settings) -> Settings:
    context = click.get_current_context(silent=True)
    folder = settings.project if context is None else context.meta.get(_PROJECT, settings.project)
    if folder is None:
        return settings
    from genesis.cli.output import print_notice
    from genesis.fleet.trusted import use_named_project

    return use_named_project(settings, folder, print_notice)
