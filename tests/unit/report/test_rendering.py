"""Templates escape what they show, complain about names that they do not know, and travel in the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from jinja2 import DictLoader, UndefinedError
from markupsafe import Markup

from genesis.report import rendering
from genesis.report.rendering import SizeBudget, render
from genesis.text.markdown import escape_markdown

ROOT = Path(__file__).parents[3]
LIGHT_COMMANDS = (["--help"], ["plan", "write a report", "--json"])


@pytest.fixture
def shown(monkeypatch):
    """Render a template that is given as text."""
    environments = {is_markdown: rendering._environment.__wrapped__(is_markdown) for is_markdown in (True, False)}
    monkeypatch.setattr(rendering, "_environment", environments.__getitem__)

    def show(name, text, **values):
        for environment in environments.values():
            environment.loader = DictLoader({f"{name}.j2": text})
        return render(name, **values)

    return show


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.md"])
def test_a_name_that_is_not_defined_is_an_error(shown, name):
    with pytest.raises(UndefinedError, match="missing"):
        shown(name, "{{ missing }}")


@pytest.mark.parametrize("name", ["a.html", "a.svg"])
def test_html_is_escaped_without_being_asked(shown, name):
    page = shown(name, '<p title="{{ x }}">{{ x }}</p>', x="\"'><script>")
    assert page.count("<") == 2
    assert page.count('"') == 2


def test_markdown_is_escaped_without_being_asked_also_in_macros(shown):
    text = "{% macro cell(x) %}| {{ x }} |{% endmacro %}{{ cell(x) }}"
    assert shown("a.md", text, x="a|b\n# <i>") == "| a\\|b \\# \\<i\\> |"
    assert shown("a.md", "{{ x }}", x=Markup("**ours**")) == "**ours**"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("see https://evil.example/x", "https://"),
        ("ftp://evil.example", "ftp://"),
        ("WWW.evil.example", "WWW."),
        ("mailto:me@evil.example", "me@"),
    ],
)
def test_an_address_is_no_link(written, kept):
    assert kept not in escape_markdown(written)
    assert escape_markdown(written).replace("\\", "") == written


@pytest.mark.parametrize("written", ["- a", "+ a", "1. a", "23) a", "---", "===", "# a", "> a", "* a", "12.", "```"])
def test_a_text_begins_no_block(written):
    line = escape_markdown(written)
    assert line.replace("\\", "") == written
    assert "\\" in line[: len(written.split()[0]) + 1]


@pytest.mark.parametrize("written", ["2.3 s", "1.5", "a - b", "10 min", "a: b", "/tmp/a.md"])
def test_ordinary_text_stays_as_it_is(written):
    assert escape_markdown(written) == written


@pytest.mark.parametrize("written", ["`a` <b>", "``", "a```b", "x` [l](http://h)"])
def test_nothing_ends_a_code_span_early(shown, written):
    span = shown("a.md", "{{ x | code }}", x=written)
    fence = span[: len(span) - len(span.lstrip("`"))]
    inside = span[len(fence) : -len(fence)]
    assert inside.strip() == written
    assert fence not in inside


def test_nothing_ends_a_fenced_block(shown):
    assert shown("a.md", "```text\n{{ x | fenced }}\n```", x=["````", "~~~ a"]).count("```") == 2


def test_a_budget_counts_what_is_escaped():
    budget = SizeBudget(40)
    assert budget.take("<<", 10) == ("&lt;&lt;", False)
    shown, is_cut = budget.take("&" * 100, 100)
    assert is_cut
    assert len(shown) <= 32
    assert budget.take("&", 10) == ("", True)


@pytest.mark.parametrize("words", LIGHT_COMMANDS, ids=lambda words: words[0])
def test_commands_that_render_nothing_do_not_import_jinja2(words, tmp_path):
    code = (
        "import sys; sys.argv[1:] = %r\nfrom genesis.cli.app import main\n"
        "try: main()\nexcept SystemExit: pass\nassert 'genesis.cli.app' in sys.modules and 'jinja2' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code % words], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_wheel_renders(tmp_path):
    """Build the wheel, unpack it, and render from that: templates are package data, which a checkout always has."""
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, capture_output=True, timeout=120, check=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, %r)\nimport genesis\nassert genesis.__file__.startswith(%r)\n"
        "from genesis.report.rendering import _environment\n"
        "names = _environment(False).list_templates()\n"
        "for name in names: _environment(name.endswith('.md.j2')).get_template(name)\nprint(*names)"
    )
    site = str(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-P", "-c", code % (site, site)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.split()) == sorted(path.name for path in (ROOT / "genesis/report/templates").iterdir())
