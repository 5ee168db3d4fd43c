"""The environment of a program that an agent runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from genesis.agents.contract import Work
from genesis.errors import TaskError
from genesis.observability.correlation import environment as environment_of
from genesis.security.secret_names import is_secret_variable

__all__ = ["SecretLookup", "child_environment", "require_secret"]

SecretLookup = Callable[[str], str | None]
"""Return a secret by name; None if it does not exist."""


def child_environment(
    environment: Mapping[str, str], extra: Mapping[str, str], secrets: SecretLookup, work: Work
) -> dict[str, str]:
    """Return the environment for a program: this process's without secrets, plus those that the agent lists.

    A variable is removed when its name suggests a key, token, password or the like, or when its value is a URL with
    a login (a proxy's is needed and kept). Tools thus do not get the keys of the language model or of
    Prefect just because they run beside them. The task's `env` comes next, then the agent's `secrets` by name, and the
    spec's `env` takes precedence: the agents file decides over plans.

    Args:
        environment: This process's variables.
        extra: The spec's `env`.
        secrets: Returns the agent's secrets.
        work: The attempt; its ids and its task's variables are passed to the program.

    Raises:
        TaskError: A secret that the agent lists does not exist.
    """
    kept = {name: value for name, value in environment.items() if not is_secret_variable(name, value)}
    about = {
        "GENESIS_TASK_PATH": work.path,
        "GENESIS_TASK_FOLDER": str(work.folder.absolute()),
        "GENESIS_TASK_RUN_ID": work.run_id,
        "GENESIS_TASK_CORRELATION_ID": work.correlation_id,
        "GENESIS_TASK_ATTEMPT": str(work.attempt),
    }
    return {
        **kept,
        **work.env,
        **about,
        **environment_of(),
        **_look_up_secrets(work.agent.secrets, secrets, work),
        **extra,
    }


def require_secret(name: str, secrets: SecretLookup, work: Work) -> str:
    """Look up a secret that the agent lists.

    Raises:
        TaskError: The agent does not list it, or it does not exist.
    """
    if name not in work.agent.secrets:
        raise TaskError(
            f"the executor of agent {work.agent.name!r} needs secret {name!r}, which the agent does not list",
            hint=f"add {name!r} to the agent's secrets",
        )
    value = secrets(name)
    if value is None:
        raise TaskError(
            f"agent {work.agent.name!r} needs secret {name!r}, which does not exist here",
            hint=f"set the environment variable {name}",
        )
    return value


def _look_up_secrets(names: Iterable[str], secrets: SecretLookup, work: Work) -> dict[str, str]:
    return {name: require_secret(name, secrets, work) for name in names}
