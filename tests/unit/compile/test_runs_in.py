from genesis.testing import a_program, a_task

VENV = {"venv": {"requirements": ["x>=1"]}}


def test_the_environment_is_part_of_the_work_and_of_nothing_else():
    plain, other = (a_program(a_task("a", **more)).leaves[0] for more in ({}, {"runs_in": VENV}))
    assert plain.runs_in is None
    assert other.runs_in.venv.requirements == ("x>=1",)
    assert plain.fingerprint != other.fingerprint
    newer = {"venv": {"requirements": ["x>=2"]}}
    assert a_program(a_task("a", runs_in=newer)).leaves[0].fingerprint != other.fingerprint
