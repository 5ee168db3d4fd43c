import subprocess
import sys

from bench.stack import Worker


def test_worker_that_does_not_end_is_killed_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.stack._END_S", 0.2)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    process.stdout.readline()
    worker = Worker("stubborn", process, tmp_path / "log")
    worker.end()
    assert process.returncode == -9
    assert worker.last_lines() == ""
    worker.end()
    process.stdout.close()
