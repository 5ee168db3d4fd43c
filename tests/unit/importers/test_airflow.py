"""Airflow DAG files."""

import pytest

from genesis.model.task import Retry

_HEAD = """\
import airflow
from airflow import DAG
from airflow.decorators import dag, task, task_group
raise SystemExit("a DAG file is never run")
"""


@pytest.fixture
def read(imported):
    def make(body):
        return imported(_HEAD + body, "pipeline.py")

    return make


_CLASSIC = """\
RETRIES = 2
with DAG("nightly", schedule="@daily", default_args={"retries": RETRIES, "retry_delay": timedelta(minutes=5)}):
    start = EmptyOperator(task_id="start")
    first = BashOperator(task_id="first", bash_command="echo 'a b' | wc", env={"MODE": "fast"}, pool="small")
    second = BashOperator(task_id="second", bash_command="run {{ ds }}", execution_timeout=timedelta(hours=1))
    with TaskGroup("checks") as checks:
        PythonOperator(task_id="rows", python_callable=count_rows, op_kwargs={"table": "t", "password": "abc-123-xyz"})
        BashOperator(task_id="names", bash_command="check names")
    end = BashOperator(task_id="end", bash_command="rm -r tmp", trigger_rule="all_done")
    start >> [first, second] >> checks
    end << checks
"""


def test_operators_groups_and_shifts_keep_their_order(read):
    run = read(_CLASSIC)
    assert list(run.tasks) == ["start", "first", "second", "checks/rows", "checks/names", "end"]
    assert run.runs_in_order("start", "first", "checks/rows", "end")
    assert run.runs_in_order("start", "second", "checks/names", "end")
    assert run.runs_beside("first", "second")
    assert run.runs_beside("checks/rows", "checks/names")


def test_bash_runs_as_airflow_runs_it_and_the_rest_are_work_orders(read):
    run = read(_CLASSIC)
    assert run.argv("start") == ("true",)
    assert run.argv("first") == ("bash", "-c", "--", "{script}")
    assert run.tasks["first"].inputs == {"script": "echo 'a b' | wc"}
    assert run.tasks["first"].env == {"MODE": "fast"}
    assert [run.kind(path) for path in ("second", "checks/rows")] == ["brief", "brief"]
    assert run.tasks["checks/rows"].inputs["op_kwargs"] == {"table": "t", "password": "***"}
    assert run.tasks["first"].retry == Retry(times=2, delay_s=300, backoff=1)
    assert not [each for each in run.losses if "retr" in each.construct]
    assert run.tasks["second"].timeout_s == 3600
    assert "work order" in run.lost(9, "{{ ds }}")
    assert "apart" in run.lost(8, "pool")
    assert run.tasks["end"].run_if == "all_done"
    assert run.schedules == [{"name": "schedule", "cron": "0 0 * * *"}]


@pytest.mark.parametrize(
    ("arguments", "schedule"),
    [
        ('schedule="15 2 * * 1-5"', {"cron": "15 2 * * 1-5"}),
        ('schedule_interval="@quarterly", start_date=datetime(2024, 1, 1)', {"cron": "0 0 1 */3 *"}),
        (
            'schedule="@hourly", start_date=pendulum.datetime(2024, 1, 1, tz="Europe/Berlin")',
            {"cron": "0 * * * *", "timezone": "Europe/Berlin"},
        ),
        (
            'schedule="0 6 * * *", default_args={"start_date": datetime(2024, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))}',
            {"cron": "0 6 * * *", "timezone": "Asia/Tokyo"},
        ),
        (
            "schedule=timedelta(hours=6), start_date=datetime(2024, 1, 1, 3)",
            {"interval_s": 21600, "anchor": "2024-01-01T03:00:00"},
        ),
        ("schedule=timedelta(hours=6), start_date=days_ago(1)", None),
        ("schedule=timedelta(hours=6), start_date=datetime(2024, 13, 1)", None),
        ('schedule="0 6 * * *", start_date=datetime(2024, 1, 1, tzinfo=local)', None),
        ('schedule="0 6 * * *", start_date=datetime(2024, 1, 1, tzinfo=ZoneInfo("Nowhere"))', None),
        ('schedule="@once"', None),
        ("schedule=[Dataset('x')]", None),
        ('schedule="0 6 * *"', None),
    ],
)
def test_schedules_of_literals_are_carried_over_in_their_time_zone(read, arguments, schedule):
    run = read(f'with DAG("d", {arguments}):\n    BashOperator(task_id="a", bash_command="true")\n')
    assert run.schedules == ([{"name": "schedule", **schedule}] if schedule else [])
    if schedule is None:
        assert run.lost(5, "start: schedule").startswith("left out")


