"""What children inherit."""

from prefect.settings import (
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_RETRY_EXTRA_CODES,
    PREFECT_LOGGING_TO_API_BATCH_INTERVAL,
    get_current_settings,
    temporary_settings,
)

from genesis.workers.environment import get_worker_environment


def test_children_wait_for_a_server_whose_database_pool_has_run_out(monkeypatch):
    environment = get_worker_environment()
    for name in ("PREFECT_CLIENT_MAX_RETRIES", "PREFECT_CLIENT_RETRY_EXTRA_CODES"):
        monkeypatch.setenv(name, environment[name])
    known = type(get_current_settings())()
    assert known.client.retry_extra_codes >= {408, 500, 504}
    assert known.client.max_retries > PREFECT_CLIENT_MAX_RETRIES.value()
    assert PREFECT_CLIENT_RETRY_EXTRA_CODES.value() == set()


def test_lines_for_the_ui_are_sent_every_five_seconds_unless_the_setting_says_otherwise():
    assert get_worker_environment()["PREFECT_LOGGING_TO_API_BATCH_INTERVAL"] == "5.0"
    with temporary_settings({PREFECT_LOGGING_TO_API_BATCH_INTERVAL: 1.0}):
        assert float(get_worker_environment()["PREFECT_LOGGING_TO_API_BATCH_INTERVAL"]) == 1.0
