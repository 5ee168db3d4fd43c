"""Solvability: agents, types, skills, executors, secrets, approvals."""

import pytest

from genesis.model import Route

QA = {"name": "qa_agent", "task_types": ["test"], "skills": ["testing"], "success_rate": 0.9}
DEV = {"name": "dev_agent", "task_types": ["implement"], "skills": ["coding", "sql"]}
LINT = {"id": "lint", "type": "test", "description": "Lint the sources"}


class StubProbe:
    def __init__(self, problem=None, secrets=(), gap=None):
        self.problem, self.secrets, self.gap, self.asked = problem, secrets, gap, []

    def executor_problem(self, spec, agent):
        self.asked.append((agent.name, spec.kind))
        return self.problem

    def input_problem(self, spec, inputs):
        self.asked.append((spec.check, dict(inputs)))
        return f"{inputs['path']!r} is gone" if inputs.get("path") == "nope" else None

    def sandbox_gap(self, spec, agent):
        return self.gap if spec.kind == "command" else None

    def resources(self):
        return None

    def image_problem(self, image):
        return None

    def secret_present(self, name):
        self.asked.append(name)
        return name in self.secrets


@pytest.mark.parametrize("routes", [{}, {"lint": Route(agent=None, reason="nobody takes 'test'")}])
def test_leaf_without_an_agent_is_an_error_with_the_reason(find, routes):
    [found] = find("GEN-UNASSIGNED", [LINT], routes=routes)
    assert found.severity == "error"
    assert ("nobody takes" if routes else "not routed") in found.message


def test_unknown_agent_suggests_the_closest(find):
    [found] = find("GEN-AGENT-UNKNOWN", [LINT], agents=[QA], to={"lint": "qa_agnet"})
    assert found.hint == "did you mean 'qa_agent'?"


def test_type_that_the_agent_does_not_take_is_an_error(find):
    [found] = find("GEN-TYPE-UNCOVERED", [LINT], agents=[DEV])
    assert "'dev_agent' does not take" in found.message
    assert found.evidence["takes"] == ["implement"]


def test_every_agent_takes_generic(codes):
    assert codes([{"id": "a", "description": "Think"}], "error", agents=[DEV]) == []


@pytest.mark.parametrize(
    ("when", "fine"),
    [
        ({"type": "test"}, True),
        ({"type": {"in": ["test", "x"]}}, True),
        ({"label": {"domain": "ml"}}, True),
        ({"all": [{"type": "test"}, {"skill": "x"}]}, True),
        ({"any": [{"type": "other"}, {"description": "lint"}]}, True),
        ({"any": [{"type": "test"}, {"type": "other"}]}, True),
        ({"not": {"type": "other"}}, True),
        ({"not": {"label": {"a": "b"}}}, True),
        ({"type": "other"}, False),
        ({"all": [{"type": "other"}, {"skill": "x"}]}, False),
        ({"all": [{"type": "test"}]}, True),
        ({"any": [{"type": "other"}]}, False),
        ({"not": {"type": "test"}}, False),
    ],
)
def test_a_rule_that_can_send_the_type_covers_it(codes, when, fine):
    rules = [{"id": "r", "when": when, "then": "dev_agent"}]
    found = codes([LINT], "error", agents=[DEV, QA], rules=rules)
    assert found == ([] if fine else ["GEN-TYPE-UNCOVERED"])


def test_missing_skill_names_agents_that_have_it(find):
    [found] = find("GEN-SKILL-UNCOVERED", [{**LINT, "requires": ["sql"]}], agents=[QA, DEV])
    assert "'sql'" in found.message
    assert found.hint == "these agents have the skills: dev_agent"


def test_missing_skill_that_nobody_has_suggests_a_close_one(find):
    [found] = find("GEN-SKILL-UNCOVERED", [{**LINT, "requires": ["testng"]}], agents=[QA])
    assert found.hint == "did you mean 'testing'?"


