"""The schema of a model's answer, its bounds, and its conversion to tasks.

The schema that goes to the model bounds every text and every list. Parsing is lenient, since not every service enforces
a schema: too long values are clipped, missing ones are empty, malformed ones are dropped. There is no
field for agents, executors, secrets, limits or approvals, so a model cannot set them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from genesis.model import Task
from genesis.planning.llm_vocabulary import MOST_CHOICES, RegistryVocabulary
from genesis.planning.task_types import CHANGE_OUTSIDE
from genesis.structure.repair import Repair, slug, unique_slugs

__all__ = ["Draft", "PlanDraft", "TaskDraft", "draft_schema", "letters", "read_drafts"]

_ID = 40
"""Most characters of an id that a model may write."""
_DESCRIPTION = 200
"""Most characters of a task's description."""
_NAMES = 5
"""Most dependencies or outputs of a task."""
_SKILLS = 2
"""Most skills that a task may require."""
_PAIRS = 2
"""Most labels or inputs of a task."""
_VALUE = 120
"""Most characters of a label's or an input's value."""
_LONGEST = 500
"""Characters of a text that are kept of a model that ignores the schema's limits."""
_MOST_READ = 2_000
"""Items of a list that are read of such an answer."""


def _text(value: object) -> str:
    """Coerce a value to text, without control characters and repeated blanks."""
    if value is None or isinstance(value, dict | list):
        return ""
    return " ".join("".join(char if char.isprintable() else " " for char in str(value)[:4000]).split())


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [text for text in map(_text, items[:_MOST_READ]) if text]


def _pairs(value: object) -> dict[str, str]:
    """Accept pairs of name and value, in a list or as a mapping."""
    if isinstance(value, list):
        found = [(item.get("name"), item.get("value")) for item in value if isinstance(item, dict)]
    else:
        found = list(value.items()) if isinstance(value, dict) else []
    pairs = {slug(_text(name), "")[:_ID]: _text(text)[:_VALUE] for name, text in found[:_PAIRS]}
    return {name: text for name, text in pairs.items() if name and text}


def _items(value: object) -> list[object]:
    return [item for item in value[:_MOST_READ] if isinstance(item, dict)] if isinstance(value, list) else []


_Text = Annotated[str, BeforeValidator(_text)]
_Texts = Annotated[list[str], BeforeValidator(_texts)]
_Pairs = Annotated[dict[str, str], BeforeValidator(_pairs)]


class TaskDraft(BaseModel):
    """One task as a model describes it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: _Text = ""
    description: _Text = ""
    type: _Text = ""
    depends_on: _Texts = []
    skills: _Texts = []
    labels: _Pairs = {}
    inputs: _Pairs = {}
    composite: Annotated[bool, BeforeValidator(lambda value: value is True or _text(value).lower() == "true")] = False


class PlanDraft(BaseModel):
    """The tasks of one level of a plan."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tasks: Annotated[list[TaskDraft], BeforeValidator(_items)]


def draft_schema(vocabulary: RegistryVocabulary, most: int, *, may_split: bool) -> type[PlanDraft]:
    """Make the schema of one answer.

    Args:
        vocabulary: Types and skills to choose from; offered as closed choices up to 100 of a kind.
        most: Maximum number of tasks in the answer.
        may_split: Whether a task may be marked as composite.
    """
    shape = _shape(vocabulary, most, may_split=may_split)

    class Tasks(PlanDraft):
        """The tasks of a plan."""

        @classmethod
        def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
            return shape

    return Tasks