def test_a_file_of_several_dags_has_no_schedule(read):
    body = "".join(
        f'with DAG("{name}", schedule="@daily"):\n    BashOperator(task_id="a", bash_command="true")\n'
        for name in ("one", "two")
    )
    run = read(body)
    assert run.schedules == []
    assert len([each for each in run.losses if each.construct.startswith("start: ")]) == 2


def test_taskflow_calls_are_dependencies_by_their_arguments(read):
    run = read("""\
@task(retries=3)
def extract():
    "Read the rows."

@task
def clean(rows, more=None): ...

@dag(schedule=None)
def flow():
    rows = extract()
    one = clean(rows["a"])
    two = clean(rows, more=one)
    clean.override(task_id="last")(two)

flow()
""")
    assert list(run.tasks) == ["extract", "clean", "clean-2", "last"]
    assert run.runs_in_order("extract", "clean", "clean-2", "last")
    assert run.tasks["extract"].retries == 3
    assert run.tasks["extract"].description == "Read the rows."


def test_task_group_function_is_read_for_each_call(read):
    run = read("""\
with DAG("d"):
    @task
    def work(x): ...
    @task_group
    def pair(x):
        return work(work(x))
    pair(pair(None)) >> BashOperator(task_id="end", bash_command="true")
""")
    assert run.runs_in_order("pair/work", "pair/work-2", "pair-2/work", "pair-2/work-2", "end")


def test_old_style_dag_argument_chains_and_set_downstream(read):
    run = read("""\
dag = DAG(dag_id="old")
a = BashOperator(task_id="a", bash_command="1", dag=dag)
b = BashOperator(task_id="b", bash_command="2", dag=dag)
c = BashOperator(task_id="c", bash_command="3", dag=dag)
d = BashOperator(task_id="d", bash_command="4", dag=dag)
a.set_downstream([b])
c.set_upstream(b)
chain(c, d)
""")
    assert run.runs_in_order("a", "b", "c", "d")


def test_tasks_of_a_loop_are_reported_and_what_comes_after_them_is_not_run_by_itself(read):
    run = read("""\
with DAG("d"):
    first = BashOperator(task_id="first", bash_command="true")
    for name in load_names():
        each = BashOperator(task_id=name, bash_command="run " + name)
        first >> each
    each >> BashOperator(task_id="after", bash_command="true")
    if DEBUG:
        BashOperator(task_id="extra", bash_command="true")
    [BashOperator(task_id=f"t{i}", bash_command="true") for i in range(3)]
""")
    assert list(run.tasks) == ["first", "after"]
    assert [run.kind(path) for path in run.tasks] == ["command", "brief"]
    assert run.lost(7, "made by a loop: for name in load_names():") == "not guessed: left out"
    assert run.lost(11, "made by a condition: if DEBUG:") == "not guessed: left out"
    assert run.lost(13, "made by").startswith("not guessed")
    assert "a person decides" in run.lost(10, "'each', which is no task")


def test_branches_sensors_and_mapping_are_reported(read):
    run = read("""\
with DAG("d"):
    pick = BranchPythonOperator(task_id="pick", python_callable=f)
    left = BashOperator(task_id="left", bash_command="true")
    wait = FileSensor(task_id="wait", filepath="x")
    many = BashOperator.partial(task_id="many").expand(bash_command=load())
    pick >> left
    wait >> many
""")
    assert [run.kind(path) for path in ("left", "wait", "many")] == ["brief"] * 3
    assert "work order" in run.lost(7, "chosen by pick")
    assert "work order" in run.lost(8, "waits for FileSensor")
    assert run.lost(9, "the values of bash_command (expand)").startswith("one task")


def test_several_dags_become_groups_without_order(read):
    run = read("""\
with DAG("one"):
    BashOperator(task_id="a", bash_command="1")
with DAG("two"):
    BashOperator(task_id="a", bash_command="2")
""")
    assert list(run.tasks) == ["one/a", "two/a"]
    assert run.runs_beside("one/a", "two/a")


