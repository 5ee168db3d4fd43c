"""The conditions of `when`: a small expression language over variables and results, evaluated by walking its tree.

Comparisons (`== != < <= > >= in not in`), `and`, `or`, `not`, `len(…)`, lists, and the literals of JSON and of Python.
A reference stands in braces as in inputs: `{variable}` or `{task.key}`. As in Python, `{task.key} or 0` is a default.
There are no other calls, no attributes, no arithmetic and no loops, so that every condition ends.
"""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from genesis.errors import GenesisError
from genesis.model.scalars import canonical

__all__ = ["UNKNOWN", "ConditionError", "WhenExpression", "can_hold", "parse_condition", "rename_condition"]

LONGEST = 1_000
"""Characters of a condition."""
DEEPEST = 20
"""Levels of parentheses, of operators in each other and of lists."""
_SPACE = re.compile(r"'[^']*'|\"[^\"]*\"|\s")
"""White space outside of quotes, and what is in quotes."""
_PLACEHOLDER = "genesis_reference_"
_NAMES: dict[str, JsonValue] = {"true": True, "false": False, "null": None}
_OPERATORS = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip


class ConditionError(GenesisError):
    """A condition that cannot be read, or that has no value for these results."""

    code = "GEN-TASK-CONDITION"


class Unknown:
    """A value that is not known yet."""


UNKNOWN = Unknown()

_Value = JsonValue | Unknown
Lookup = Callable[[str], _Value]
"""Returns the value of a reference, or `UNKNOWN`."""


@dataclass(frozen=True, slots=True)
class WhenExpression:
    """A condition that was read."""

    text: str
    references: tuple[str, ...]
    """The names in braces, in their order, without repeats."""
    tree: ast.expr
    """Its expression; `genesis_reference_0` stands for the first reference."""

    def evaluate(self, lookup: Lookup) -> _Value:
        """Return its value; `UNKNOWN` where that depends on a value that is not known.

        Raises:
            ConditionError: Values are compared that have no order, or `in` or `len` is asked of what has no parts.
        """
        return _evaluate(self.tree, [lookup(name) for name in self.references])


def can_hold(condition: WhenExpression, values: Mapping[str, JsonValue]) -> bool:
    """Whether a condition may be true, by variables and parameters alone: no result is known."""
    try:
        value = condition.evaluate(lambda name: values.get(name, UNKNOWN))
    except ConditionError:
        return True
    return isinstance(value, Unknown) or bool(value)