def _shape(vocabulary: RegistryVocabulary, most: int, *, may_split: bool) -> dict[str, Any]:
    pair = _object({"name": _string(_ID), "value": _string(_VALUE)})
    fields: dict[str, Any] = {
        "id": _string(_ID),
        "description": _string(_DESCRIPTION),
        "type": _choice(vocabulary.types),
        "depends_on": _array(_string(_ID), _NAMES),
        "skills": _array(_choice(vocabulary.skills), _SKILLS),
        "labels": _array(pair, _PAIRS),
        "inputs": _array(pair, _PAIRS),
    }
    if may_split:
        fields["composite"] = {"type": "boolean"}
    return _object({"tasks": _array(_object(fields), most, least=1)})


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _array(items: dict[str, Any], most: int, *, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _string(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}


def _choice(values: tuple[str, ...]) -> dict[str, Any]:
    if 0 < len(values) <= MOST_CHOICES:
        return {"type": "string", "enum": list(values)}
    return _string(_ID)


@dataclass(slots=True)
class Draft:
    """A task before it is added to a plan."""

    id: str
    description: str
    type: str
    depends_on: tuple[str, ...]
    requires: tuple[str, ...]
    labels: Mapping[str, str]
    inputs: Mapping[str, str]
    composite: bool
    children: list[Draft] = field(default_factory=list)

    def task(self) -> Task:
        """Build the task. Only leaves keep inputs; types with side effects are marked so."""
        return Task(
            id=self.id,
            type=self.type,
            description=self.description,
            depends_on=self.depends_on,
            subtasks=tuple(child.task() for child in self.children),
            requires=() if self.children else self.requires,
            labels=dict(self.labels),
            inputs={} if self.children else dict(self.inputs),
            side_effects=not self.children and self.type in CHANGE_OUTSIDE,
        )


def read_drafts(answer: PlanDraft, vocabulary: RegistryVocabulary, repairs: list[Repair]) -> list[Draft]:
    """Turn an answer into drafts with valid ids and known types and skills; each change is recorded.

    Tasks without a description or with a repeated description are dropped.
    """
    kept, aliases = _distinct(answer.tasks, repairs)
    names = [item.id or _first_words(item.description) for item in kept]
    ids, renamed = unique_slugs([name[:_ID] for name in names])
    repairs.extend(renamed)
    meaning = _meanings(kept, ids, aliases)
    return [_draft(item, ids[place], meaning, vocabulary, repairs) for place, item in enumerate(kept)]


def _distinct(items: list[TaskDraft], repairs: list[Repair]) -> tuple[list[TaskDraft], list[tuple[str, int]]]:
    """Keep the first task of each description; map the ids of the others to its position."""
    kept: list[TaskDraft] = []
    aliases: list[tuple[str, int]] = []
    seen: dict[str, int] = {}
    for item in items:
        key = letters(item.description)
        if not key:
            repairs.append(Repair("GEN-REPAIR-EMPTY", item.id or None, f"{item.id[:80]!r} had no description"))
        elif key in seen:
            aliases.append((item.id, seen[key]))
            text = f"{item.id[:80]!r} repeats {kept[seen[key]].id[:80]!r} and was left out"
            repairs.append(Repair("GEN-REPAIR-REPEATED", item.id or None, text))
        else:
            seen[key] = len(kept)
            kept.append(item)
    return kept, aliases


def _meanings(kept: list[TaskDraft], ids: list[str], aliases: list[tuple[str, int]]) -> dict[str, str]:
    """Map what a model may write in `depends_on` to ids: the id as it wrote it, or the whole description."""
    meaning = {item.description: ids[place] for place, item in enumerate(kept)}
    for name, place in aliases:
        meaning.setdefault(name, ids[place])
    for place, item in reversed(list(enumerate(kept))):
        meaning[item.id] = ids[place]
    return meaning


def _draft(
    item: TaskDraft, name: str, meaning: Mapping[str, str], vocabulary: RegistryVocabulary, repairs: list[Repair]
) -> Draft:
    kind = vocabulary.type_for(item.type)
    if item.type and kind != item.type:
        repairs.append(Repair("GEN-REPAIR-TYPE", name, f"{name!r} became {kind!r}: unknown type {item.type[:40]!r}"))
    skills = vocabulary.skills_for(kind, item.skills[: 2 * _SKILLS])
    if len(skills) < len(dict.fromkeys(item.skills)):
        lost = ", ".join(repr(skill[:40]) for skill in dict.fromkeys(item.skills) if skill not in skills)
        repairs.append(Repair("GEN-REPAIR-SKILL", name, f"{name!r} does not require {lost}: no agent fits"))
    return Draft(
        id=name,
        description=_clip_text(item.description),
        type=kind,
        depends_on=tuple(dict.fromkeys(meaning.get(other, other) for other in item.depends_on[:_MOST_READ])),
        requires=skills,
        labels=item.labels,
        inputs=item.inputs,
        composite=item.composite,
    )


def _clip_text(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()}…"


def _first_words(text: str) -> str:
    return " ".join(text.split()[:5])


def letters(text: str) -> str:
    """Return only a text's letters and digits, case-folded, for comparison."""
    return re.sub(r"[\W_]+", "", text.casefold())