def test_covered_skills_are_fine(codes):
    assert codes([{**LINT, "requires": ["testing"]}], "error", agents=[QA]) == []


def test_approval_is_refused_clearly_on_leaves_and_composites(find):
    tasks = [{**LINT, "approval": True}, {"id": "p", "description": "Part", "approval": True, "subtasks": [LINT]}]
    found = find("GEN-APPROVAL-UNAVAILABLE", tasks, agents=[QA])
    assert [d.task for d in found] == ["lint", "p"]
    assert "approvals are not available yet" in found[0].message


def test_executor_kind_that_cannot_run_yet_is_an_error_and_not_probed(check):
    probe = StubProbe("never asked")
    agent = {**QA, "executor": {"kind": "a2a", "url": "http://127.0.0.1/a"}}
    report = check([LINT], agents=[agent], how={"probe": probe})
    assert [d.code for d in report.errors] == ["GEN-EXECUTOR-UNAVAILABLE"]
    assert probe.asked == []


def test_unusable_executor_is_reported_once_with_the_reason(check):
    probe = StubProbe("there is no program 'x'")
    agent = {**QA, "executor": {"kind": "command", "argv": ["x"]}}
    report = check([LINT, {**LINT, "id": "unit", "description": "Unit checks"}], agents=[agent], how={"probe": probe})
    [found] = report.errors
    assert (found.code, found.task) == ("GEN-EXECUTOR-UNUSABLE", "lint")
    assert "no program 'x'" in found.message
    assert probe.asked == [("qa_agent", "command")]


def test_each_executor_of_a_type_is_probed(check):
    probe = StubProbe()
    agent = {**QA, "task_types": ["test", "implement"], "executors": {"test": {"kind": "command", "argv": ["x"]}}}
    tasks = [LINT, {"id": "code", "type": "implement", "description": "Code it"}]
    assert check(tasks, agents=[agent], how={"probe": probe}).ok
    assert probe.asked == [("qa_agent", "command"), ("qa_agent", "brief")]


def test_agent_without_an_executor_uses_the_model_of_the_run(check):
    probe = StubProbe()
    check([LINT], agents=[QA], how={"probe": probe, "model": "openai:x"})
    assert probe.asked == [("qa_agent", "llm")]


def test_missing_secret_of_an_agent_in_use_is_an_error(check):
    probe = StubProbe(secrets=["HERE"])
    agents = [{**QA, "secrets": ["HERE", "GONE"]}, {**DEV, "secrets": ["UNUSED"]}]
    report = check([LINT, {**LINT, "id": "again", "description": "Unit checks"}], agents=agents, how={"probe": probe})
    assert [(d.code, d.evidence["secret"]) for d in report.errors] == [("GEN-SECRET-MISSING", "GONE")]
    assert "UNUSED" not in probe.asked


def test_without_a_probe_nothing_is_asked(codes):
    agent = {**QA, "secrets": ["GONE"], "executor": {"kind": "command", "argv": ["x"]}}
    assert codes([LINT], "error", agents=[agent]) == []


@pytest.mark.parametrize(("secrets", "bad"), [([], True), (["KEY"], False)])
def test_header_secret_must_be_listed(find, secrets, bad):
    executor = {"kind": "http", "url": "http://127.0.0.1/", "headers": {"A": "Bearer {secret:KEY}"}}
    assert bool(find("GEN-SECRET-UNDECLARED", [LINT], agents=[{**QA, "executor": executor, "secrets": secrets}])) == bad


def test_work_orders_are_counted_in_one_info(find):
    [found] = find("GEN-WORK-ORDERS", [{**LINT, "id": f"t{n}"} for n in range(5)], agents=[QA])
    assert found.message.startswith("5 of 5 leaves")
    assert not find("GEN-WORK-ORDERS", [LINT], agents=[{**QA, "executor": {"kind": "rehearsal"}}])


