import subprocess
import sys
import time

from bench.server import cpu_s, private_environment


def test_private_environment_keeps_nothing_of_prefect_or_genesis(monkeypatch, tmp_path):
    monkeypatch.setenv("PREFECT_API_URL", "http://example.invalid/api")
    monkeypatch.setenv("GENESIS_LLM__MODEL", "openai:none")
    monkeypatch.setenv("LANG", "C.UTF-8")
    made = private_environment(tmp_path)
    assert "PREFECT_API_URL" not in made
    assert "GENESIS_LLM__MODEL" not in made
    assert made["LANG"] == "C.UTF-8"
    assert all(made[name].startswith(str(tmp_path)) for name in ("HOME", "PREFECT_HOME", "GENESIS_HOME"))


def test_processor_time_of_another_process_is_read():
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        until = time.monotonic() + 20
        while cpu_s(busy.pid) < 0.05 and time.monotonic() < until:
            time.sleep(0.02)
        assert cpu_s(busy.pid) >= 0.05
    finally:
        busy.kill()
        busy.wait()


def test_processor_time_of_a_process_that_is_gone_is_nothing():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert cpu_s(gone.pid) == 0.0
