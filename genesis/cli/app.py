"""The `genesis` program: find the command, run it, turn errors into messages and exit codes."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from genesis.cli.limits import EXIT_INTERRUPTED
from genesis.cli.process_exit import leave
from genesis.cli.streams import explain_lost_answer, flush, prepare_streams, reserve_stdout
from genesis.errors import GenesisError, ResourceError, UsageError
from genesis.text import escape_terminal

__all__ = ["main"]

_COMMANDS: dict[str, tuple[str, str]] = {
    "plan": ("genesis.cli.plan:plan", "Plan a request: tasks, agents and checks. Runs nothing."),
    "route": ("genesis.cli.stages:route", "Route the tasks of a plan file to agents."),
    "validate": ("genesis.cli.stages:validate", "Check a plan file before anything runs."),
    "import": ("genesis.cli.imports:import_", "Turn a workflow of another system into a plan file."),
    "simulate": ("genesis.cli.stages:simulate", "Predict the timeline of a plan file."),
    "run": ("genesis.cli.run:run", "Plan and run a request, or run a plan file."),
    "deploy": ("genesis.cli.deploy:deploy", "Deploy a plan file with its schedules and notifications."),
    "resume": ("genesis.cli.run:resume", "Resume a run; finished tasks are kept."),
    "deliver": ("genesis.cli.deliver:deliver", "Submit the result of a work order; the run continues."),
    "cancel": ("genesis.cli.cancel:cancel", "Cancel a run, wherever its tasks are."),
    "runs": ("genesis.cli.runs:runs", "List runs, or show one."),
    "files": ("genesis.cli.files:files", "List the files that a run's tasks kept, or copy them."),
    "report": ("genesis.cli.report:report", "Write an HTML report of a run."),
    "init": ("genesis.cli.init:init", "Write the files of a fleet, and keep them up to date."),
    "agents": ("genesis.cli.agents:agents", "List the agents, or check an agents file."),
    "pools": ("genesis.cli.pools:pools", "The agents' work pools: sync."),
    "worker": ("genesis.cli.worker:worker", "Serve work pools: run agents in warm processes."),
    "server": ("genesis.cli.server:server", "The embedded Prefect server: up, down, status."),
    "doctor": ("genesis.cli.doctor:doctor", "Diagnose problems on this machine and suggest fixes."),
    "schema": ("genesis.cli.schema:schema", "Print the JSON Schema of a document."),
}
_UNUSABLE_PATH = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EISDIR)
"""Errors of an unusable folder that the environment names, such as `PREFECT_HOME`, beside exhausted resources."""
_HELP = ("-h", "--help", "--version")
_WITH_OUTCOME = (["run"], ["resume"], ["deliver"])
"""Commands whose exit code reports how a run ended, even if their output could not be written."""


class _LazyGroup(click.Group):
    """A group that imports a command only when it is called, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click gives it)
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], _COMMANDS, n=1)
            guess = f"Did you mean {close[0]!r}?" if close else "See: genesis --help"
            raise click.UsageError(f"There is no command {args[0]!r}. {guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"genesis {version('prefect-genesis')}")
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog='Example: genesis run "Audit the repository at ."',
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def _genesis(debug: bool) -> None:
    """Genesis plans a request, routes each task to an agent, checks the plan, and runs it on Prefect."""
    del debug  # read from the arguments at the boundary, where errors are shown


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit. This is the boundary at which every error becomes a message and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    warnings.filterwarnings("ignore", "Possible (nested set|set )", FutureWarning)  # a pattern written by a user
    prepare_streams()
    if _takes(words, "--json") and not any(_takes(words, asked) for asked in _HELP):
        reserve_stdout()
    code = _invoke(words)
    flush()
    if lost := explain_lost_answer():
        sys.stderr.write(f"Error: the answer could not be written to stdout: {lost}\n")
        code = code or (0 if words[:1] in _WITH_OUTCOME else 1)
    leave(code)


def _invoke(words: list[str]) -> int:
    debug, as_json = _takes(words, "--debug"), _takes(words, "--json")
    try:
        _refuse_missing_folder()
        code = _genesis.main(args=words, prog_name="genesis", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        code = _usage(error, as_json)
    except (KeyboardInterrupt, click.Abort):
        code = _show(GenesisError("interrupted", code="GEN-INTERRUPTED"), as_json, debug, EXIT_INTERRUPTED)
    except BrokenPipeError:
        code = 1
    except GenesisError as error:
        code = _show(error, as_json, debug, error.exit_code)
    except Exception as error:  # noqa: BLE001 (the named boundary of a command)
        code = _show(_fault(error), as_json, debug, 1, error)
    return code if isinstance(code, int) else 0


def _refuse_missing_folder() -> None:
    """Refuse to work in a folder that has been removed: relative paths cannot be resolved there.

    Raises:
        UsageError: The current folder is gone.
    """
    try:
        os.getcwd()  # noqa: PTH109  # asked only whether there is one
    except OSError as error:
        raise UsageError(
            "the current folder no longer exists", hint="change to an existing folder and run the command again"
        ) from error


def _fault(error: Exception) -> GenesisError:
    """Turn an unexpected error into one of ours: the machine is out of a resource, or Genesis has a defect."""
    if isinstance(error, MemoryError):
        return ResourceError("out of memory", hint="provide more memory, or use a smaller plan")
    if ResourceError.is_meant_by(error) or (isinstance(error, OSError) and error.errno in _UNUSABLE_PATH):
        where = f": {error.filename!r}" if isinstance(error, OSError) and error.filename else ""
        hint = "or set GENESIS_HOME and PREFECT_HOME to folders that can be written"
        return ResourceError.of(error, f"it cannot continue{where}", hint=hint)
    return GenesisError(
        f"unexpected {type(error).__name__}: {error}",
        hint="run it again with --debug and report the output",
        code="GEN-INTERNAL",
    )


def _takes(words: list[str], flag: str) -> bool:
    """Whether a flag is among the arguments before a `--`."""
    return flag in (words[: words.index("--")] if "--" in words else words)


def _is_set_to_debug() -> bool:
    """Whether `GENESIS_DEBUG` asks for tracebacks; False where the settings cannot be read."""
    from genesis.settings import Settings

    try:
        return Settings().debug
    except ValueError:
        return False


def _usage(error: click.ClickException, as_json: bool) -> int:
    if as_json:
        from genesis.cli.output import print_error

        print_error(GenesisError(error.format_message(), hint="see --help", code="GEN-USAGE"), as_json=True)
    else:
        shown = io.StringIO()
        error.show(shown)
        sys.stderr.write(escape_terminal(shown.getvalue()))
    return 2


def _show(error: GenesisError, as_json: bool, debug: bool, code: int, cause: Exception | None = None) -> int:
    from genesis.cli.output import print_error

    if debug or _is_set_to_debug():
        import traceback

        sys.stderr.write(escape_terminal("".join(traceback.format_exception(cause or error))))
    print_error(error, as_json=as_json)
    return code
