"""Recognise licence texts by sentences that only they have.

The sentences are quoted from the licences' own texts, normalised to lower-case words. A licence matches by the share of
its sentences that are there, and is refused where a text holds what only another licence says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["LicenceGuess", "guess_licence", "spdx_base"]

_LEAST_CONFIDENCE = 0.5
_WORD = re.compile(r"[a-z0-9]+")
_SPDX_HEADER = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+() -]{2,80})")


@dataclass(frozen=True)
class LicenceGuess:
    """Which licence a text is, by its SPDX id; an empty id is unknown."""

    spdx: str
    confidence: float
    """0 to 1."""


@dataclass(frozen=True)
class _Print:
    spdx: str
    words: int
    """About how many words the licence has; a text much longer holds more than it."""
    phrases: tuple[str, ...]
    absent: tuple[str, ...] = ()


_BSD_START = "redistribution and use in source and binary forms with or without modification are permitted provided"
_BSD_THIRD = "may be used to endorse or promote products derived from this software without specific prior written"
_BSD_FOURTH = "all advertising materials mentioning features or use of this software must display"
_AS_IS = "the software is provided as is without warranty of any kind express or implied"
_MIT_NOTICE = "the above copyright notice and this permission notice"
_MIT_GRANT = "permission is hereby granted free of charge to any person obtaining a copy of this software"
_ISC_GRANT = (
    "permission to use copy modify and or distribute this software for any purpose with or without fee is hereby"
)
_GPL = "gnu general public license"

_PRINTS = (
    _Print(
        "MIT",
        170,
        (_MIT_GRANT, _MIT_NOTICE, _AS_IS),
        ("without including the above", "good not evil", "advertising or otherwise"),
    ),
    _Print("MIT-0", 140, (_MIT_GRANT, _AS_IS), (_MIT_NOTICE,)),
    _Print(
        "Apache-2.0",
        1_600,
        ("apache license version 2 0 january 2004", "grant of patent license", "submission of contributions"),
    ),
    _Print(
        "Apache-2.0",
        100,
        (
            "licensed under the apache license version 2 0",
            "you may not use this file except in compliance with the license",
        ),
    ),
    _Print("BSD-3-Clause", 220, (_BSD_START, _BSD_THIRD, "this software is provided by"), (_BSD_FOURTH,)),
    _Print("BSD-2-Clause", 190, (_BSD_START, "this software is provided by"), (_BSD_THIRD, _BSD_FOURTH)),
    _Print("BSD-4-Clause", 250, (_BSD_START, _BSD_FOURTH, "this software is provided by")),
    _Print(
        "ISC",
        130,
        (_ISC_GRANT, "provided that the above copyright notice and this permission notice appear in all copies"),
    ),
    _Print(
        "0BSD",
        110,
        (_ISC_GRANT, "the author disclaims all warranties"),
        ("this permission notice appear in all copies",),
    ),
    _Print(
        "GPL-3.0",
        5_600,
        (f"{_GPL} version 3 29 june 2007", "the gnu general public license is a free copyleft license for software"),
    ),
    _Print(
        "GPL-2.0",
        2_900,
        (f"{_GPL} version 2 june 1991", "the licenses for most software are designed to take away your freedom"),
    ),
    _Print(
        "LGPL-3.0",
        1_200,
        (
            "gnu lesser general public license version 3 29 june 2007",
            "this version of the gnu lesser general public license",
        ),
    ),
    _Print(
        "LGPL-2.1",
        4_300,
        ("gnu lesser general public license version 2 1 february 1999", "the licenses for most software"),
    ),
    _Print(
        "AGPL-3.0",
        5_500,
        ("gnu affero general public license version 3 19 november 2007", "remote network interaction"),
    ),
    _Print("MPL-2.0", 2_700, ("mozilla public license version 2 0", "incompatible with secondary licenses")),
    _Print("EPL-2.0", 2_300, ("eclipse public license v 2 0", "secondary license")),
    _Print("EUPL-1.2", 2_000, ("european union public licence v 1 2",)),
    _Print(
        "Unlicense",
        200,
        (
            "this is free and unencumbered software released into the public domain",
            "for more information please refer to",
        ),
    ),
    _Print("CC0-1.0", 1_050, ("cc0 1 0 universal", "affirmer")),
    _Print(
        "CC-BY-4.0",
        2_900,
        ("attribution 4 0 international", "adapted material"),
        ("sharealike 4 0", "noncommercial 4 0"),
    ),
    _Print("CC-BY-SA-4.0", 3_200, ("attribution sharealike 4 0 international", "adapted material")),
    _Print("BSL-1.0", 230, ("boost software license version 1 0", "permission is hereby granted free of charge")),
    _Print(
        "Zlib",
        140,
        (
            "altered source versions must be plainly marked as such",
            "the origin of this software must not be misrepresented",
        ),
    ),
    _Print(
        "PSF-2.0",
        500,
        (
            "python software foundation license version 2",
            "this license agreement is between the python software foundation",
        ),
    ),
    _Print("Artistic-2.0", 1_400, ("the artistic license 2 0",)),
    _Print("WTFPL", 70, ("do what the fuck you want to public license",)),
    _Print("BUSL-1.1", 600, ("business source license 1 1", "change date")),
    _Print("SSPL-1.0", 5_500, ("server side public license version 1 october 16 2018",)),
    _Print("Elastic-2.0", 600, ("elastic license 2 0",)),
)


def guess_licence(text: str) -> LicenceGuess:
    """Tell which licence a text is.

    Args:
        text: The whole licence file.

    Returns:
        The best match; below a confidence of 0.5 the id is empty.
    """
    words = _WORD.findall(text.lower().replace("licence", "license").replace("https://", " ").replace("http://", " "))
    plain = f" {' '.join(words)} "
    best = LicenceGuess("", 0.0)
    for each in _PRINTS:
        if any(f" {phrase} " in plain for phrase in each.absent):
            continue
        share = sum(f" {phrase} " in plain for phrase in each.phrases) / len(each.phrases)
        surplus = max(0.0, len(words) / (each.words * 1.3 + 60) - 1.0)
        confidence = round(share * max(0.4, 0.99 - 0.3 * surplus), 2)
        if confidence > best.confidence:
            best = LicenceGuess(each.spdx, confidence)
    header = _SPDX_HEADER.search(text[:2_000])
    if best.confidence < _LEAST_CONFIDENCE and header:
        return LicenceGuess(header[1].strip(), 0.9)
    return best if best.confidence >= _LEAST_CONFIDENCE else LicenceGuess("", best.confidence)


_CLASSIFIERS = {
    "mit license": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd license": "BSD",
    "bsd": "BSD",
    "new bsd": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "gnu general public license v2 (gplv2)": "GPL-2.0",
    "gnu general public license v2 or later (gplv2+)": "GPL-2.0",
    "gnu general public license v3 (gplv3)": "GPL-3.0",
    "gnu general public license v3 or later (gplv3+)": "GPL-3.0",
    "gplv2": "GPL-2.0",
    "gplv3": "GPL-3.0",
    "gpl-3": "GPL-3.0",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0",
    "gnu affero general public license v3": "AGPL-3.0",
    "gnu affero general public license v3 or later (agplv3+)": "AGPL-3.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "python software foundation license": "PSF-2.0",
    "zlib/libpng license": "Zlib",
    "boost software license 1.0 (bsl-1.0)": "BSL-1.0",
    "mit": "MIT",
}


def spdx_base(declared: str) -> set[str]:
    """Give the SPDX ids that a declaration names, without `-only`, `-or-later` and `+`.

    Args:
        declared: An SPDX expression such as `MIT OR Apache-2.0`, a trove classifier's end, or a common name.
    """
    text = declared.strip().lower()
    if text in _CLASSIFIERS:
        return {_CLASSIFIERS[text]}
    parts = re.split(r"(?i)\s+(?:or|and|with)\s+|[()/]", declared)
    return {
        _CLASSIFIERS.get(part.strip().lower(), re.sub(r"(?:-only|-or-later|\+)$", "", part.strip()))
        for part in parts
        if part.strip()
    }
