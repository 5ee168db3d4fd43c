"""Colours that can be read, in light and in dark."""

import re

import pytest

from genesis.report.style import STYLE

_THEMES = {"light": 0, "dark": 1, "print": 2}


def colours(theme):
    block = re.findall(r":root\{(--bg[^}]*)\}", STYLE)[_THEMES[theme]]
    return dict(re.findall(r"--([a-z]+):(#[0-9a-f]{6})", block))


def luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", _THEMES)
def test_text_has_the_contrast_of_level_aa_on_each_ground(theme):
    found = colours(theme)
    grounds = [found.pop(name) for name in ("bg", "soft", "box")]
    found.pop("line")  # parts things that white space parts already
    assert len(found) > 12
    for name, colour in found.items():
        for ground in grounds:
            assert contrast(colour, ground) >= 4.5, (name, colour, ground)
