"""Translate conditions on parameters of a workflow into the language of `when`. What cannot be said exactly is refused.

Understood are comparisons of a parameter with a literal, truth values alone, and these with and, or, not and
parentheses, in the operators of GitHub, JavaScript, Pebble and Argo.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from genesis.importers.parameters import write_parameter
from genesis.importers.workflow import Command, Step, WorkflowParameter
from genesis.structure.conditions import ConditionError, parse_condition

__all__ = ["add_alternative", "negate_condition", "translate_condition"]

_LONGEST = 500
"""Characters of a condition that is translated; what it becomes has at most 1,000."""
_DEEPEST = 8
"""Levels of parentheses and negations."""
_TOKEN = re.compile(
    r"\s*(?:(?P<operator>===?|!==?|<=|>=|<|>|&&|\|\||!|\(|\))|(?P<text>'(?:[^'\\]|'')*'|\"[^\"\\]*\")"
    r"|(?P<number>-?\d+(?:\.\d+)?(?![\w.]))|(?P<name>[A-Za-z_][\w.\-]*))",
    re.ASCII,
)
_WORDS = {"and": "&&", "or": "||", "not": "!", "===": "==", "!==": "!="}
_OPPOSITE = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_Token = tuple[str, str]
_Find = Callable[[str], WorkflowParameter | None]


class _NotSayableError(Exception):
    """The condition has no exact translation."""


def translate_condition(text: str, find: _Find, *, ignores_case: bool = False) -> str:
    """Translate a condition; returns an empty text where that cannot be done exactly.

    Args:
        text: The condition, without the braces around it.
        find: Returns the parameter of a name as the source writes it (`inputs.level`), with a default; None for
            anything else.
        ignores_case: Whether the source compares texts without regard to case.
    """
    try:
        parser = _Parser(_tokenize(text), find, ignores_case=ignores_case)
        written = parser.read_any(0)
        parser.expect("end")
        parse_condition(written)
    except (_NotSayableError, ConditionError):
        return ""
    return written


def negate_condition(when: str) -> str:
    """Write the opposite of a translated condition, of which `not` negates all or nothing."""
    return when[len("not (") : -1] if when.startswith("not (") else f"not ({when})"


def add_alternative(step: Step) -> Step:
    """Put a step with a `when` into a group with a task that does nothing, which runs where the step does not.

    A plan skips what comes after a skipped task. Where the source continues, it comes after this group, which has
    succeeded in both cases.
    """
    otherwise = Step(f"{step.key}/otherwise", "no-op", step.line, name="otherwise", file=step.file)
    otherwise.description = "Do nothing"
    otherwise.when, otherwise.command = negate_condition(step.when), Command(("true",))
    group = Step(step.key, "condition", step.line, name=step.name, description=step.description, file=step.file)
    group.after, group.trigger, group.steps = step.after, step.trigger, [step, otherwise]
    step.key, step.name, step.after, step.trigger = f"{step.key}#run", "run", [], "all_succeeded"
    return group


def _tokenize(text: str) -> list[_Token]:
    """Split a condition into operators, texts, numbers and names, with their kinds, and two of the kind `end`."""
    found: list[_Token] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None or len(text) > _LONGEST:
            raise _NotSayableError
        kind, word = str(match.lastgroup), match[str(match.lastgroup)]
        is_operator = word in _WORDS
        found.append(("operator" if is_operator else kind, _WORDS.get(word, word)))
        place = match.end()
    return [*found, ("end", ""), ("end", "")]


class _Parser:
    """Reads a condition by recursive descent: `||` binds weaker than `&&`, and that than a comparison."""

    def __init__(self, tokens: list[_Token], find: _Find, *, ignores_case: bool) -> None:
        self._tokens = tokens
        self._find = find
        self._ignores_case = ignores_case

    def read_any(self, depth: int) -> str:
        """Read conditions with `||` between them."""
        return self._read_list("||", "or", self._read_all, depth)

    def expect(self, kind: str, word: str = "") -> None:
        """Take the next token, which is of a kind."""
        if self._tokens[0] != (kind, word):
            raise _NotSayableError
        self._tokens.pop(0)

    def _read_all(self, depth: int) -> str:
        return self._read_list("&&", "and", self._read_one, depth)

    def _read_list(self, operator: str, word: str, read: Callable[[int], str], depth: int) -> str:
        parts = [read(depth)]
        while self._tokens[0] == ("operator", operator):
            self._tokens.pop(0)
            parts.append(read(depth))
        return parts[0] if len(parts) == 1 else f"({f' {word} '.join(parts)})"

    def _read_one(self, depth: int) -> str:
        """Read a negation, a condition in parentheses, a comparison, or a truth value."""
        if depth > _DEEPEST:
            raise _NotSayableError
        if self._tokens[0] == ("operator", "!"):
            self._tokens.pop(0)
            if self._tokens[1 if self._tokens[0][0] == "name" else 0][1] in _OPPOSITE:
                raise _NotSayableError  # `!a == b` is `(!a) == b` in some languages, and `!(a == b)` in others
            return negate_condition(self._read_one(depth + 1))
        if self._tokens[0] == ("operator", "("):
            self._tokens.pop(0)
            inner = self.read_any(depth + 1)
            self.expect("operator", ")")
            return inner
        left, operator = self._tokens.pop(0), self._tokens[0][1]
        if self._tokens[0][0] != "operator" or operator not in _OPPOSITE:
            parameter = self._parameter(left)
            return self._compare(parameter, "==", ("name", "true"))
        self._tokens.pop(0)
        right = self._tokens.pop(0)
        if self._is_parameter(left):
            return self._compare(self._parameter(left), operator, right)
        return self._compare(self._parameter(right), _OPPOSITE[operator], left)

    def _is_parameter(self, token: _Token) -> bool:
        return token[0] == "name" and self._find(token[1]) is not None

    def _parameter(self, token: _Token) -> WorkflowParameter:
        found = self._find(token[1]) if token[0] == "name" else None
        if found is None:
            raise _NotSayableError
        return found

    def _compare(self, parameter: WorkflowParameter, operator: str, literal: _Token) -> str:
        """Write a comparison with a literal of the parameter's type: others convert values, each in its own way."""
        (kind, word), name = literal, f"{{{parameter.name}}}"
        document = write_parameter(parameter)
        is_equality = operator in ("==", "!=")
        match document.get("type", "string"):
            case "boolean" if is_equality and literal in (("name", "true"), ("name", "false")):
                return f"{name} {operator} {word}"
            case "integer" | "number" if kind == "number":
                return f"{name} {operator} {word}"
            case "string" if kind == "text" and is_equality:
                return self._compare_text(name, operator, word[1:-1].replace("''", "'"), document.get("enum", []))
        raise _NotSayableError

    def _compare_text(self, name: str, operator: str, text: str, options: list[str]) -> str:
        if not self._ignores_case or text.lower() == text.upper():
            return f"{name} {operator} {json.dumps(text)}"
        if not options:
            raise _NotSayableError
        same = [each for each in options if each.lower() == text.lower()]
        return f"{name} {'in' if operator == '==' else 'not in'} {json.dumps(same)}"
