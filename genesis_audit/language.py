"""Which language a file is in, and which of its lines are code, comment or blank."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from identify import identify

__all__ = ["Language", "LineCount", "count_lines", "interpreter_of", "language_of"]

_HASH = ("#",)
_SLASHES = ("//",)
_C_BLOCK = (("/*", "*/"),)
_XML_BLOCK = (("<!--", "-->"),)


@dataclass(frozen=True)
class Language:
    """A language's name and how it writes comments."""

    name: str
    line: tuple[str, ...] = ()
    """What begins a comment that lasts to the end of the line."""
    block: tuple[tuple[str, str], ...] = ()
    """What begins and ends a comment over several lines."""
    kind: Literal["program", "auxiliary", "data"] = "program"
    """`auxiliary` is what goes with programs: style sheets, markup, schemas, build files; `data` is data or prose."""

    @property
    def is_source(self) -> bool:
        """Whether it is a programming language."""
        return self.kind == "program"

    @property
    def has_comments(self) -> bool:
        """Whether people write notes to themselves into comments of such files."""
        return bool(self.line or self.block) and (self.kind != "data" or self.name in ("YAML", "TOML", "INI"))


def _family(
    line: tuple[str, ...],
    block: tuple[tuple[str, str], ...],
    table: str,
    kind: Literal["program", "auxiliary", "data"] = "program",
) -> dict[str, Language]:
    """Read a table of `Name tag tag` entries separated by `|`; a name's spaces are written `_`."""
    languages: dict[str, Language] = {}
    for row in table.split("|"):
        name, *tags = row.split()
        language = Language(name.replace("_", " "), line, block, kind)
        languages.update(dict.fromkeys(tags, language))
    return languages


_BY_TAG: dict[str, Language] = {
    **_family(_HASH, (('"""', '"""'), ("'''", "'''")), "Python python pyi"),
    **_family(
        _HASH,
        (),
        "Shell shell|Fish fish|Perl perl|R r|Elixir elixir|Nix nix|Tcl tcl|Awk awk|Cython cython|Crystal crystal"
        "|Nim nim|GDScript gdscript|Nushell nushell|Robot_Framework robot|CoffeeScript coffee",
    ),
    **_family(
        _HASH,
        (),
        "Makefile makefile|Just just|Dockerfile dockerfile|CMake cmake|Starlark bazel|Meson meson|GraphQL graphql"
        "|Gherkin gherkin",
        "auxiliary",
    ),
    **_family(_HASH, (("=begin", "=end"),), "Ruby ruby"),
    **_family(_HASH, (("<#", "#>"),), "PowerShell powershell"),
    **_family(("#", "//"), _C_BLOCK, "Terraform terraform hcl|PHP php"),
    **_family(_HASH, (("#=", "=#"),), "Julia julia"),
    **_family(
        _SLASHES,
        _C_BLOCK,
        "JavaScript javascript jsx|TypeScript ts tsx|Java java|Kotlin kotlin|Scala scala|Go go|Rust rust|C/C++_header"
        " header|Objective-C objective-c objective-c++|CUDA cuda|C++ c++|C c|C# c#|Swift swift|Dart dart|Groovy groovy"
        "|Solidity solidity|Zig zig|Verilog verilog system-verilog|GLSL glsl hlsl metal|Vala vala|V vlang",
    ),
    **_family(
        _SLASHES, _C_BLOCK, "SCSS scss|Less less|Protocol_Buffers proto|Thrift thrift|Prisma prisma", "auxiliary"
    ),
    **_family(_SLASHES, (("(*", "*)"),), "F# f#|Pascal pascal"),
    **_family((), _C_BLOCK, "CSS css", "auxiliary"),
    **_family((), _XML_BLOCK, "Vue vue|Svelte svelte|Astro astro"),
    **_family((), _XML_BLOCK, "HTML html erb ejs handlebars jinja twig mustache", "auxiliary"),
    **_family(("--",), _C_BLOCK, "SQL sql", "auxiliary"),
    **_family(("--",), (("--[[", "]]"),), "Lua lua luau"),
    **_family(("--",), (("{-", "-}"),), "Haskell haskell|Elm elm|PureScript purescript"),
    **_family(("--",), (), "VHDL vhdl|Ada ada"),
    **_family((";",), (), "Clojure clojure|Lisp lisp|Scheme scheme|Assembly asm"),
    **_family(("%",), (), "Erlang erlang"),
    **_family(("%",), (), "TeX tex", "data"),
    **_family((), (("(*", "*)"),), "OCaml ocaml"),
    **_family(("rem ", "::", "@rem "), (), "Batch batch"),
    **_family(("!",), (), "Fortran fortran"),
    **_family(("'",), (), "Visual_Basic vb"),
    **_family(('"',), (), "Vim_script vim"),
    **_family(
        _HASH,
        (),
        "Lock_file cargo-lock uv-lock poetry-lock pipfile-lock gemfile-lock|YAML yaml|TOML toml"
        "|Properties java-properties dotenv|Requirements requirements",
        "data",
    ),
    **_family(("#", ";"), (), "INI ini editorconfig gitconfig", "data"),
    **_family(_SLASHES, _C_BLOCK, "Jupyter_notebook jupyter|JSON json json5", "data"),
    **_family((), _XML_BLOCK, "Markdown markdown mdx myst quarto|SVG svg|XML xml plist", "data"),
    **_family(("..",), (), "reStructuredText rst", "data"),
    **_family((), (), "Text plain-text|AsciiDoc asciidoc|CSV csv tsv", "data"),
}
"""By the tags of `identify`; a file with several tags is in the first language of this table that one of them names."""

