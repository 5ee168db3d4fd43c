"""The environment of a program that an agent runs."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

from genesis.agents.contract import Work
from genesis.errors import TaskError
from genesis.model import CommandSpec
from genesis.observability.correlation import environment as environment_of
from genesis.security.sandbox import variables_named
from genesis.security.secret_names import is_secret_variable

__all__ = ["SecretLookup", "child_environment", "common_variables", "no_secret", "require_secret"]

SecretLookup = Callable[[str], str | None]
"""Return a secret by name; None if it does not exist."""


def no_secret(name: str) -> str | None:  # noqa: ARG001  # the signature of a lookup
    """Look up a secret where there are none."""
    return None


_PASSED = frozenset(
    [
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "NO_COLOR", "LANG", "LANGUAGE", "TZ"),
        *("TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV", "JAVA_HOME", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("GIT_SSL_CAINFO", "SOURCE_DATE_EPOCH"),
    ]
)
"""Variables that programs need in order to start, to speak the user's language and to reach a proxy."""
_LOCALE = "LC_"


def child_environment(
    environment: Mapping[str, str], spec: CommandSpec, secrets: SecretLookup, work: Work
) -> dict[str, str]:
    """Return the environment for a program: few of this process's variables, plus those that the agent lists.

    Of this process's variables a program gets those that every program needs, those that the spec lists in `pass_env`,
    and those that the spec's arguments name as `$NAME`, unless they are secrets. Tools thus do not get the keys of the
    language model or of Prefect just because they run beside them. The task's `env` comes next, then the agent's
    `secrets` by name, and the spec's `env` takes precedence: the agents file decides over plans.

    Args:
        environment: This process's variables.
        spec: The program.
        secrets: Returns the agent's secrets.
        work: The attempt; its ids and its task's variables are passed to the program.

    Raises:
        TaskError: A secret that the agent lists does not exist.
    """
    named = variables_named(spec.argv)
    kept = {name: value for name, value in environment.items() if name in spec.pass_env}
    kept |= common_variables(environment, named)
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
        **spec.env,
    }


def common_variables(environment: Mapping[str, str], named: Container[str] = ()) -> dict[str, str]:
    """Return those of this process's variables that every program gets, and those with these names; no secrets."""
    return {
        name: value
        for name, value in environment.items()
        if (name in _PASSED or name in named or name.startswith(_LOCALE)) and not is_secret_variable(name, value)
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
