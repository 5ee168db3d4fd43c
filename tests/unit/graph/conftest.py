"""A plan whose texts try to get out of every format."""

import pytest

from genesis.model import Plan

HOSTILE = [
    '"]; click t0 "javascript:alert(1)"',
    'x"\n  evil --> t0\n',
    '"}\ndigraph evil { "a" -> "b" }',
    "ends in a backslash \\",
    'a\\"b \\N \\G',
    "<script>alert(1)</script> &lt; &amp; #35; #quot; &#x22;",
    "]]></data></node><node id='evil'/>",
    '%%{init: {"securityLevel": "loose"}}%%',
    '"`**md**`" www.evil.example 1. - _x_',
    "style a:b#c; classDef x:y#z;",
    "\x1b[31mred\x00\x07\x0b\x0c\x85\x9b31m",
    "\u202eevil\u2066 \ufffe\uffff \ufeff",
    "日本語 العربية ελληνικά 👩\u200d💻 e\u0301 \u2028\u2029",
    "\r\none\rtwo\n\nthree\ttab",
    "---\ntitle: x\n---",
    "long " * 2_000,
]
IDS = ["end", "graph", "node", "subgraph", "click", "style", "日本", "default", "class", "edge", "strict", "t0", "c1"]
IDS += ["_x_", "-", "A.b"]


@pytest.fixture
def hostile() -> Plan:
    """Build a plan of tasks called like words of the formats, with composites, references and such descriptions."""
    tasks = [
        {"id": name, "type": text[:40], "description": text, "outputs": ['r"]|end', "plain"]}
        for name, text in zip(IDS, HOSTILE, strict=True)
    ]
    for earlier, task in zip(IDS, tasks[1:], strict=False):
        task["depends_on"] = [earlier]
    inner = {"id": "end", "description": HOSTILE[1], "inputs": {"a": '{graph.r"]|end}', "b": "{end.plain}"}}
    deep = {"id": "subgraph", "description": HOSTILE[2], "subtasks": [inner, {"id": "last", "description": "x"}]}
    tasks.append({"id": "holder", "description": HOSTILE[0], "depends_on": ["end"], "subtasks": [deep]})
    tasks.append({"id": "after", "description": "y", "depends_on": ["holder", "holder/subgraph"]})
    return Plan.model_validate({"request": HOSTILE[0] + HOSTILE[10], "tasks": tasks})
