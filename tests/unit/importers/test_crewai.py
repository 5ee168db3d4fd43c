"""Crews of CrewAI."""

_AGENTS = """\
researcher:
  role: >
    {topic} expert
  goal: Find sources.
  backstory: You read a lot
  llm: some/model
writer: {role: Writer, goal: Write, backstory: "", max_iter: 3}
"""
_TASKS = """\
look:
  description: Look for {topic}
  expected_output: A list
  agent: researcher
text:
  description: Write about it
  expected_output: A text
  agent: writer
  context: [look]
check:
  description: Check it
  expected_output: Faults
"""
_CREW = """\
from crewai import Agent, Crew, Process, Task
raise SystemExit("a crew is never run")

@CrewBase
class Team:
    agents_config = "config/agents.yaml"
    tasks_config = "config/tasks.yaml"

    @agent
    def researcher(self):
        return Agent(config=self.agents_config["researcher"], verbose=True)

    @task
    def text(self):
        return Task(config=self.tasks_config["text"], async_execution=True)

    @task
    def look(self):
        return Task(config=self.tasks_config["look"], async_execution=True)

    @task
    def check(self):
        return Task(config=self.tasks_config["check"], agent=self.writer())

    @crew
    def crew(self):
        return Crew(agents=self.agents, tasks=[self.look(), self.text(), self.check()], process=Process.hierarchical)
"""


def test_tasks_run_one_after_another_with_their_agents(imported, write):
    write(_AGENTS, "agents.yaml")
    run = imported(_TASKS, "tasks.yaml")
    assert list(run.tasks) == ["look", "text", "check"]
    assert run.runs_in_order("look", "text", "check")
    assert [run.kind(path) for path in run.tasks] == ["llm", "llm", "brief"]
    assert run.agents["researcher"].description == "{topic} expert. Find sources. You read a lot"
    assert run.tasks["look"].description == "Look for {topic} Expected output: A list"


def test_variables_are_inputs_and_the_rest_is_listed(imported, write):
    agents = write(_AGENTS, "agents.yaml")
    run = imported(_TASKS, "tasks.yaml")
    assert run.tasks["look"].inputs == {"topic": "{topic}"}
    assert "--var topic=…" in run.lost(1, "values of {topic}")
    assert run.lost(10, "a task without an agent") == "the task is a work order"
    assert {(each.line, each.construct) for each in run.losses if each.file == str(agents)} == {
        (1, "llm some/model of agent 'researcher'"),
        (7, "key 'max_iter' of agent 'writer'"),
    }


def test_agents_file_finds_the_tasks_beside_it(imported, write):
    write(_TASKS, "tasks.yaml")
    assert list(imported(_AGENTS, "agents.yaml").tasks) == ["look", "text", "check"]


def test_crew_file_has_the_order_and_asynchronous_tasks_run_beside_each_other(imported, write):
    write(_AGENTS, "config/agents.yaml")
    write(_TASKS.replace("  context: [look]\n", ""), "config/tasks.yaml")
    run = imported(_CREW, "crew.py")
    assert list(run.tasks) == ["look", "text", "check"]
    assert run.runs_beside("look", "text")
    assert run.starts_after("look", "check")
    assert run.starts_after("text", "check")
    assert [run.kind(path) for path in run.tasks] == ["llm", "llm", "llm"]
    assert run.lost(27, "Process.hierarchical").startswith("tasks run one after another")


def test_tasks_in_code_and_in_a_loop(imported):
    run = imported(
        "import crewai\n"
        "one = crewai.Agent(role='R', goal='G', backstory='B')\n"
        "first = crewai.Task(description='Do it', expected_output='x', agent=one)\n"
        "for name in names:\n"
        "    made = crewai.Task(description=name, expected_output='x', agent=one)\n"
        "crew = crewai.Crew(agents=[one], tasks=[first, other])\n",
        "main.py",
    )
    assert list(run.tasks) == ["first"]
    assert run.lost(6, "task 'other' of the crew").endswith("left out")
    assert run.lost(4, "made by a loop") == "not guessed"
