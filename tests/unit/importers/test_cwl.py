"""CWL workflows and tools."""

import pytest

from genesis.model import Resources
from genesis.model.plan_parameter import PlanParameter

_WORKFLOW = """\
cwlVersion: v1.2
class: Workflow
inputs:
  archive: {type: File, default: {class: File, path: in.tar}}
  count: int
outputs: []
steps:
  unpack:
    run:
      class: CommandLineTool
      baseCommand: [tar, --extract]
      arguments: ["--verbose", {prefix: -C, valueFrom: out dir}]
      inputs: {a: {type: File, inputBinding: {prefix: --file=, separate: false, position: 9}}}
      outputs: {text: {type: File, outputBinding: {glob: "*.txt"}}}
      requirements: {DockerRequirement: {dockerPull: debian}, ResourceRequirement: {coresMin: 2}}
    in: {a: archive}
    out: [text]
  sort:
    run: sort.cwl
    in: {file: unpack/text}
    out: []
    when: $(inputs.file)
  head:
    run: tools/head.cwl
    in: {lines: count}
    out: []
    scatter: lines
  outside:
    run: ../elsewhere.cwl
    in: {}
    out: []
"""
_TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: {program}
inputs: {{file: {{type: File, inputBinding: {{position: 1}}}}}}
outputs: []
"""


def test_steps_run_in_the_order_of_their_files(imported, write):
    write(_TOOL.format(program="sort"), "sort.cwl")
    run = imported(_WORKFLOW, "main.cwl")
    assert list(run.tasks) == ["unpack", "sort", "head", "outside"]
    assert run.starts_after("unpack", "sort")
    assert run.runs_beside("unpack", "head")


def test_argument_list_stays_a_list_and_takes_parameters_as_values(imported):
    run = imported(_WORKFLOW, "main.cwl")
    assert run.argv("unpack") == ("tar", "--extract", "--verbose", "-C", "out dir", "--file={archive}")
    assert run.tasks["unpack"].inputs == {"archive": "{archive}"}
    assert run.imported.plan.params == {"archive": PlanParameter(default="in.tar")}


def test_what_needs_a_file_a_parameter_or_an_expression_is_a_work_order(imported, write):
    write(_TOOL.format(program="sort"), "sort.cwl")
    write(_TOOL.format(program="head").replace("file:", "lines:"), "tools/head.cwl")
    run = imported(_WORKFLOW, "main.cwl")
    assert [run.kind(path) for path in run.tasks] == ["command", "brief", "brief", "brief"]
    assert "work order" in run.lost(18, "file from unpack/text")
    assert "work order" in run.lost(18, "condition: $(inputs.file)")
    assert run.lost(23, "scatter lines").startswith("one task")
    assert "work order" in run.lost(23, "parameters without a default: 'count'")
    assert run.tasks["unpack"].resources == Resources(cpu=2)
    assert "outside of the folder" in next(each.construct for each in run.losses if each.task == "outside")


def test_link_to_a_file_elsewhere_is_not_read(imported, tmp_path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "sort.cwl"
    other.write_text(_TOOL.format(program="sort"))
    (tmp_path / "sort.cwl").symlink_to(other)
    run = imported(_WORKFLOW, "main.cwl")
    assert any("'sort.cwl' is outside of the folder" in each.construct for each in run.losses)


def test_braces_of_an_argument_are_text(imported):
    tool = _TOOL.format(program="awk").replace("baseCommand: awk", "baseCommand: [awk, '{print $1}', '{x}']")
    tool = tool.replace("{file: {type: File, inputBinding: {position: 1}}}", "{}")
    run = imported(tool, "tool.cwl")
    assert run.argv("tool") == ("awk", "{{print $1}}", "{{x}}")


def test_packed_workflow_finds_its_tools(imported):
    run = imported(
        '{"cwlVersion": "v1.0", "$graph": [{"id": "#main", "class": "Workflow", "inputs": [], "outputs": [], "steps": '
        '[{"id": "#main/a", "run": "#t", "in": [], "out": ["#main/a/o"]}, {"id": "#main/b", "run": "#t", "in": '
        '[{"id": "#main/b/i", "source": "#main/a/o"}], "out": []}]}, {"id": "#t", "class": "CommandLineTool", '
        '"baseCommand": "date", "inputs": [], "outputs": []}]}',
        "packed.json",
    )
    assert run.argv("a") == ("date",)
    assert run.starts_after("a", "b")


def test_condition_on_an_input_is_carried_over(imported):
    tool = "{class: CommandLineTool, baseCommand: date, inputs: [], outputs: []}"
    run = imported(
        "cwlVersion: v1.2\nclass: Workflow\n"
        "inputs: {fast: {type: boolean, default: true}, mode: {type: string, default: x}}\n"
        f"outputs: []\nsteps:\n  a: {{run: {tool}, in: {{f: fast, m: mode}}, out: [], "
        "when: \"$(inputs.f && inputs.m === 'y')\"}\n"
        f"  b: {{run: {tool}, in: {{f: fast}}, out: [], when: $(inputs.f.length)}}\n",
        "main.cwl",
    )
    assert run.task("a/run").when == '({fast} == true and {mode} == "y")'
    assert run.kind("a/otherwise") == "command"
    assert run.kind("b") == "brief"


_SCATTER = """\
cwlVersion: v1.2
class: Workflow
inputs: {words: {type: "string[]", default: [one two, "3"]}}
outputs: []
steps:
  say:
    run:
      class: CommandLineTool
      baseCommand: echo
      inputs: {word: {type: string, inputBinding: {prefix: --word=, separate: false}}}
      outputs: {}
    in: {word: words}
    out: []
    scatter: word
