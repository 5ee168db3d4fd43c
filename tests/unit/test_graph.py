import subprocess
import sys

import pytest

from genesis.graph import (
    find_ancestors,
    find_components,
    find_cycle,
    find_cycles,
    find_longest_chains,
    find_successors,
    number_generations,
    reduce_transitively,
    topological_order,
)


def test_order_puts_predecessors_first_and_is_always_the_same():
    before = [(2,), (), (1,), ()]
    assert topological_order(before) == topological_order(before) == [1, 3, 2, 0]


def test_a_chain_of_thousands_has_an_order():
    before = [(vertex + 1,) for vertex in range(4_999)] + [()]
    assert topological_order(before) == list(range(4_999, -1, -1))


def test_a_cycle_has_no_order_and_no_generations():
    assert topological_order([(1,), (0,), ()]) is None
    assert number_generations([(1,), (0,), ()]) is None


def test_a_cycle_is_given_in_the_order_of_its_edges():
    before = [(2,), (0,), (1,), (2,)]
    assert find_cycle(before) == [0, 1, 2]


def test_a_vertex_before_itself_is_a_cycle():
    assert find_cycle([(), (1,)]) == [1]


def test_a_graph_without_cycle_has_none():
    assert find_cycle([(), (0,), (0, 1)]) is None


def test_a_cycle_of_thousands_is_found():
    n = 5_000
    assert find_cycle([((i - 1) % n,) for i in range(n)]) == list(range(n))


def test_a_cycle_behind_a_long_chain_is_found():
    n = 5_000
    before = [(i + 1,) for i in range(n)] + [(n + 1,), (n,)]
    assert find_cycle(before) == [n, n + 1]


def test_separate_cycles_are_found_smallest_first():
    before = [(), (4,), (3,), (2,), (1,), (5,)]
    assert list(find_cycles(before)) == [[1, 4], [2, 3], [5]]


def test_cycles_that_share_a_vertex_are_one_and_what_is_left():
    before = [(1, 2), (0,), (0, 3), (2,)]
    assert list(find_cycles(before)) == [[0, 1], [2, 3]]


def test_components_number_what_is_on_one_cycle_alike():
    part = find_components([(1,), (0,), (1,), ()])
    assert part[0] == part[1]
    assert len(set(part)) == 3
    assert find_components([(), (0,)]) == [0, 1]


def test_longest_chains_count_own_weight():
    before = [(), (0,), (0,), (1, 2)]
    assert find_longest_chains(before, [1, 5, 2, 1], topological_order(before)) == [7, 6, 3, 1]


def test_successors_turn_the_edges():
    assert find_successors([(), (0,), (0, 1)]) == [[1, 2], [2], []]


def test_ancestors_are_all_that_come_before():
    assert find_ancestors([(), (0,), (1,), ()], [2]) == {0, 1}
    assert find_ancestors([(), (0,)], [0]) == set()


def test_generations_are_the_longest_ways():
    assert number_generations([(), (0,), (0, 1), ()]) == [0, 1, 2, 0]
    assert number_generations([]) == []


def test_reduction_leaves_out_what_follows_from_other_edges():
    assert reduce_transitively([(), (0,), (1, 0), (2, 1)]) == [(), (0,), (1,), (2,)]


@pytest.mark.parametrize("call", ["find_cycle([(), (0,)])", "find_components([(), (0,)])", "topological_order([()])"])
def test_a_graph_without_cycle_does_not_need_networkx(call):
    code = f"import sys; from genesis.graph import *; {call}; sys.exit('networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_graphs_and_structure_load_no_format_of_other_tools():
    unused = "genesis.graph.dot", "genesis.structure.task_graphs"
    code = f"import sys, genesis.graph, genesis.structure; sys.exit(any(name in sys.modules for name in {unused}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
