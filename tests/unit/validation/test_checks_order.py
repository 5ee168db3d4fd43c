"""Order of design, build, test and deploy, and of the steps of one thing."""

import pytest


def leaf(name, kind, description, *after, **more):
    return {"id": name, "type": kind, "description": description, "depends_on": list(after), **more}


def delivery(design=(), build=("design",), test=("build",), deploy=("test",)):
    return [
        leaf("design", "design", "Design the shop", *design),
        leaf("build", "implement", "Implement the shop", *build),
        leaf("test", "test", "Test the shop", *test),
        leaf("deploy", "deploy", "Deploy the shop", *deploy),
    ]


def order_codes(codes, tasks, **more):
    return [code for code in codes(tasks, "warning", **more) if code.startswith("GEN-ORDER")]


def test_the_usual_order_is_clean(codes):
    assert codes(delivery(), "warning") == []


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"deploy": ()}, {"GEN-ORDER-DEPLOY-BUILD", "GEN-ORDER-DEPLOY-TEST"}),
        ({"deploy": ("build",)}, {"GEN-ORDER-DEPLOY-TEST"}),
        ({"deploy": ("design",)}, {"GEN-ORDER-DEPLOY-BUILD", "GEN-ORDER-DEPLOY-TEST"}),
        ({"deploy": (), "build": ("deploy",)}, {"GEN-ORDER-DEPLOY-BUILD", "GEN-ORDER-DEPLOY-TEST", "GEN-ORDER-STEPS"}),
        ({"test": ("design",), "deploy": ("test", "build")}, {"GEN-ORDER-TEST-BUILD"}),
        ({"test": (), "build": ("test",), "deploy": ("build",)}, {"GEN-ORDER-TEST-BUILD", "GEN-ORDER-STEPS"}),
        ({"build": (), "design": ("build",)}, {"GEN-ORDER-BUILD-DESIGN", "GEN-ORDER-STEPS"}),
    ],
)
def test_each_wrong_order_is_found(codes, edges, expected):
    assert set(order_codes(codes, delivery(**edges))) == expected


def test_a_build_that_the_only_deployment_forgets_is_found(find):
    tasks = [*delivery(), leaf("api", "backend", "Implement the API")]
    agents = [{"name": "all", "task_types": ["design", "implement", "test", "deploy", "backend"]}]
    [found] = find("GEN-ORDER-DEPLOY-BUILD", tasks, agents=agents)
    assert (found.task, found.evidence["other"]) == ("deploy", "api")


@pytest.mark.parametrize(
    "tasks",
    [
        [*delivery(), leaf("smoke", "test", "Run smoke tests in production", "deploy")],
        [leaf("base", "test_run", "Run the existing tests as a baseline"), *delivery(design=("base",))],
        [leaf("write", "test", "Write the failing tests first"), *delivery(build=("write",))],
        [*delivery(), leaf("plan", "design", "Design the launch campaign", "deploy")],
        [*delivery(), leaf("ci", "deploy", "Set up the deployment pipeline")],
        [*delivery(), leaf("news", "generic", "Publish the blog post")],
        [*delivery(), leaf("v2", "implement", "Implement what users asked for", "deploy")],
        [leaf("idea", "validation", "Validate the idea with customers"), *delivery(design=("idea",))],
        [leaf("b", "implement", "Implement the shop"), leaf("s", "deploy", "Deploy the shop to staging", "b"),
         leaf("t", "test", "Test the shop", "s"), leaf("d", "deploy", "Deploy the shop to production", "t")],
        [leaf("deploy", "deploy", "Deploy the shop"), leaf("watch", "generic", "Watch it", "deploy")],
        [leaf("t", "test_run", "Run the test suite"), leaf("r", "reporting", "Write the audit report", "t")],
    ],
)  # fmt: skip
def test_sound_orders_are_clean(codes, tasks):
    assert order_codes(codes, tasks) == []


def test_phases_as_composites_are_read_too(codes):
    def phase(name, kind, text, *after):
        return {"id": name, "description": f"Phase {name}", "depends_on": list(after),
                "subtasks": [leaf("x", kind, f"{text} part one"), leaf("y", kind, f"{text} part two")]}  # fmt: skip

    sound = [
        phase("code", "implement", "Implement"),
        phase("qa", "test", "Test", "code"),
        phase("go", "deploy", "Deploy", "qa"),
    ]
    assert order_codes(codes, sound) == []
    broken = [*sound[:2], {**sound[2], "depends_on": []}]
    assert set(order_codes(codes, broken)) == {"GEN-ORDER-DEPLOY-BUILD", "GEN-ORDER-DEPLOY-TEST"}


def test_two_requests_composed_into_one_plan_do_not_wait_for_each_other(codes):
    audit = {"id": "audit", "description": "Audit the code", "subtasks": [
        leaf("list", "research", "List the entry points"),
        leaf("run", "test_run", "Run the test suite", "list")]}  # fmt: skip
    page = {"id": "page", "description": "Landing page", "subtasks": delivery()}
    assert order_codes(codes, [audit, page]) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Publish the article", "Write the article"),
        ("Analyse the survey data", "Collect the survey data"),
        ("Evaluate the model", "Train the model"),
        ("Send the newsletter", "Draft the newsletter"),
    ],
)
def test_steps_of_one_thing_the_wrong_way_round_are_found(find, first, second):
    wrong = [leaf("a", "generic", first), leaf("b", "generic", second, "a")]
    [found] = find("GEN-ORDER-STEPS", wrong)
    assert (found.task, found.evidence["earlier_step"]) == ("a", "b")
    right = [leaf("b", "generic", second), leaf("a", "generic", first, "b")]
    assert not find("GEN-ORDER-STEPS", right)
    beside = [leaf("a", "generic", first), leaf("b", "generic", second)]
    assert not find("GEN-ORDER-STEPS", beside)


def test_a_second_round_of_the_same_step_is_fine(find):
    tasks = [leaf("w1", "content", "Write the article"), leaf("p", "content", "Publish the article", "w1"),
             leaf("w2", "content", "Write the article follow-up", "p")]  # fmt: skip
    assert not find("GEN-ORDER-STEPS", tasks)


def test_steps_about_different_things_are_not_compared(find):
    tasks = [leaf("a", "generic", "Publish the blog"), leaf("b", "generic", "Write the manual", "a")]
    assert not find("GEN-ORDER-STEPS", tasks)


def test_a_plan_with_a_cycle_gets_no_order_warnings(codes):
    assert order_codes(codes, delivery(design=("deploy",), deploy=("build",))) == []
