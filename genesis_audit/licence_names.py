"""Which licence a text is, and which licences a name, an expression or a sentence means."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

__all__ = ["LicenceText", "find_licence_ids", "identify"]

_LEAST_COVERAGE = 0.4
"""The share of a file that recognised texts must cover, so that its other words are no licence of their own."""
_A_NOTICE = 500
"""Up to this length, in characters, a file refers to licences and does not hold one."""
_SPDX_HEADER = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+() -]{2,80})")
_NOT_OF_THE_TEXT = re.compile(
    r"^\W*copyright (?:\(c\)|©|\[yyyy\]|\d)[^\n]*$|^(?:the )?mit license(?: \(mit\))?$", re.IGNORECASE | re.MULTILINE
)
_WORD = re.compile(r"[a-z0-9]+")
_WHOLE_TEXTS = {"e87dea5078ce2faaea46d3475af18d30": "Apache-2.0", "0cf21bdfd1964a97a8615e1285348458": "MIT"}
"""By the beginning of the hash of their words: the commonest texts need no corpus, which takes 0.2 s to read."""
_NAMES = {
    "AGPL-3.0": r"agpl|affero",
    "LGPL-2.1": r"lgpl[ -]?v?2|lesser general public.{0,20}2",
    "LGPL-3.0": r"lgpl[ -]?v?3|lesser general public.{0,20}3",
    "GPL-2.0": r"(?<![al])gpl[ -]?v?2|(?<!lesser )(?<!affero )general public.{0,20}2",
    "GPL-3.0": r"(?<![al])gpl[ -]?v?3|(?<!lesser )(?<!affero )general public.{0,20}3",
    "Apache-2.0": r"\bapache[ ,-]*(?:v?2|software|licen|public)|^apache$|^asl",
    "BSD-2-Clause": r"\bbsd[ -]?2|\b(?:simplified|2[ -]clause) bsd",
    "BSD-3-Clause": r"\bbsd[ -]?3|\b(?:new|revised|modified|3[ -]clause) bsd",
    "BSD": r"\bbsd\b(?![ -]?[0-9])",
    "BSL-1.0": r"\bboost software|\bbsl-1\.0",
    "BUSL-1.1": r"\bbusl\b|business source",
    "CC0-1.0": r"\bcc0\b",
    "CC-BY-SA-4.0": r"\bcc[ -]by[ -]sa\b|attribution-sharealike",
    "CC-BY-4.0": r"\bcc[ -]by\b(?![ -]sa)",
    "EPL-2.0": r"\bepl-?2|eclipse public.{0,20}2",
    "GFDL-1.3": r"\bgfdl\b|free documentation",
    "ISC": r"(?-i:\bISC\b)|^isc\b",
    "MIT": r"(?-i:\bMIT\b(?!-0))|^mit(?:$|[ /])|[ /(]mit(?:$|\))|\bexpat\b",
    "MIT-0": r"\bmit-0\b|\bno attribution\b",
    "MPL-2.0": r"\bmpl\b|mozilla public",
    "PSF-2.0": r"\bpsf\b|python software foundation|\bpython-2",
    "Unlicense": r"\bunlicense\b",
    "WTFPL": r"\bwtfpl\b",
    "Zlib": r"^zlib|\bzlib[ /-](?:libpng|licen)",
    "0BSD": r"\b0bsd\b|zero[ -]clause bsd",
}
_PATTERNS = {spdx: re.compile(pattern, re.IGNORECASE | re.DOTALL) for spdx, pattern in _NAMES.items()}
_SUFFIX = re.compile(r"-(?:only|or-later)$|\+$")


@dataclass(frozen=True)
class LicenceText:
    """What a licence file holds."""

    ids: tuple[str, ...]
    """The SPDX ids of the texts in it, in their order, without `-only` and `-or-later`; empty where none is known."""
    confidence: float
    """0 to 1: the share of the file that is recognised, or 0.5 where it only names its licences."""

    @property
    def expression(self) -> str:
        """The ids in one text."""
        return " AND ".join(self.ids)


def identify(text: str) -> LicenceText:
    """Report which licences a file holds, by the texts of the SPDX list.

    A file that holds no such text but names licences, as `COPYING` does that refers to two other files, is taken by
    its names, with a confidence of 0.5.

    Args:
        text: The whole file.
    """
    words = " ".join(_WORD.findall(_NOT_OF_THE_TEXT.sub("", text).lower()))
    whole = _WHOLE_TEXTS.get(hashlib.sha256(words.encode()).hexdigest()[:32])
    if whole is not None:
        return LicenceText((whole,), 1.0)
    from licenseclassifier import identify_license  # noqa: PLC0415  # it reads its corpus

    matches = identify_license(text, coverage_threshold=0.0)
    coverage = sum(match.end - match.start for match in matches) / max(1, len(text.strip()))
    ids = dict.fromkeys(_SUFFIX.sub("", match.id) for match in matches)
    if coverage >= _LEAST_COVERAGE and len(text) > _A_NOTICE:
        return LicenceText(tuple(ids), round(min(coverage, 1.0), 2))
    header = _SPDX_HEADER.search(text[:2_000])
    ids.update(dict.fromkeys(sorted(find_licence_ids(header[1] if header else text[:1_000]))))
    return LicenceText(tuple(ids), 0.5 if ids else 0.0)


def find_licence_ids(text: str) -> set[str]:
    """Find the SPDX ids that a text names, in whatever notation: `MIT OR Apache-2.0`, `GPLv3+`, `New BSD License`.

    Args:
        text: An SPDX expression, the end of a trove classifier, a common name, or a sentence.

    Returns:
        The ids without `-only` and `-or-later`; `BSD` is any of its kinds. Empty where it names none that is known.
    """
    return {spdx for spdx, pattern in _PATTERNS.items() if pattern.search(text)}
