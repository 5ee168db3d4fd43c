"""Read a Dockerfile's instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from genesis_audit.files import SourceFile

__all__ = ["BaseImage", "Instruction", "base_images", "final_user", "instructions", "is_dockerfile", "split_image"]

_VARIABLE = re.compile(r"\$\{?(\w+)(?::?-([^}]*))?\}?")
_OTHER_SUFFIXES = (
    *(".py", ".pyi", ".go", ".js", ".ts", ".rs", ".rb", ".sh", ".md", ".rst", ".txt", ".html", ".log"),
    *(".json", ".yml", ".yaml", ".toml", ".lock", ".dockerignore", ".containerignore", ".bak", ".orig", ".patch"),
    *(".diff", ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl", ".template", ".erb", ".in", ".m4", ".mustache", ".hbs"),
)
"""What only begins like a Dockerfile's name: code, documents, lists of what to ignore, templates."""
_ARGUMENT = re.compile(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S*)")
_HEREDOC = re.compile(r"<<-?[\"']?(\w+)[\"']?")


@dataclass(frozen=True)
class Instruction:
    """One instruction with its continuation lines joined."""

    line: int
    word: str
    """In upper case."""
    rest: str


@dataclass(frozen=True)
class BaseImage:
    """What a `FROM` names, with build arguments replaced by their defaults."""

    line: int
    image: str
    stage: str


def is_dockerfile(file: SourceFile) -> bool:
    """Whether a file is a Dockerfile by its name."""
    stem, _, rest = file.name.lower().partition(".")
    if stem in ("dockerfile", "containerfile"):
        return file.suffix not in _OTHER_SUFFIXES
    return rest.endswith(("dockerfile", "containerfile")) and file.suffix in (".dockerfile", ".containerfile")


def instructions(text: str) -> list[Instruction]:
    """Read the instructions in order; comments, and the bodies of here-documents, are left out."""
    found: list[Instruction] = []
    parts: list[str] = []
    begun, heredoc = 0, ""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if heredoc:
            heredoc = "" if line == heredoc else heredoc
            continue
        if line.startswith("#") or (not line and not parts):
            continue
        begun = begun if parts else number
        if line.endswith(("\\", "`")):
            parts.append(line[:-1].strip())
            continue
        parts.append(line)
        word, _, rest = " ".join(parts).strip().partition(" ")
        found.append(Instruction(begun, word.upper(), rest.strip()))
        parts = []
        opened = _HEREDOC.search(rest) if word.upper() in ("RUN", "COPY", "ADD") else None
        heredoc = opened[1] if opened else ""
    return found


def base_images(steps: list[Instruction]) -> list[BaseImage]:
    """Return the images that a Dockerfile builds on, without `scratch` and its own earlier stages."""
    stages: set[str] = set()
    images: list[BaseImage] = []
    for base in _stages(steps):
        if base.image.lower() not in stages and base.image.lower() != "scratch":
            images.append(base)
        stages.add(base.stage.lower())
    return images


def final_user(steps: list[Instruction]) -> tuple[str, str]:
    """Return the last `USER` of the last stage and the image that stage is built on, through earlier stages."""
    users: dict[str, tuple[str, str]] = {}
    current, user, image = "", "", ""
    stages = iter(_stages(steps))
    for step in steps:
        if step.word == "USER":
            user = step.rest.strip()
        elif step.word == "FROM" and (base := next(stages, None)) is not None:
            users[current] = (user, image)
            current = base.stage.lower()
            user, image = users.get(base.image.lower(), ("", base.image))
    return user, image


def _stages(steps: list[Instruction]) -> list[BaseImage]:
    """Read each `FROM`, with the defaults of arguments put in; one without an image is left out."""
    arguments: dict[str, str] = {}
    found: list[BaseImage] = []
    for step in steps:
        if step.word == "ARG":
            for name, default in _ARGUMENT.findall(step.rest):
                arguments[name] = _expand_variables(default.strip("\"'"), arguments)
        elif step.word == "FROM":
            words = [word for word in step.rest.split() if not word.startswith("--")] or ["$"]
            stage = words[2] if [word.upper() for word in words[1:-1]] == ["AS"] else ""
            found.append(BaseImage(step.line, _expand_variables(words[0], arguments), stage))
    return found


def _expand_variables(text: str, arguments: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: arguments.get(match[1]) or match[2] or match[0], text)


def split_image(image: str) -> tuple[str, str, str]:
    """Split an image reference into its name, tag and digest; the latter two may be empty."""
    name, _, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return head, tag, digest
    return name, "", digest
