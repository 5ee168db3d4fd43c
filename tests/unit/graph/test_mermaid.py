"""Mermaid: there is no parser for Python, so each line is held to the few forms that we write."""

import re

from hypothesis import given
from hypothesis import strategies as st

from genesis.graph.formats import GRAPH_FORMATS
from genesis.testing import a_plan, a_program, a_task

dump_mermaid = GRAPH_FORMATS["mmd"]
_LABEL = r'"(?:[\w ,/-]|#\d+;|<br/>)*"'
_IDS = st.characters(categories=["L", "Nd"], include_characters="_-.")
_LINES = re.compile(
    rf" *(?:t\d+\[{_LABEL}\]|subgraph c\d+\[{_LABEL}\]|end|[ct]\d+ (?:-->|-\.->)(?:\|{_LABEL}\|)? [ct]\d+)"
)


def lines_of(graph):
    first, *lines = dump_mermaid(graph).splitlines()
    assert first == "flowchart LR"
    return lines


def render(line):
    """Read what Mermaid shows of a label."""
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), line)


def test_hostile_texts_cannot_end_a_label(hostile):
    graph = hostile.graph()
    lines = lines_of(graph)
    assert all(_LINES.fullmatch(line) for line in lines)
    assert sum("[" in line for line in lines) == len(graph)
    assert sum("->" in line for line in lines) == graph.number_of_edges()
    assert sum("subgraph c" in line for line in lines) == lines.count("  end") + lines.count("    end") == 2


@given(st.text(max_size=80), st.text(_IDS, min_size=1, max_size=20))
def test_any_text_and_any_id_stay_in_their_label(text, name):
    lines = lines_of(a_plan(a_task(name, description=text or "x")).graph())
    assert len(lines) == 1
    assert _LINES.fullmatch(lines[0])


def test_what_is_escaped_is_shown_as_it_was_written():
    (line,) = lines_of(a_plan(a_task("end", description='1. "x" #35; www.a.b _y_ z_z')).graph())
    assert render(line).strip() == 't0["end<br/>1. "x" #35; www.a.b _y_ z_z"]'
    assert "1#46;" in line
    assert "#95;y#95; z_z" in line


def test_double_dollar_signs_are_no_formula():
    (line,) = lines_of(a_plan(a_task("a", description="$$$x$$")).graph())
    assert "$$" not in render(line)
    assert render(line).replace("\u200b", "").endswith('$$x$$"]')


def test_composites_are_subgraphs_and_ends_of_edges():
    plan = a_plan(
        a_task("a", outputs=("k",)),
        a_task("b", a_task("c"), a_task("d", a_task("e", inputs={"p": "{a.k}"})), after=("a",)),
        a_task("f", inputs={"p": "{a.k}"}, after=("a", "b")),
    )
    assert lines_of(plan.graph()) == [
        '  t0["a<br/>a"]',
        '  subgraph c1["b<br/>b"]',
        '    t2["c<br/>c"]',
        '    subgraph c3["d<br/>d"]',
        '      t4["e<br/>e"]',
        "    end",
        "  end",
        '  t5["f<br/>f"]',
        "  t0 --> c1",
        '  t0 -->|"k"| t5',
        '  t0 -.->|"k"| t4',
        "  c1 --> t5",
    ]


def test_an_edge_within_its_own_composite_is_left_out():
    lines = lines_of(a_plan(a_task("a", a_task("b", after=("a",)), after=("a/b",))).graph())
    assert not any("->" in line for line in lines)


def test_a_program_has_the_subgraphs_of_its_plan():
    lines = lines_of(a_program(a_task("a"), a_task("b", a_task("c"), after=("a",))).graph())
    assert lines[1] == '  subgraph c1["b"]'
    assert lines[-1] == "  t0 --> t2"