_MORE_TAGS = {
    ".awk": "awk",
    ".adb": "ada",
    ".ads": "ada",
    ".bzl": "bazel",
    ".cfg": "ini",
    ".conf": "ini",
    ".cts": "ts",
    ".el": "lisp",
    ".frag": "glsl",
    ".glsl": "glsl",
    ".gql": "graphql",
    ".haml": "erb",
    ".jsonc": "json",
    ".just": "just",
    ".lisp": "lisp",
    ".lock": "cargo-lock",
    ".mts": "ts",
    ".psd1": "powershell",
    ".rkt": "lisp",
    ".ru": "ruby",
    ".star": "bazel",
    ".t": "perl",
    ".tcl": "tcl",
    ".text": "plain-text",
    ".vert": "glsl",
    ".webmanifest": "json",
    ".zsh": "shell",
    "dockerfile": "dockerfile",
    "justfile": "just",
    "makefile": "makefile",
    "package-lock.json": "cargo-lock",
    "pnpm-lock.yaml": "cargo-lock",
    "podfile": "ruby",
    "requirements.txt": "requirements",
}
"""What `identify` does not know, or knows less well, by name or extension."""

_ORDER = {tag: place for place, tag in enumerate(_BY_TAG)}
_SHEBANG = re.compile(r"#!\s*(?:\S*/)?env\s+(?:-\S+\s+)*(?:\w+=\S*\s+)*(\S+)|#!\s*(\S+)")
_PYTHON_STRING = re.compile(r"\"\"\"|'''")
_PYTHON_STRING_START = re.compile(r"[rRuUbBfF]{0,2}(\"\"\"|''')")


@dataclass(frozen=True, slots=True)
class LineCount:
    """How many lines of each kind a text has."""

    code: int = 0
    comment: int = 0
    blank: int = 0

    @property
    def total(self) -> int:
        """All lines; a last line without a line end counts."""
        return self.code + self.comment + self.blank


def interpreter_of(text: str) -> str:
    """Name the program that a `#!` line asks for, without its folder and version; empty where there is no such line."""
    match = _SHEBANG.match(text[:300].partition("\n")[0]) if text.startswith("#!") else None
    if match is None:
        return ""
    return (match[1] or match[2]).rpartition("/")[2].rstrip("0123456789.")


def language_of(path: str, interpreter: str = "") -> Language | None:
    """Detect a file's language by its name, else its extension, else the interpreter in its first line.

    Returns:
        The language, or `None` where it is unknown.
    """
    name = path.rpartition("/")[2].encode("utf-8", "replace").decode()
    lower = name.lower()
    tag = _MORE_TAGS.get(lower) or _MORE_TAGS.get(lower[lower.rfind(".") :] if "." in lower else "")
    tags = {tag} if tag else identify.tags_from_filename(name)
    if not tags and interpreter:
        tags = identify.tags_from_interpreter(interpreter)
    known = [each for each in tags if each in _BY_TAG]
    return _BY_TAG[min(known, key=_ORDER.__getitem__)] if known else None


def count_lines(text: str, language: Language) -> LineCount:
    r"""Count a text's lines, as cloc does: a line with code and a comment is code, a Python docstring is a comment.

    A block comment is seen where it begins a line; strings are not parsed, except Python's triple quotes.

    Args:
        text: The content with `\n` line ends.
        language: Its language.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    if language.name == "Python":
        return _count_python(lines)
    code = comment = blank = 0
    closing = ""
    for line in lines:
        stripped = line.strip()
        if not stripped:
            blank += 1
        elif closing:
            comment += 1
            closing = "" if closing in stripped else closing
        elif language.line and stripped.lower().startswith(language.line):
            comment += 1
            closing = _still_open(stripped, language)
        elif opened := next((pair for pair in language.block if stripped.startswith(pair[0])), None):
            rest = stripped[len(opened[0]) :]
            _, closed, after = rest.partition(opened[1])
            closing = "" if closed else opened[1]
            code, comment = (code + 1, comment) if after.strip() else (code, comment + 1)
        else:
            code += 1
    return LineCount(code, comment, blank)


def _still_open(stripped: str, language: Language) -> str:
    """What ends the block that a comment line opens, in languages such as Lua where `--` begins both."""
    for opening, closing in language.block:
        if stripped.startswith(opening) and closing not in stripped[len(opening) :]:
            return closing
    return ""


def _count_python(lines: list[str]) -> LineCount:
    code = comment = blank = 0
    quote, in_docstring = "", False
    for line in lines:
        stripped = line.strip()
        has_quotes = '"""' in stripped or "'''" in stripped
        if not stripped:
            blank += 1
        elif quote or has_quotes:
            if not quote:
                in_docstring = _PYTHON_STRING_START.match(stripped) is not None
            is_comment = in_docstring or (not quote and stripped[0] == "#")
            quote = _open_quote(stripped, quote) if quote or stripped[0] != "#" else ""
            code, comment = (code, comment + 1) if is_comment else (code + 1, comment)
        elif stripped[0] == "#":
            comment += 1
        else:
            code += 1
    return LineCount(code, comment, blank)


def _open_quote(line: str, quote: str) -> str:
    """Return the triple quote that is open after a line."""
    for match in _PYTHON_STRING.finditer(line):
        if not quote:
            quote = match[0]
        elif quote == match[0]:
            quote = ""
    return quote
