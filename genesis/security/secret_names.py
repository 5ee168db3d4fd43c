"""Names that suggest a secret: variables that programs do not get, and values that are not logged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

__all__ = ["WORDS", "is_secret_name", "is_secret_variable", "only_describes", "secret_values"]

WORDS = (
    r"(?:API|ACCESS|SECRET|PRIVATE|ACCOUNT|ENCRYPTION|SIGNING|MASTER)[_.-]?KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL"
    r"|AUTH[_-](?:STRING|KEY)"
)
"""A regular expression, for any case, of the words by which a name speaks of a secret. None of them begins inside of
another, so that looking for the first one finds all there is to know."""
_NAME = re.compile(rf"{WORDS}|_DSN$|CONNECTION_(?:URL|STRING)", re.IGNORECASE)
_DESCRIBES = re.compile(
    r"TOKENI[SZ]|SECRETAR|(?:NUM|MAX|MIN|TOTAL|INPUT|OUTPUT|PROMPT|COMPLETION|CACHED?)_?TOKENS?(?:_|$)"
    r"|[_.-](?:URL|URI|PATH|FILE|DIR|NAME|TYPE|LEN|LENGTH|COUNT|LIMIT|TTL|EXPIRY|EXPIRES(?:_\w+)?|ARN|ENV|VAR|BITS)$",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"://[^/@\s:]*+:([^/@\s]++)@")
_LOGIN_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_SHORTEST = 8
"""Minimum length of a variable's value that is redacted everywhere."""
_NO_SECRET = re.compile(r"[\d.,:+-]*|/[\w./-]*|true|false|none|null|default|disabled|enabled", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether a name suggests a key, token, password or the like."""
    return _NAME.search(name) is not None


def only_describes(name: str) -> bool:
    """Whether a name that has such a word is that of a count, a place or the like: `max_tokens`, `token_file`."""
    return _DESCRIBES.search(name) is not None


def is_secret_variable(name: str, value: str) -> bool:
    """Whether an environment variable is held back from programs: by its name, or for a login in its URL.

    A proxy's login is needed, and stays.
    """
    if is_secret_name(name):
        return True
    return not name.upper().endswith("_PROXY") and _LOGIN_IN_URL.search(value) is not None


def secret_values(variables: Mapping[str, str]) -> frozenset[str]:
    """Find the secrets among environment variables, to redact them.

    Of a URL it is the password alone. What is short, a number, a path or a word such as `default` is left: it would be
    struck out of text that has nothing to do with it.
    """
    found: set[str] = set()
    for name, value in variables.items():
        passwords = _PASSWORD_IN_URL.findall(value)
        if passwords:
            found.update(each for raw in passwords for each in (raw, unquote(raw)))
        elif is_secret_name(name) and not only_describes(name):
            found.add(value)
    return frozenset(each for each in found if len(each) >= _SHORTEST and not _NO_SECRET.fullmatch(each))