def test_long_chain_needs_no_recursion(read):
    names = [f"t{number}" for number in range(900)]
    lines = [f'{name} = BashOperator(task_id="{name}", bash_command="true")' for name in names]
    chain = " >> ".join(names[:90])
    run = read('with DAG("d"):\n' + "".join(f"    {line}\n" for line in lines[:90]) + f"    {chain}\n")
    assert run.runs_in_order(*names[:90])


@pytest.mark.parametrize(
    ("rule", "run_if"),
    [
        ("all_success", "all_succeeded"), ("all_done", "all_done"), ("one_failed", "any_failed"),
        ("one_success", "any_succeeded"), ("always", "all_done"),
    ],
)  # fmt: skip
def test_trigger_rule_that_the_plan_file_has_is_carried_over(read, rule, run_if):
    run = read(f"""\
with DAG("d"):
    a = BashOperator(task_id="a", bash_command="1", trigger_rule="all_done")
    b = BashOperator(task_id="b", bash_command="2", trigger_rule="{rule}")
    a >> b
""")
    assert (run.tasks["a"].run_if, run.tasks["b"].run_if) == ("all_succeeded", run_if)
    assert not run.losses


def test_trigger_rule_that_the_plan_file_has_not_is_reported(read):
    run = read("""\
with DAG("d"):
    a = BashOperator(task_id="a", bash_command="1")
    b = BashOperator(task_id="b", bash_command="2", trigger_rule="none_failed")
    c = BashOperator(task_id="c", bash_command="3", trigger_rule=TriggerRule.ALL_FAILED)
    a >> [b, c]
""")
    assert run.lost(7, "trigger rule none_failed") == "it runs if all before it succeeded"
    assert "work order" in run.lost(8, "TriggerRule.ALL_FAILED")
    assert (run.kind("b"), run.kind("c")) == ("command", "brief")


def test_delays_between_retries_are_carried_over_and_their_limit_is_reported(read):
    run = read("""\
with DAG("d"):
    own = timedelta(seconds=5)
    BashOperator(task_id="a", bash_command="1", retries=3, retry_delay=own, retry_exponential_backoff=True)
    BashOperator(task_id="b", bash_command="2", retries=3, retry_delay=60, max_retry_delay=timedelta(minutes=5))
    BashOperator(task_id="c", bash_command="3", retries=3, retry_delay=timedelta(days=1))
""")
    assert run.tasks["a"].retry == Retry(times=3, delay_s=5, backoff=2)
    assert run.tasks["b"].retry == Retry(times=3, delay_s=60, backoff=1)
    assert run.lost(8, "max_retry_delay=timedelta(minutes=5)") == "those of Genesis"
    assert (run.tasks["c"].retries, run.tasks["c"].retry) == (3, None)
    assert run.lost(9, "delays of 86400 s") == "those of Genesis"


def test_params_are_typed_parameters_of_the_environment(read):
    run = read("""\
with DAG("d", params={"day": "mon", "rows": Param(5, type="integer", title="N"), "top": Param(9, minimum=3), "x": 1}):
    values = {"DAY": "{{ params.day }}", "N": "{{params.rows}}", "T": "{{ params.top }}"}
    BashOperator(task_id="a", bash_command="1", env=values)
    BashOperator(task_id="b", bash_command="2", env={"PATH": "{{ params.day }}"})
""")
    params = {name: each.model_dump(exclude_defaults=True) for name, each in run.imported.plan.params.items()}
    assert params == {"day": {"default": "mon"}, "rows": {"type": "integer", "default": 5}, "top": {"default": "9"}}
    assert run.tasks["a"].env == {"DAY": "{day}", "N": "{rows}", "T": "{top}"}
    assert run.lost(5, "'top' of type integer with minimum").endswith("whose type is not checked")
    assert run.kind("b") == "brief"
    assert "work order" in run.lost(8, "PATH, which a task cannot set")


