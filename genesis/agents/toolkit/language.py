"""Which language a file is in, and which of its lines are code, comment or blank."""

from __future__ import annotations

import re
from dataclasses import dataclass

from genesis.agents.toolkit.files import SourceFile

__all__ = ["Language", "LineCount", "comment_of", "count_lines", "language_of"]

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
    is_source: bool = True
    """Whether it is program text, rather than data or prose."""


def _family(
    line: tuple[str, ...], block: tuple[tuple[str, str], ...], table: str, *, source: bool = True
) -> dict[str, Language]:
    """Read a table of `Name .ext .ext` entries separated by `|`; a name's spaces are written `_`."""
    languages: dict[str, Language] = {}
    for row in table.split("|"):
        name, *keys = row.split()
        language = Language(name.replace("_", " "), line, block, source)
        languages.update(dict.fromkeys(keys, language))
    return languages


_BY_KEY: dict[str, Language] = {
    **_family(_HASH, (('"""', '"""'), ("'''", "'''")), "Python .py .pyi .pyw"),
    **_family(
        _HASH,
        (),
        "Shell .sh .bash .zsh .ksh .bats|Fish .fish|Perl .pl .pm|R .r|Elixir .ex .exs|Nix .nix|Tcl .tcl|Awk .awk"
        "|Makefile .mk makefile gnumakefile|Just justfile .justfile|Dockerfile dockerfile containerfile .dockerfile"
        "|CMake .cmake cmakelists.txt|Starlark .bzl .star|GraphQL .graphql .gql|Cython .pyx .pxd",
    ),
    **_family(_HASH, (("=begin", "=end"),), "Ruby .rb .rake .gemspec gemfile rakefile vagrantfile"),
    **_family(_HASH, (("<#", "#>"),), "PowerShell .ps1 .psm1 .psd1"),
    **_family(("#", "//"), _C_BLOCK, "Terraform .tf .tfvars .hcl|PHP .php"),
    **_family(_HASH, (("#=", "=#"),), "Julia .jl"),
    **_family(
        _SLASHES,
        _C_BLOCK,
        "JavaScript .js .jsx .mjs .cjs|TypeScript .ts .tsx .mts .cts|Java .java|Kotlin .kt .kts|Scala .scala .sc"
        "|Go .go|Rust .rs|C .c|C/C++_header .h|C++ .cc .cpp .cxx .hpp .hh .hxx|C# .cs|Swift .swift|Dart .dart"
        "|Objective-C .m .mm|Groovy .groovy .gradle jenkinsfile|Protocol_Buffers .proto|SCSS .scss|Less .less"
        "|Solidity .sol|Zig .zig|V .v|CUDA .cu .cuh|GLSL .glsl .frag .vert",
    ),
    **_family((), _C_BLOCK, "CSS .css"),
    **_family((), _XML_BLOCK, "HTML .html .htm .xhtml|Vue .vue|Svelte .svelte"),
    **_family(("--",), _C_BLOCK, "SQL .sql"),
    **_family(("--",), (("--[[", "]]"),), "Lua .lua"),
    **_family(("--",), (("{-", "-}"),), "Haskell .hs|Elm .elm"),
    **_family((";",), (), "Clojure .clj .cljs .cljc .edn|Lisp .lisp .el .scm .rkt|Assembly .asm .s"),
    **_family(("%",), (), "Erlang .erl .hrl|TeX .tex .sty"),
    **_family((), (("(*", "*)"),), "OCaml .ml .mli"),
    **_family(("rem ", "::", "@rem "), (), "Batch .bat .cmd"),
    **_family(('"',), (), "Vim_script .vim"),
    **_family(
        _HASH, (), "YAML .yaml .yml|TOML .toml|Properties .properties .env|Requirements requirements.txt", source=False
    ),
    **_family(("#", ";"), (), "INI .ini .cfg .conf .editorconfig .gitconfig", source=False),
    **_family(_SLASHES, _C_BLOCK, "JSON .json .jsonc .json5 .webmanifest|Jupyter_notebook .ipynb", source=False),
    **_family((), _XML_BLOCK, "Markdown .md .markdown .mdx|XML .xml .xsd .xsl .xslt .pom|SVG .svg", source=False),
    **_family(("..",), (), "reStructuredText .rst", source=False),
    **_family((), (), "Text .txt .text|AsciiDoc .adoc|CSV .csv .tsv|Lock_file .lock", source=False),
}

_BY_INTERPRETER = {
    "python": ".py",
    "sh": ".sh",
    "bash": ".sh",
    "zsh": ".sh",
    "dash": ".sh",
    "node": ".js",
    "ruby": ".rb",
    "perl": ".pl",
}
_SHEBANG = re.compile(rb"#!\s*\S*?(?:/env\s+(?:-S\s+)?)?([a-z]+)[0-9.]*(?:\s|$)")
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


def language_of(file: SourceFile, head: bytes = b"") -> Language | None:
    """Tell a file's language by its name, else its extension, else the first line.

    Args:
        file: The file.
        head: The beginning of its content, for a `#!` line; may be empty.

    Returns:
        The language, or `None` where it is unknown.
    """
    name = file.name.lower()
    language = _BY_KEY.get(name) or _BY_KEY.get(file.suffix)
    if language is None and name.startswith(("dockerfile.", "containerfile.")):
        return _BY_KEY["dockerfile"]
    if language is None and head.startswith(b"#!"):
        match = _SHEBANG.match(head[:200].partition(b"\n")[0])
        if match:
            language = _BY_KEY.get(_BY_INTERPRETER.get(match[1].decode("ascii"), ""))
    return language


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
        if not stripped:
            blank += 1
            continue
        if quote:
            is_comment = in_docstring
        elif stripped[0] == "#":
            comment += 1
            continue
        else:
            in_docstring = _PYTHON_STRING_START.match(stripped) is not None
            is_comment = in_docstring
        quote = _open_quote(stripped, quote)
        code, comment = (code, comment + 1) if is_comment else (code + 1, comment)
    return LineCount(code, comment, blank)


def _open_quote(line: str, quote: str) -> str:
    """Give the triple quote that is open after a line."""
    for match in _PYTHON_STRING.finditer(line):
        if not quote:
            quote = match[0]
        elif quote == match[0]:
            quote = ""
    return quote


def comment_of(line: str, language: Language) -> str | None:
    """Give the comment part of one line, or `None` where it seems to have none.

    A comment mark after an odd number of quotes is taken for a part of a string. A line that begins with `*` counts as
    the inside of a block comment in languages that write them so.
    """
    stripped = line.strip()
    marks = [*language.line, *(opening for opening, _ in language.block if opening not in ('"""', "'''"))]
    if stripped.startswith("*") and any(opening == "/*" for opening, _ in language.block):
        return stripped
    places = [place for mark in marks if (place := _outside_strings(line, mark)) >= 0]
    return line[min(places) :] if places else None


def _outside_strings(line: str, mark: str) -> int:
    place = line.lower().find(mark)
    while place >= 0:
        before = line[:place]
        if all(before.count(quote) % 2 == 0 for quote in "\"'`") and not before.endswith(":"):
            return place
        place = line.lower().find(mark, place + 1)
    return -1
