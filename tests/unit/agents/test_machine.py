import os

from genesis.agents.machine import machine_resources


def test_a_machine_has_its_processors_and_its_memory(tmp_path):
    found = machine_resources(tmp_path)
    assert found.cpu == len(os.sched_getaffinity(0))
    assert found.memory == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert (found.gpu, found.tags) == (0, ())


def test_a_container_has_what_its_limits_leave(tmp_path):
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("1048576\n")
    found = machine_resources(tmp_path)
    assert (found.cpu, found.memory) == (0.5, 1048576)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_resources(tmp_path) == machine_resources(tmp_path / "none")