def test_trigger_rule_about_tasks_of_another_group_is_a_work_order(read):
    run = read("""\
with DAG("d"):
    a = BashOperator(task_id="a", bash_command="1")
    with TaskGroup("g") as g:
        b = BashOperator(task_id="b", bash_command="2", trigger_rule="all_done")
    c = BashOperator(task_id="c", bash_command="3", trigger_rule="one_failed")
    d = BashOperator(task_id="d", bash_command="4", trigger_rule="all_done")
    a >> g >> [c, d]
""")
    assert [run.kind(path) for path in ("g/b", "c", "d")] == ["brief", "brief", "command"]
    assert "work order" in run.lost(8, "about tasks in another group")
    assert run.tasks["d"].run_if == "all_done"


def test_task_mapped_over_literals_is_a_copy_for_each_value(read):
    run = read("""\
with DAG("d", params={"p": 1}):
    @task
    def work(x, y, z): ...
    many = BashOperator.partial(task_id="many", env={"P": "{{ params.p }}"}).expand(bash_command=["a 'b c'", "-d"])
    work.partial(z=3).expand(x=[1, "a"], y=[True])
    many >> BashOperator(task_id="end", bash_command="true")
""")
    assert run.task("many").for_each == {"bash_command": ["a 'b c'", "-d"]}
    assert run.argv("many/1-d") == ("bash", "-c", "--", "{item.bash_command}")
    assert run.task("many").inputs == {"item.bash_command": "{item.bash_command}"}
    assert run.task("many").env == {"P": "{p}"}
    assert run.task("work").for_each == {"x": [1, "a"], "y": [True]}
    assert run.tasks["work/1-a-true"].inputs == {"item": "{item}", "z": 3}
    assert run.kind("work/1-a-true") == "brief"
    assert run.starts_after("many/1-d", "end")
    assert not [each for each in run.losses if "copy" in each.outcome]


@pytest.mark.parametrize(
    "values",
    [
        "bash_command=NAMES", "bash_command=load()", "bash_command=['a {{ ds }}']", "bash_command=['a.sh']",
        "bash_command=['a {# b #}']", "bash_command=[1]", "bash_command=['a'], cwd=['/x']", "bash_command={'a': 'b'}",
        "env=[{'A': 'b'}]", "bash_command=['a'], **more", "bash_command=[]",
    ],
)  # fmt: skip
def test_mapping_that_is_not_known_exactly_is_one_task(read, values):
    run = read(f"""\
NAMES = ["a"]
NAMES.append("b")
with DAG("d"):
    BashOperator.partial(task_id="many").expand({values})
""")
    assert run.task("many").for_each is None
    assert run.kind("many") == "brief"
    assert run.lost(8, "(expand)").startswith("one task")


def test_mapping_beside_a_parameter_with_the_name_of_a_value_is_one_task(read):
    run = read("""\
with DAG("d"):
    BashOperator.partial(task_id="many").expand(bash_command=["a"])
with DAG("e", params={"item": 1}):
    BashOperator(task_id="one", bash_command="x", env={"A": "{{ params.item }}"})
""")
    assert run.task("d/many").for_each is None
    assert run.task("e/one").env == {"A": "{item}"}


def test_rule_about_one_of_the_mapped_tasks_is_a_work_order(read):
    run = read("""\
with DAG("d"):
    many = BashOperator.partial(task_id="many").expand(bash_command=["a", "b"])
    many >> BashOperator(task_id="one", bash_command="x", trigger_rule="one_success")
    many >> BashOperator(task_id="bad", bash_command="x", trigger_rule="one_failed")
""")
    assert run.kind("one") == "brief"
    assert "work order" in run.lost(7, "about one of the mapped tasks")
    assert run.task("bad").run_if == "any_failed"


@pytest.mark.parametrize(
    ("arguments", "priority"),
    [
        ('priority_weight=7, weight_rule="absolute"', 7),
        ('priority_weight=-3, weight_rule="absolute"', -3),
        ("priority_weight=7", None),
        ('priority_weight=7, weight_rule="upstream"', None),
        ('priority_weight=5000, weight_rule="absolute"', None),
        ('priority_weight=find(), weight_rule="absolute"', None),
    ],
)
def test_an_absolute_weight_is_a_priority_and_any_other_is_lost(read, arguments, priority):
    run = read(f'with DAG("d"):\n    BashOperator(task_id="a", bash_command="ls", {arguments})\n')
    assert run.tasks["a"].priority == priority
    assert any(each.construct.startswith("priority") for each in run.losses) == (priority is None)
