from pathlib import Path

import pytest

from genesis_audit import licence
from genesis_audit.licence_names import find_licence_ids, identify

GRANT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so"""
NOTICE = """, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software"""
AS_IS = """.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
MIT = f"MIT License\n\nCopyright (c) 2020 Somebody\n\n{GRANT}{NOTICE}{AS_IS}"
BSD_2 = """Copyright (c) 2020, Somebody. All rights reserved.

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following
disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following
disclaimer in the documentation and/or other materials provided with the distribution.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY,
WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (MIT, ("MIT",)),
        (f"{GRANT}{AS_IS}", ("MIT-0",)),
        (BSD_2, ("BSD-2-Clause",)),
        (f"This project may be used under either licence.\n\n{MIT}\n\n{BSD_2}", ("MIT", "BSD-2-Clause")),
        (f"A preamble of {'many words ' * 60}\n\n{MIT}", ("MIT",)),
        ("Dual-licensed under the Unlicense and MIT licenses; use it under either.", ("MIT", "Unlicense")),
        ("Licensed under the Apache License, Version 2.0, or the MIT license.", ("Apache-2.0", "MIT")),
        ("All rights reserved.", ()),
        ("Nur mit Erlaubnis.", ()),
        ("", ()),
        ("// SPDX-License-Identifier: MPL-2.0\n", ("MPL-2.0",)),
    ],
)
def test_texts_are_recognised(text, ids):
    assert identify(text).ids == ids


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
    found = identify(path.read_text())
    assert spdx in found.ids
    assert found.confidence > 0.6


def test_a_text_with_more_in_it_is_less_certain():
    assert identify(MIT + "other words " * 100).confidence < identify(MIT).confidence


@pytest.mark.parametrize(
    ("declared", "ids"),
    [
        ("MIT", {"MIT"}),
        ("mit", {"MIT"}),
        ("MIT License", {"MIT"}),
        ("MIT OR Apache-2.0", {"MIT", "Apache-2.0"}),
        ("(GPL-3.0-or-later AND MIT)", {"GPL-3.0", "MIT"}),
        ("GNU Lesser General Public License v3 (LGPLv3)", {"LGPL-3.0"}),
        ("GNU Affero General Public License v3", {"AGPL-3.0"}),
        ("GNU General Public License v2 or later (GPLv2+)", {"GPL-2.0"}),
        ("The Apache Software License, Version 2.0", {"Apache-2.0"}),
        ("MIT/Apache-2.0", {"MIT", "Apache-2.0"}),
        ("New BSD License", {"BSD-3-Clause", "BSD"}),
        ("BSD", {"BSD"}),
        ("Proprietary", set()),
    ],
)
def test_declarations_name_ids(declared, ids):
    assert find_licence_ids(declared) == ids


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
        ("pom.xml", "<p><licenses><license><name>MIT License</name></license></licenses></p>"),
        ("setup.py", "setup(\n    license='MIT',\n)\n"),
        ("composer.json", '{"license": "MIT"}'),
        ("x.gemspec", "Gem::Specification.new do |s|\n  s.license = 'MIT'\nend\n"),
        ("x.cabal", "name: x\nlicense: MIT\n"),
        ("src/x.csproj", "<Project><PackageLicenseExpression>MIT</PackageLicenseExpression></Project>"),
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


def test_a_declared_name_that_is_not_known_is_no_mismatch(project):
    project.write("LICENSE", MIT)
    project.write("package.json", '{"license": "SEE LICENSE IN LICENSE"}')
    assert licence.run(project.root)["findings"] == []


@pytest.mark.parametrize(
    "files",
    [
        {"LICENSE-MIT": MIT, "LICENSE-BSD": BSD_2},
        {"COPYING": "Under the MIT license or the BSD-2-Clause license.", "LICENSE-MIT": MIT, "LICENSE-BSD": BSD_2},
        {"LICENSES/MIT.txt": MIT, "LICENSES/BSD-2-Clause.txt": BSD_2},
        {"LICENSE": f"{MIT}\n\n{BSD_2}"},
        {"LICENSE.md": MIT, "LICENSE.BSD": BSD_2},
        {"LICENSE": MIT, "LICENSE-3rdparty.txt": "Of the libraries, see their own folders."},
    ],
)
def test_a_choice_of_licences_is_recognised(project, files):
    for name, text in files.items():
        project.write(name, text)
    project.write("Cargo.toml", "[package]\nname = 'p'\nlicense = 'MIT OR BSD-2-Clause'\n")
    assert licence.run(project.root)["findings"] == []


def test_the_declared_choice_is_the_licence_of_the_whole(project):
    project.write("LICENSE-MIT", MIT)
    project.write("LICENSE-BSD", BSD_2)
    assert set(licence.run(project.root)["spdx"].split(" OR ")) == {"MIT", "BSD-2-Clause"}
    project.write("Cargo.toml", "[package]\nname = 'p'\nlicense = 'mit or bsd-2-clause'\n")
    assert licence.run(project.root)["spdx"] == "MIT OR BSD-2-Clause"


def test_no_licence_and_unknown_licence(project, titles):
    assert [each["severity"] for each in licence.run(project.root)["findings"]] == ["high"]
    project.write("README.md", "# P\n\n## Licence\n\nMIT\n")
    assert licence.run(project.root)["findings"][0]["detail"] == "README.md says MIT."
    project.write("pyproject.toml", "[project]\nlicense = 'MIT'\n")
    assert [each["severity"] for each in licence.run(project.root)["findings"]] == ["medium"]
    project.write("LICENSE.md", "Mine, all mine.")
    assert titles(licence.run(project.root)) == ["A licence text is not one of the SPDX list"]


def test_a_proprietary_package_needs_no_licence_file(project):
    project.write("package.json", '{"name": "n", "license": "UNLICENSED"}')
    assert licence.run(project.root)["findings"] == []


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("go.mod", "module m\n", False),
        ("requirements.txt", "a\n", False),
        ("CMakeLists.txt", "project(p)\n", False),
        ("Cargo.toml", "[package]\nname = 'p'\npublish = false\n", False),
        ("package.json", '{"name": "n", "version": "1.0.0", "private": true}', False),
        ("pyproject.toml", "[tool.ruff]\n", False),
        ("package.json", '{"name": "n", "version": "1.0.0"}', True),
        ("pyproject.toml", "[build-system]\nrequires = ['h']\n[project]\nname = 'p'\n", True),
    ],
)
def test_a_licence_is_asked_of_manifests_that_publish(project, titles, name, content, found):
    project.write("LICENSE", MIT)
    project.write(name, content)
    expected = ["The manifest of a package does not declare its licence"] if found else []
    assert titles(licence.run(project.root)) == expected


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


def test_licences_of_gradle_and_rpm_are_read(project):
    project.write("publish.gradle.kts", 'pom { licenses {\n license {\n name.set("The MIT License")\n } } }\n')
    project.write("old.gradle", "license {\n name = 'Apache-2.0'\n}\n")
    project.write("x.spec", "Name: x\nLicense: MIT AND ICU\n")
    declared = {each["where"]: each["licence"] for each in licence.run(project.root)["declared"]}
    assert declared == {"publish.gradle.kts": "The MIT License", "old.gradle": "Apache-2.0", "x.spec": "MIT AND ICU"}


def test_the_old_way_to_declare_a_choice_in_cargo(project):
    project.write("Cargo.toml", '[package]\nname = "a"\nlicense = "MIT/BSD-2-Clause"\n')
    project.write("LICENSE-MIT", MIT)
    project.write("LICENSE-BSD", BSD_2)
    assert licence.run(project.root)["spdx"] == "MIT OR BSD-2-Clause"


def test_texts_for_parts_of_a_project_say_nothing_of_the_whole(project):
    project.write("LICENSE.MIT", MIT)
    project.write("LICENSES/MIT.txt", MIT)
    project.write("LICENSES/BSD-2-Clause.txt", BSD_2)
    project.write("LICENSES/MIT-0.txt", f"{GRANT}{AS_IS}")
    assert licence.run(project.root)["spdx"] == "MIT"
