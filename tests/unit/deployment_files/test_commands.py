"""Every command in the files exists, with the options and values that it is given."""

import click
import pytest

_FEWEST = {"Dockerfile": 1, "chart": 1, "compose deploy": 2, "kubernetes genesis-deploy": 2}
"""So that a command that is written in another way is not passed over."""


def _parse_genesis(words):
    from genesis.cli.app import _genesis

    command, name = _genesis, "genesis"
    parent = click.Context(command, info_name=name)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(parent, words)
        parent = click.Context(command, parent=parent, info_name=name)
    try:
        return command.make_context(name, list(words), parent=parent.parent).params
    except click.exceptions.Exit:  # --help
        return {}


def _parse_prefect(words):
    from prefect.cli._app import _app

    _app.parse_args(words, exit_on_error=False, print_error=False)


def test_commands_are_found_everywhere(commands):
    for where, found in commands.items():
        assert len(found) >= _FEWEST.get(where, 1), where


def test_commands_of_genesis_parse(commands):
    for where, found in commands.items():
        for words in found:
            if words[0] == "genesis":
                try:
                    _parse_genesis(words[1:])
                except click.UsageError as error:
                    pytest.fail(f"{where}: {error.format_message()}")


def test_commands_of_prefect_parse(commands):
    from cyclopts.exceptions import CycloptsError

    for where, found in commands.items():
        for words in found:
            if words[0] == "prefect":
                try:
                    _parse_prefect(words[1:])
                except CycloptsError as error:
                    pytest.fail(f"{where}: {error}")


@pytest.mark.parametrize("words", [["worker", "--al"], ["pools", "synk"], ["worker", "--grace", "long"]])
def test_a_wrong_command_of_genesis_would_be_found(words):
    with pytest.raises(click.UsageError):
        _parse_genesis(words)


@pytest.mark.parametrize("words", [["server", "start", "--no-servces"], ["server", "services", "begin"]])
def test_a_wrong_command_of_prefect_would_be_found(words):
    from cyclopts.exceptions import CycloptsError

    with pytest.raises(CycloptsError):
        _parse_prefect(words)


@pytest.mark.parametrize("place", ["compose", "kubernetes genesis"])
def test_orchestrators_and_agents_are_served_apart_and_every_pool_by_one(commands, place):
    from genesis.cli.worker import _select_pools
    from genesis.routing import load_registry

    registry = load_registry(None)
    separator = " " if place == "compose" else "-"
    served = {}
    for name in ("orchestrator", "agents"):
        (words,) = commands[f"{place}{separator}{name}"]
        given = _parse_genesis(words[1:])
        served[name] = _select_pools(
            registry, everything=given["everything"], agents=given["agents"], pools=given["pools"]
        )
    assert served["orchestrator"] == ["genesis"]
    assert served["agents"] == list(dict.fromkeys(agent.pool_name for agent in registry.agents))
