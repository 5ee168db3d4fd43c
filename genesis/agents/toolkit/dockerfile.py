"""Read a Dockerfile's instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from genesis.agents.toolkit.files import SourceFile

__all__ = ["BaseImage", "Instruction", "base_images", "instructions", "is_dockerfile", "split_image"]

_VARIABLE = re.compile(r"\$\{?(\w+)(?::-([^}]*))?\}?")
_OTHER_SUFFIXES = frozenset(
    {".py", ".pyi", ".go", ".js", ".ts", ".rs", ".rb", ".md", ".rst", ".txt", ".json", ".yml", ".yaml"}
)
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
    """Give the images that a Dockerfile builds on, without `scratch` and its own earlier stages."""
    arguments: dict[str, str] = {}
    stages: set[str] = set()
    images: list[BaseImage] = []
    for step in steps:
        if step.word == "ARG" and "=" in step.rest:
            name, _, default = step.rest.partition("=")
            arguments[name.strip()] = default.strip().strip("\"'")
        elif step.word == "FROM":
            words = [word for word in step.rest.split() if not word.startswith("--")]
            if not words:
                continue
            image = _VARIABLE.sub(lambda match: arguments.get(match[1]) or match[2] or match[0], words[0])
            stage = words[2] if [word.upper() for word in words[1:-1]] == ["AS"] else ""
            if image.lower() not in stages and image.lower() != "scratch":
                images.append(BaseImage(step.line, image, stage))
            stages.add(stage.lower())
    return images


def split_image(image: str) -> tuple[str, str, str]:
    """Split an image reference into its name, tag and digest; the latter two may be empty."""
    name, _, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return head, tag, digest
    return name, "", digest
