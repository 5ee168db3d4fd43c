"""What children inherit."""

from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, PREFECT_CLIENT_RETRY_EXTRA_CODES, get_current_settings

from genesis.workers.environment import get_worker_environment


def test_children_wait_for_a_server_whose_database_pool_has_run_out(monkeypatch):
    environment = get_worker_environment()
    for name in ("PREFECT_CLIENT_MAX_RETRIES", "PREFECT_CLIENT_RETRY_EXTRA_CODES"):
        monkeypatch.setenv(name, environment[name])
    known = type(get_current_settings())()
    assert known.client.retry_extra_codes >= {408, 500, 504}
    assert known.client.max_retries > PREFECT_CLIENT_MAX_RETRIES.value()
    assert PREFECT_CLIENT_RETRY_EXTRA_CODES.value() == set()