def parse_condition(text: str) -> WhenExpression:
    """Read a condition, in NFC.

    Raises:
        ConditionError: It is too long or too deep, is no expression, or has what the language does not.
    """
    if len(text) > LONGEST:
        raise ConditionError(f"the condition has {len(text):,} characters", hint=f"use at most {LONGEST:,}")
    text = unicodedata.normalize("NFC", text)
    source, references = _take_references(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python warns of is refused, or is no fault in a condition
            tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        is_deep = isinstance(error, RecursionError | MemoryError)
        where = "it is nested too deeply" if is_deep else getattr(error, "msg", "") or str(error)
        raise ConditionError(
            f"the condition {_short(text)!r} cannot be read: {where}", hint="write it as `{task.key} == 'value'`"
        ) from error
    _check(tree, source, len(references))
    return WhenExpression(text, tuple(references), tree)


def rename_condition(text: str, rename: Callable[[str], str | None]) -> str:
    """Change references in a condition; one that cannot be read stays as it is, for validation to report.

    Args:
        text: The condition.
        rename: Gives the new name of a reference, or None to leave it.
    """
    try:
        pieces = list(_pieces(text))
    except ConditionError:
        return text
    return "".join(f"{{{rename(piece) or piece}}}" if is_reference else piece for piece, is_reference in pieces)


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Split a condition into text and references, each with whether it is one; braces in quotes are text.

    Raises:
        ConditionError: A reference has no end, or no name.
    """
    quote, begin, place = "", 0, 0
    while place < len(text):
        char = text[place]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "{":
            end = text.find("}", place)
            name = canonical(text[place + 1 : end].strip()) if end > 0 else ""
            if not name or "{" in name:
                raise ConditionError(f"a reference in {_short(text)!r} has no end, or no name", hint="write `{name}`")
            yield text[begin:place], False
            yield name, True
            begin = place = end + 1
            continue
        place += 1
    yield text[begin:], False


def _take_references(text: str) -> tuple[str, list[str]]:
    """Put names in the places of the references outside of quotes; return the references without repeats."""
    for part in (_PLACEHOLDER, "\\", "#"):
        if part in text:
            raise ConditionError(f"a condition cannot contain {part!r}", hint="compare with another text")
    numbers: dict[str, int] = {}
    source = "".join(
        f" {_PLACEHOLDER}{numbers.setdefault(piece, len(numbers))} " if is_reference else piece
        for piece, is_reference in _pieces(text)
    )
    return _SPACE.sub(lambda found: " " if found[0].isspace() else found[0], source).strip(), list(numbers)


def _check(tree: ast.expr, source: str, references: int) -> None:
    """Refuse what the language does not have.

    Raises:
        ConditionError: It names the part, and what there is instead.
    """
    known = {f"{_PLACEHOLDER}{number}" for number in range(references)} | _NAMES.keys()
    level: list[ast.expr] = [tree]
    for _ in range(DEEPEST):
        below: list[ast.expr] = []
        for node in level:
            below += _parts(node, source, known)
        if not below:
            return
        level = below
    raise ConditionError(f"the condition is nested in more than {DEEPEST} levels", hint="split the task, or shorten it")


def _parts(node: ast.expr, source: str, known: set[str]) -> list[ast.expr]:
    """Return the expressions in an expression that is allowed."""
    match node:
        case ast.BoolOp(values=values):
            return values
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return [operand]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _OPERATORS for op in ops):
            return [left, *others]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return parts
        case ast.Call(func=ast.Name(id="len"), args=[part], keywords=[]):
            return [part]
        case ast.Constant(value=None | bool() | int() | float() | str()) if _is_json(node.value):
            return []
        case ast.Name(id=name) if name in known:
            return []
        case ast.Name(id=name):
            raise ConditionError(
                f"{name!r} in a condition is no text, no number and no reference",
                hint=f"write {name!r} for a text, {{{name}}} for a variable, {{{name}.key}} for a result",
            )
    written = source.encode()[node.col_offset : node.end_col_offset].decode().replace(_PLACEHOLDER, "reference ")
    raise ConditionError(
        f"a condition cannot have {_short(written)!r}",
        hint="it has comparisons, `in`, `and`, `or`, `not`, `len(…)`, lists, texts, numbers, true, false and null",
    )


def _is_json(value: object) -> bool:
    return not isinstance(value, float) or value - value == 0  # neither infinite nor NaN


def _evaluate(node: ast.expr, values: list[_Value]) -> _Value:
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as literal):
            return literal
        case ast.Name(id=name):
            return _NAMES[name] if name in _NAMES else values[int(name.removeprefix(_PLACEHOLDER))]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return _list([_evaluate(part, values) for part in parts])
        case ast.BoolOp(op=op, values=parts):
            return _choose(parts, values, stops_at=isinstance(op, ast.Or))
        case ast.UnaryOp(op=ast.Not(), operand=part):
            value = _evaluate(part, values)
            return value if isinstance(value, Unknown) else not value
        case ast.UnaryOp(operand=part):
            return _negate(_evaluate(part, values))
        case ast.Call(args=[part]):
            return _length(_evaluate(part, values))
        case ast.Compare(left=left, comparators=others):
            return _compare_all(node, [_evaluate(part, values) for part in (left, *others)])
    raise ConditionError("the condition has a part that was not checked")


def _list(parts: list[_Value]) -> _Value:
    known = [part for part in parts if not isinstance(part, Unknown)]
    return known if len(known) == len(parts) else UNKNOWN


def _choose(parts: list[ast.expr], values: list[_Value], *, stops_at: bool) -> _Value:
    """Return the value of `and` or `or`: the first that decides it, else the last; unknown if an unknown one could."""
    value: _Value = None
    unknown = False
    for part in parts:
        value = _evaluate(part, values)
        if isinstance(value, Unknown):
            unknown = True
        elif bool(value) is stops_at:
            return UNKNOWN if unknown and stops_at else value  # an unknown one before could be the value, if true
    return UNKNOWN if unknown else value


def _negate(value: _Value) -> _Value:
    if isinstance(value, Unknown):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConditionError(f"{_kind(value)} has no negative", hint="use `-` only before a number")
    return -value


def _length(value: _Value) -> _Value:
    if isinstance(value, Unknown):
        return value
    if not isinstance(value, str | list | dict):
        raise ConditionError(f"{_kind(value)} has no length", hint="give a default: `len({task.key} or [])`")
    return len(value)


def _compare_all(node: ast.Compare, values: list[_Value]) -> _Value:
    """Return whether all comparisons of a chain hold; each is evaluated until one does not."""
    unknown = False
    for op, left, right in zip(node.ops, values, values[1:], strict=False):
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            unknown = True
        elif not _compare(_OPERATORS[type(op)], left, right):
            return False
    return UNKNOWN if unknown else True


def _compare(operator: str, left: JsonValue, right: JsonValue) -> bool:
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "in":
            return _contains(right, left)
        case "not in":
            return not _contains(right, left)
    if not (_are(str, left, right) or (_are((int, float), left, right) and not _are_any(bool, left, right))):
        raise ConditionError(
            f"{_kind(left)} and {_kind(right)} cannot be ordered by `{operator}`",
            hint="variables are texts, and a task that did not run has null; a default: `({task.key} or 0) > 3`",
        )
    order = (left > right) - (left < right)  # type: ignore[operator]  # both are texts, or both are numbers
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def _contains(whole: JsonValue, part: JsonValue) -> bool:
    if isinstance(whole, list):
        return part in whole
    if isinstance(whole, str | dict) and isinstance(part, str):
        return part in whole
    raise ConditionError(
        f"{_kind(part)} cannot be in {_kind(whole)}", hint="give a default: `'x' in ({task.key} or [])`"
    )


def _are(kind: type | tuple[type, ...], *values: JsonValue) -> bool:
    return all(isinstance(value, kind) for value in values)


def _are_any(kind: type, *values: JsonValue) -> bool:
    return any(isinstance(value, kind) for value in values)


def _kind(value: JsonValue) -> str:
    """Describe a value for a reader, without what may be long or secret in it."""
    kinds: dict[type, str] = {str: "a text", bool: "a truth value", int: "a number", float: "a number"}
    if value is None:
        return "null"
    return kinds.get(type(value), "a list" if isinstance(value, list) else "a mapping")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004  # about a line
