from genesis.execute.tasks import retry_delays


def test_pauses_double_up_to_a_minute():
    assert retry_delays(0, 1) == []
    assert retry_delays(8, 1) == [1, 2, 4, 8, 16, 32, 60, 60]
