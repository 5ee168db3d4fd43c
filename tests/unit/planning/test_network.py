from genesis.model import Estimate, Plan, Task
from genesis.planning.network import fill_parameters, nest_tasks, network_problems, refine_tasks
from genesis.planning.structural import structural_problems
from genesis.settings import Limits
from genesis.structure import dataflow, fill_text, outline


def task(name, *after, **more):
    return Task(id=name, description=more.pop("description", name), depends_on=after, **more)


def test_refinement_gives_a_leaf_its_subtasks_and_keeps_its_edges():
    whole = task(
        "do",
        "before",
        type="work",
        description="Do it",
        inputs={"x": "1"},
        outputs=("y",),
        estimate=Estimate(seconds=9),
    )
    parts = (task("plan", description="Plan. {description}"), task("act", "plan", inputs={"z": "2"}, outputs=("y",)))
    [before, done] = refine_tasks((task("before"), whole), {"work": parts})
    assert before == task("before")
    assert done.depends_on == ("before",)
    assert (done.inputs, done.outputs, done.estimate) == ({}, (), None)
    assert [(part.id, part.description, part.inputs) for part in done.subtasks] == [
        ("plan", "Plan. Do it", {"x": "1"}),
        ("act", "act", {"z": "2"}),
    ]


def test_refinement_never_refines_itself_and_reaches_nested_leaves():
    parts = (
        task("again", type="work"),
        task("group", subtasks=(task("other", type="more", description="<{description}>"),)),
    )
    [outer] = refine_tasks(
        (task("outer", subtasks=(task("a", type="work", description="A"),)),), {"work": parts, "more": (task("m"),)}
    )
    again, group = outer.subtasks[0].subtasks
    assert again.subtasks == ()
    assert group.subtasks[0].description == "<A>"
    assert group.subtasks[0].subtasks[0].id == "m"


def test_values_fill_words_and_variables_keep_their_references():
    source = task(
        "a", description="Look at {path} {{not}} {other}", labels={"l": "{path}"},
        inputs={"p": "{path}", "deep": [{"q": "{path}/x {a.b}"}], "n": 3},
    )  # fmt: skip
    [done] = fill_parameters((source,), {"path": "{weird}"}, {"path": "path_2"})
    assert done.description == "Look at {weird} {{not}} {other}"
    assert done.labels == {"l": "{weird}"}
    assert done.inputs == {"p": "{path_2}", "deep": [{"q": "{path_2}/x {a.b}"}], "n": 3}


def test_nested_network_means_the_same_tasks_under_its_prefix():
    network = (
        task("a", outputs=("x",)),
        task("b", "a", subtasks=(
            task("c", outputs=("y",)),
            task("d", "c", "e", inputs={"i": "{c.y} {a.x} {v}"}),
        )),
        task("e", inputs={"j": "{b/c.y}"}),
        task("f", "b/c", "b"),
    )  # fmt: skip
    before = Plan(request="-", tasks=network, vars={"v": "1"})
    after = Plan(request="-", vars={"v": "1"}, tasks=(task("a"), task("p", subtasks=nest_tasks(network, "p"))))
    assert structural_problems(before, Limits()) == structural_problems(after, Limits()) == []

    def meaning(plan, prefix):
        shape = outline(plan)
        paths = [node.path.removeprefix(prefix) for node in shape.nodes]
        edges = {
            (paths[node.index], paths[source])
            for node in shape.nodes
            for source in (*shape.before[node.index], *dataflow(plan, shape).edges().get(node.index, ()))
        }
        return {edge for edge in edges if edge[0] != "p"}

    assert meaning(after, "p/") == meaning(before, "")


def test_problems_of_a_network_name_their_place():
    limits = Limits()
    assert network_problems((task("a", inputs={"x": "{p}"}),), {}, ["p"], limits) == []
    assert network_problems((task("a", "b"),), {}, [], limits) == ["tasks: 'a' depends on 'b', which is no task"]
    assert network_problems((task("a", description="{pth}"),), {}, ["path"], limits) == [
        "tasks: 'a' says {pth}, which is not a parameter"
    ]
    assert network_problems((task("a"),), {"work": (task("b"),)}, [], limits) == [
        "refine.work: no task of the playbook has this type"
    ]
    inner = {"work": (task("b", type="more"),), "more": (task("c"),)}
    assert network_problems((task("a", type="work"),), inner, [], limits) == []
    lost = network_problems(
        (task("a", type="work", outputs=("x",)), task("z", inputs={"i": "{a.x}"})), inner, [], limits
    )
    assert lost == ["tasks: 'z' needs {a.x}: task 'a' does not promise 'x'"]


