import pytest

from genesis.graph import ancestors, any_order, find_cycle, longest_from, successors, topological_order


def test_order_puts_predecessors_first_and_ties_by_number():
    assert topological_order([(2,), (), (1,), ()]) == [1, 2, 0, 3]


def test_any_order_puts_predecessors_first_and_is_always_the_same():
    before = [(2,), (), (1,), ()]
    assert any_order(before) == any_order(before) == [1, 3, 2, 0]


def test_a_chain_of_thousands_has_an_order():
    before = [(vertex + 1,) for vertex in range(4_999)] + [()]
    assert any_order(before) == topological_order(before) == list(range(4_999, -1, -1))


def test_a_cycle_has_no_order():
    assert topological_order([(1,), (0,)]) is None
    assert any_order([(1,), (0,), ()]) is None


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


def test_longest_path_counts_own_weight():
    assert longest_from([(), (0,), (0,), (1, 2)], [1, 5, 2, 1]) == [7, 6, 3, 1]


def test_longest_path_of_a_cycle_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        longest_from([(1,), (0,)], [1, 1])


def test_successors_turn_the_edges():
    assert successors([(), (0,), (0, 1)]) == [[1, 2], [2], []]


def test_ancestors_are_all_that_come_before():
    assert ancestors([(), (0,), (1,), ()], [2]) == {0, 1}
    assert ancestors([(), (0,)], [0]) == set()
