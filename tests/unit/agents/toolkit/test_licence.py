from pathlib import Path

import pytest

from genesis.agents.toolkit import licence
from genesis.agents.toolkit.licence_texts import guess_licence, spdx_base

MIT = """MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY.
"""
BSD = """Redistribution and use in source and binary forms, with or without modification, are permitted provided that
the following conditions are met: ... {third} THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS "AS IS"
"""
THIRD = (
    "may be used to endorse or promote products derived from this software without specific prior written permission."
)


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        (MIT, "MIT"),
        (MIT.replace("The above copyright notice and this permission notice", ""), "MIT-0"),
        (BSD.format(third=THIRD), "BSD-3-Clause"),
        (BSD.format(third=""), "BSD-2-Clause"),
        ("All rights reserved.", ""),
        ("", ""),
        ("// SPDX-License-Identifier: MPL-2.0\n", "MPL-2.0"),
        (
            (
                "This is free and unencumbered software released into the public "
                "domain. For more information, please refer to <https://unlicense.org>"
            ),
            "Unlicense",
        ),
    ],
)
def test_texts_are_recognised(text, spdx):
    assert guess_licence(text).spdx == spdx


@pytest.mark.parametrize(
    ("name", "spdx"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("BSD", "BSD-3-Clause"),
        ("GPL-2", "GPL-2.0"),
        ("GPL-3", "GPL-3.0"),
        ("LGPL-2.1", "LGPL-2.1"),
        ("LGPL-3", "LGPL-3.0"),
        ("MPL-2.0", "MPL-2.0"),
        ("CC0-1.0", "CC0-1.0"),
    ],
)
def test_the_systems_own_texts_are_recognised(name, spdx):
    path = Path("/usr/share/common-licenses", name)
    if not path.exists():
        pytest.skip("no Debian licence texts here")
    guess = guess_licence(path.read_text())
    assert guess.spdx == spdx
    assert guess.confidence > 0.6


def test_a_text_with_more_in_it_is_less_certain():
    assert guess_licence(MIT + "other words " * 400).confidence < guess_licence(MIT).confidence


@pytest.mark.parametrize(
    ("declared", "ids"),
    [
        ("MIT", {"MIT"}),
        ("MIT OR Apache-2.0", {"MIT", "Apache-2.0"}),
        ("(GPL-3.0-or-later AND MIT)", {"GPL-3.0", "MIT"}),
        ("Apache Software License", {"Apache-2.0"}),
        ("MIT/Apache-2.0", {"MIT", "Apache-2.0"}),
        ("BSD", {"BSD"}),
    ],
)
def test_declarations_name_ids(declared, ids):
    assert spdx_base(declared) == ids


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", "[project]\nlicense = 'MIT'\n"),
        ("pyproject.toml", "[project]\nlicense = {text = 'MIT'}\n"),
        ("pyproject.toml", "[project]\nclassifiers = ['License :: OSI Approved :: MIT License']\n"),
        ("pyproject.toml", "[tool.poetry]\nlicense = 'MIT'\n"),
        ("setup.cfg", "[metadata]\nlicense = MIT\n"),
        ("package.json", '{"license": "MIT"}'),
        ("package.json", '{"license": {"type": "MIT"}}'),
        ("Cargo.toml", "[package]\nlicense = 'MIT OR Apache-2.0'\n"),
        ("pom.xml", "<p><licenses><license><name>MIT</name></license></licenses></p>"),
    ],
)
def test_agreeing_declarations(project, name, content):
    project.write("LICENSE", MIT)
    project.write(name, content)
    answer = licence.run(project.root)
    assert (answer["spdx"], answer["mismatch"], answer["findings"]) == ("MIT", False, [])
    assert len(answer["declared"]) == 1


def test_a_mismatch_is_a_finding(project, titles):
    project.write("LICENSE", MIT)
    project.write("package.json", '{"license": "Apache-2.0"}')
    answer = licence.run(project.root)
    assert answer["mismatch"] is True
    assert titles(answer) == ["The declared licence differs from the licence text"]


def test_no_licence_and_unknown_licence(project, titles):
    assert [each["severity"] for each in licence.run(project.root)["findings"]] == ["high"]
    project.write("pyproject.toml", "[project]\nlicense = 'MIT'\n")
    assert [each["severity"] for each in licence.run(project.root)["findings"]] == ["medium"]
    project.write("LICENSE.md", "Mine, all mine.")
    assert titles(licence.run(project.root)) == ["A licence text is not recognised"]


def test_files_that_only_sound_like_a_licence(project):
    project.write("licence.py", "x")
    project.write("docs/license.md", "x")
    project.write("tests/LICENSE", MIT)
    assert licence.run(project.root)["files"] == []


def test_hostile_manifests(project):
    project.write("pyproject.toml", "project = []\n")
    project.write("setup.cfg", "x")
    project.write("package.json", "[")
    project.write("pom.xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>")
    project.write("sub/pom.xml", "<x")
    assert licence.run(project.root)["declared"] == []