def test_changed_pin_and_stale_route_are_warnings(codes):
    routes = {"lint": Route(agent="qa_agent", score=0.5), "gone": Route(agent="qa_agent", score=0.5)}
    found = codes([{**LINT, "agent": "dev_agent"}], "warning", agents=[QA, DEV], routes=routes)
    assert found == ["GEN-ROUTE-STALE", "GEN-PIN-CHANGED"]


def test_a_leaf_that_mostly_fails_is_a_warning_unless_retried(find):
    weak = {**QA, "success_rate": 0.3}
    assert find("GEN-SUCCESS-LOW", [LINT], agents=[weak])
    assert not find("GEN-SUCCESS-LOW", [{**LINT, "retries": 2}], agents=[weak])


def test_generic_leaves_are_counted_in_one_info(find):
    tasks = [{"id": f"t{n}", "description": f"Thing {n}"} for n in range(4)]
    [found] = find("GEN-TYPE-GENERIC", tasks)
    assert found.message == "4 of 4 leaves have no type of their own: t0, t1, t2 …"


CHECKED = {
    "name": "audit_agent",
    "task_types": ["audit", "note"],
    "executors": {"audit": {"kind": "python", "call": "m:run", "check": "m:check"}},
}


def _audit(name, **inputs):
    return {"id": name, "type": "audit", "description": f"Audit {name}", "inputs": inputs, "outputs": ["x"]}


def test_inputs_that_the_agents_own_check_refuses_are_one_error(find):
    probe = StubProbe()
    tasks = [
        _audit("a", path="{p}"),
        _audit("b", path="{p}"),
        _audit("c", path="nope", more="{a.x}"),
        _audit("d", path="."),
    ]
    [found] = find("GEN-INPUT-REFUSED", tasks, agents=[CHECKED], how={"probe": probe}, vars={"p": "nope"})
    assert (found.severity, found.task) == ("error", "a")
    assert "'nope' is gone" in found.message
    assert found.evidence["tasks"] == ["a", "b", "c"]
    assert [asked for asked in probe.asked if asked[0] == "m:check"] == [
        ("m:check", {"path": "nope"}),
        ("m:check", {"path": "."}),
    ]


def test_inputs_that_are_not_known_yet_are_not_asked_about(find):
    probe = StubProbe()
    tasks = [_audit("a", path="."), _audit("b", path="{a.x}")]
    assert find("GEN-INPUT-REFUSED", tasks, agents=[CHECKED], how={"probe": probe}) == []
    assert ("m:check", {}) in probe.asked


def test_executors_without_a_check_are_not_asked_about(find):
    note = {"id": "n", "type": "note", "description": "Note it", "inputs": {"path": "nope"}}
    assert find("GEN-INPUT-REFUSED", [note], agents=[CHECKED], how={"probe": StubProbe()}) == []


def test_a_missing_sandbox_is_said_once_for_all_agents_that_prefer_one(find):
    def agent(name, kind, sandbox):
        executor = {"kind": "command", "argv": ["true"]} if kind == "command" else {"kind": "brief"}
        return {"name": name, "task_types": [name], "executor": executor, "sandbox": sandbox}

    agents = [
        agent("a", "command", "preferred"),
        agent("b", "command", {"hosts": ["x"]}),
        agent("c", "command", "off"),
        agent("d", "brief", "preferred"),
    ]
    tasks = [{"id": name, "type": name, "description": "Do it"} for name in "abcd"]
    to = {name: name for name in "abcd"}
    [found] = find("GEN-SANDBOX-MISSING", tasks, agents=agents, to=to, how={"probe": StubProbe(gap="no sandbox here")})
    assert found.severity == "info"
    assert found.evidence == {"agents": ["a", "b"], "missing": "no sandbox here"}
    assert not find("GEN-SANDBOX-MISSING", tasks, agents=agents, to=to, how={"probe": StubProbe()})
