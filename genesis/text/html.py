"""Text in HTML."""

from __future__ import annotations

import html
import re

from markupsafe import Markup, escape

from genesis.text.terminal import escape_terminal, one_line

__all__ = ["escape_html", "has_safe_scheme", "link_address"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_LINKED = ("http:", "https:", "mailto:")
_IGNORED = re.compile(r"[\x00-\x20\x7f-\xa0\ufffd\\<]")
"""What browsers take out of an address before they look for its scheme, and what Markdown escapes with."""


def escape_html(value: object) -> Markup:
    """Return a value as text of an HTML page or an attribute in quotes; `Markup` is of our own making, and stays."""
    return value if isinstance(value, Markup) else escape(escape_terminal(str(value)))


def has_safe_scheme(address: str) -> bool:
    """Whether an address may be linked: relative, or with a scheme that neither runs code nor opens files.

    Args:
        address: An address as it was written; character references (`&#x6A;`) and white space are seen through.
    """
    plain = _IGNORED.sub("", html.unescape(html.unescape(address)))
    scheme = _SCHEME.match(plain)
    return scheme is None or scheme[0].lower() in _LINKED


def link_address(address: str | None) -> str:
    """Return an absolute web address for `href`; empty where it must not be a link."""
    line = one_line(address or "", 2_000)
    return line if line.lower().startswith(("http://", "https://")) and has_safe_scheme(line) else ""