def test_inherited_references_hold_one_level_deeper():
    network = (
        task("top", outputs=("t",)),
        task("g", subtasks=(
            task("one", outputs=("x",)),
            task("two", "one", type="work", inputs={"i": "{one.x} {top.t} {v}"}),
        )),
    )  # fmt: skip
    steps = (task("s", outputs=("y",)), task("u", type="more", inputs={"k": "{s.y}"}))
    whole = refine_tasks(network, {"work": steps, "more": (task("m"),)})
    s, u = whole[1].subtasks[1].subtasks
    assert s.inputs == {"i": "{g/one.x} {top.t} {v}"}
    assert u.subtasks[0].inputs == {"k": "{g/two/s.y}"}
    plan = Plan(request="-", tasks=whole, vars={"v": "1"})
    assert structural_problems(plan, Limits()) == []
    under = Plan(request="-", tasks=(task("p", subtasks=nest_tasks(whole, "p")),), vars={"v": "1"})
    assert structural_problems(under, Limits()) == []


def test_a_refinement_without_inputs_takes_those_without_references_as_well():
    whole = task("w", type="build", inputs={"script": "{v} {{v}}"}, literal_inputs=["script"])
    (made,) = refine_tasks((whole,), {"build": (task("part"),)})
    assert made.subtasks[0].inputs == {"script": "{v} {{v}}"}
    assert made.subtasks[0].literal_inputs == ("script",)
    (kept,) = fill_parameters((whole,), {"v": "value"}, {"v": "renamed"})
    assert kept.inputs == {"script": "{v} {{v}}"}


def test_names_in_doubled_braces_keep_their_text_where_they_mean_nothing_any_more():
    network = (task("a", subtasks=(task("b", outputs=("n",)), task("c", inputs={"x": "{{b.n}} {{a/b.n}} {{other}}"}))),)
    (made,) = nest_tasks(network, "p")
    assert made.subtasks[1].inputs == {"x": "{{b.n}} {a/b.n} {{other}}"}
    (renamed_one,) = fill_parameters((task("t", inputs={"x": "{{v}} {v}"}),), {"v": "value"}, {"v": "w"})
    assert renamed_one.inputs == {"x": "{v} {w}"}


def test_conditions_keep_their_meaning_in_a_network_that_is_nested_or_has_its_parameters_renamed():
    inner = task("x", outputs=("n",))
    part = task("c", subtasks=(inner, task("y", "x", "first", when="{first.n} > 1 and {x.n} == {v}")))
    network = (task("first", outputs=("n",)), part)
    (_, moved) = nest_tasks(network, "p")
    assert moved.subtasks[1].when == "{p/first.n} > 1 and {x.n} == {v}"
    (_, renamed) = fill_parameters(network, {"v": "value"}, {"v": "v_2"})
    assert renamed.subtasks[1].when == "{first.n} > 1 and {x.n} == {v_2}"
    assert inner.when is None


def test_a_value_that_names_a_variable_stays_as_it_is_in_the_plan():
    source = task("a", description="Replace {text} in {path}", env={"P": "{path}"})
    [done] = fill_parameters((source,), {"text": "{path} and {other}", "path": "x"}, {"path": "path_2"})
    assert done.env == {"P": "{path_2}"}
    assert fill_text(done.description, {"path": "x", "text": "y"}) == "Replace {path} and {other} in x"


def test_a_refinement_runs_in_its_own_environment_or_in_that_of_the_task_that_it_refines():
    whole = task("b", type="build", runs_in={"venv": {"requirements": ["x"]}})
    own = task("two", runs_in={"venv": {"requirements": ["y"]}})
    [done] = refine_tasks((whole,), {"build": (task("one"), own)})
    assert [each.runs_in for each in done.subtasks] == [whole.runs_in, own.runs_in]


def test_a_refinement_takes_the_environment_of_the_task_that_it_refines():
    whole = task("b", "a", type="build", env={"A": "{a.k}", "B": "1"})
    parts = {"build": (task("one"), task("two", env={"B": "2"}))}
    refined = refine_tasks((task("a", outputs=("k",)), whole), parts)[1]
    assert refined.env == {}
    assert [part.env for part in refined.subtasks] == [{"A": "{a.k}", "B": "1"}, {"A": "{a.k}", "B": "2"}]


def test_a_refinement_needs_what_the_task_that_it_refines_does():
    parts = {"build": (task("one"), task("two", resources={"cpu": 2}))}
    [refined] = refine_tasks((task("b", type="build", resources={"gpu": 1}),), parts)
    assert refined.resources is None
    assert [part.resources.model_dump(exclude_defaults=True) for part in refined.subtasks] == [{"gpu": 1}, {"cpu": 2}]
