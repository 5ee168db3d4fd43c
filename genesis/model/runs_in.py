"""Where a task runs, if that is not where its agent runs."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from genesis.model.base import Model, Name, Text

__all__ = ["RunsIn", "Venv"]

_LONGEST = 300
_IMAGE = r"^[A-Za-z0-9][A-Za-z0-9._\-/:@]*$"


def _check_requirement(text: str) -> str:
    """Refuse all but a package's name with extras, versions and markers: no option, path or URL.

    Raises:
        ValueError: It is something else.
    """
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415  # few plans have any

    wanted = "a requirement is a package with extras and versions such as 'httpx[http2]>=0.28'"
    try:
        found = Requirement(text) if len(text) <= _LONGEST else None
    except InvalidRequirement as error:
        raise ValueError(f"{text[:80]!r}: {str(error).splitlines()[0]}; {wanted}") from None
    if found is None or found.url is not None:
        raise ValueError(f"{text[:80]!r}: {wanted}, without a URL, and of at most {_LONGEST} characters")
    return str(found)


class Venv(Model):
    """A virtual environment, which is made once for its requirements on each machine."""

    requirements: Annotated[
        tuple[Annotated[Text, AfterValidator(_check_requirement)], ...], Field(min_length=1, max_length=200)
    ]
    """Packages with their versions (PEP 508), without options, paths and URLs."""


class RunsIn(Model):
    """The environment of a command or a Python function."""

    venv: Venv | None = None
    """A virtual environment."""
    image: Annotated[str | None, Field(pattern=_IMAGE, max_length=500)] = None
    """A container image, on work pools that run containers."""
    pool: Name | None = None
    """The work pool of another agent."""

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        if self.venv is None and self.image is None and self.pool is None:
            raise ValueError("it names no environment: `venv: {requirements: […]}`, `image` or `pool`")
        return self
