"""Read one file and return all that the tools need to know about it."""

from __future__ import annotations

from pathlib import Path

from genesis_audit.comments import find_todos
from genesis_audit.facts import FileFacts, FunctionMeasure, TestCount
from genesis_audit.files import SourceFile, decode_text, read_bytes, read_head
from genesis_audit.functions import measure_functions
from genesis_audit.language import Language, count_lines, interpreter_of, language_of
from genesis_audit.origin import origin_of
from genesis_audit.python_source import PythonReading, read_python
from genesis_audit.secret_rules import find_secrets
from genesis_audit.static_tests import count_cases, count_python_tests, count_tests
from genesis_audit.syntax import check_document

__all__ = ["file_facts"]

_LARGE_HEAD = 100_000
"""How much of a file that is too large to read is read to decide whether it is a text."""


def file_facts(root: Path, file: SourceFile) -> FileFacts:
    """Read a file once, parse it once where it is Python, and look at it in every way that the tools need.

    Args:
        root: The audited folder.
        file: A file of it.
    """
    content = read_bytes(root, file)
    if content is None:
        return FileFacts("binary" if b"\0" in (read_head(root, file, _LARGE_HEAD) or b"") else "unread")
    text = decode_text(content)
    if text is None:
        return _binary(file, content)
    language = language_of(file.path, interpreter_of(text))
    secrets = tuple(find_secrets(file.path, text))
    if language is None:
        lines = text.count("\n") + (text[-1:] not in ("", "\n"))
        return FileFacts("text", lines=lines, secrets=secrets, tests=count_cases(file, text))
    count = count_lines(text, language)
    origin = origin_of(file.path, text)
    python = read_python(content, text) if language.name == "Python" else None
    document, problem = check_document(file, text)
    return FileFacts(
        "text",
        language=language.name,
        is_source=language.is_source,
        origin=origin,
        lines=count.total,
        code=count.code,
        comment=count.comment,
        blank=count.blank,
        main_line=python.main_line if python is not None else 0,
        functions=_functions(file, text, language, python) if origin == "own" else (),
        python=python.facts if python is not None else None,
        tests=_tests(file, text, language, python),
        todos=find_todos(text, language) if origin == "own" else (),
        secrets=secrets,
        document=document,
        problem=problem,
    )


def _binary(file: SourceFile, content: bytes) -> FileFacts:
    """Record a file that is no text; a Python file that is none, because of a NUL byte, is a broken one."""
    language = language_of(file.path)
    if language is None or language.name != "Python":
        return FileFacts("binary")
    python = read_python(content, "")
    return FileFacts("binary", language="Python", python=python.facts, tests=count_python_tests(file, python))


def _functions(
    file: SourceFile, text: str, language: Language, python: PythonReading | None
) -> tuple[FunctionMeasure, ...]:
    return python.measures if python is not None else measure_functions(file, text, language)


def _tests(file: SourceFile, text: str, language: Language, python: PythonReading | None) -> TestCount | None:
    return count_python_tests(file, python) if python is not None else count_tests(file, text, language)