"""


@pytest.mark.parametrize("word", ["words", "{source: words}", '{default: [one two, "3"]}'])
def test_scatter_over_a_literal_list_is_a_copy_for_each_value(imported, word):
    run = imported(_SCATTER.replace("{word: words}", f"{{word: {word}}}"), "main.cwl")
    assert run.task("say").for_each == ["one two", "3"]
    assert run.task("say").inputs == {"item": "{item}"}
    assert run.argv("say/1-3") == ("echo", "--word={item}")
    assert not [each for each in run.losses if each.outcome.startswith("one task")]
    if "words" in word:
        assert run.lost(6, "scatter over the parameter 'words'") == "the copies are those of its default"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{word: words}", "{word: {source: words, linkMerge: merge_nested}}"), ('[one two, "3"]', "[-x]"),
        ("{word: words}", "{word: {source: words, valueFrom: $(self)}}"), ('[one two, "3"]', "[]"),
        ('[one two, "3"]', "[{class: File, path: x}]"), ('[one two, "3"]', "['$(x)']"),
        ("scatter: word", "scatter: [word, word]"), ("scatter: word", "scatter: other"), ("words:", "item:"),
    ],
)  # fmt: skip
def test_scatter_that_is_not_known_exactly_is_one_task(imported, old, new):
    run = imported(
        _SCATTER.replace(old, new).replace("word: words}", "word: item}" if new == "item:" else "word: words}")
    )
    assert run.task("say").for_each is None
    assert run.kind("say") == "brief"
    assert run.lost(6, "scatter ").startswith("one task")


def test_scatter_in_a_scatter_does_not_mix_their_values(imported):
    run = imported("""\
cwlVersion: v1.2
class: Workflow
inputs: []
outputs: []
steps:
  outer:
    scatter: x
    in: {x: {default: [1, 2]}}
    out: []
    run:
      class: Workflow
      inputs: {x: int}
      outputs: []
      steps:
        inner:
          scatter: y
          in: {x: x, y: {default: [3]}}
          out: []
          run:
            class: CommandLineTool
            baseCommand: echo
            inputs: {x: {type: int, inputBinding: {}}, y: {type: int, inputBinding: {}}}
            outputs: []
        other:
          in: {x: x}
          out: []
          run: {class: CommandLineTool, baseCommand: echo, inputs: {x: {type: int, inputBinding: {}}}, outputs: []}
""")
    assert run.task("outer").for_each == [1, 2]
    assert run.task("outer/inner").for_each is None
    assert run.kind("outer/0-1/inner") == "brief"
    assert run.argv("outer/1-2/other") == ("echo", "{item}")


@pytest.mark.parametrize(
    ("required", "needs", "lost"),
    [
        ("{coresMin: 2, coresMax: 2, ramMin: 512, ramMax: 512}", {"cpu": 2, "memory": "512Mi"}, None),
        ("{coresMax: 0.5, tmpdirMin: 9}", {"cpu": 0.5}, '{"tmpdirMin": 9}'),
        ("{coresMin: 1, coresMax: 4}", {"cpu": 1}, '{"coresMax": 4}'),
        ("{coresMin: $(inputs.n), ramMin: -1}", None, '{"coresMin": "$(inputs.n)", "ramMin": -1}'),
    ],
)
def test_cores_and_memory_are_resources_and_the_rest_is_lost(imported, required, needs, lost):
    tool = _TOOL.format(program="sort") + f"requirements: {{ResourceRequirement: {required}}}\n"
    run = imported(tool, "sort.cwl")
    [task] = run.tasks.values()
    assert task.resources == (None if needs is None else Resources(**needs))
    assert [each.construct for each in run.losses if each.construct.startswith("resources")] == (
        [f"resources: {lost}"] if lost else []
    )
