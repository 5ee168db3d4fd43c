"""The command line as a user has it: each call is a process of its own, on the shared server.

Most are forked from one process, see `tests/forked.py`; those of tests marked `whole_processes` start from nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from forked import ForkingProcess

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--disable-extensions"]
_COMMAND = (sys.executable, "-P", "-m", "genesis.cli")


@dataclass(frozen=True)
class Ran:
    """How a call ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; a second one, or anything else there, is an error."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a call with `--json`: exactly its three keys, and details for machines where there are any."""
        document = self.document
        assert set(document) == {"error"}
        assert {"code", "message", "hint"} <= set(document["error"]) <= {"code", "message", "hint", "data"}
        return document["error"]


@dataclass
class Genesis:
    """Calls the command line in a folder of its own.

    Attributes:
        folder: Where calls run.
        environment: Variables on top of those of the tests.
        forking: What calls are forked from where they can be.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    forking: ForkingProcess | None = None
    started: list[Any] = field(default_factory=list)

    def __call__(
        self, *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 100
    ) -> Ran:
        """Call it and wait. Whatever goes wrong, a traceback is only for those who ask for one."""
        begun = time.monotonic()
        process = self.start(*words, cwd=cwd, env=env)
        ran = self.wait(process, timeout, begun)
        if "--debug" not in words:
            assert "Traceback" not in ran.err + ran.out, ran
        return ran

    def start(self, *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Any:
        """Start a call in a process group of its own."""
        folder, environment = cwd or self.folder, {**os.environ, **self.environment, **(env or {})}
        process: Any
        if self.forking is not None and self.forking.can_fork(environment):
            process = self.forking.start([*map(str, words)], cwd=folder, environment=environment)
        else:
            process = subprocess.Popen(
                [*_COMMAND, *map(str, words)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def prefect(self, *words: str, cwd: Path | None = None, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Call Prefect's own command line and wait."""
        folder, environment = cwd or self.folder, {**os.environ, **self.environment}
        if self.forking is not None and self.forking.can_fork(environment):
            return self.forking.run(words, cwd=folder, environment=environment, timeout=timeout, program="prefect")
        return subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def wait(self, process: Any, timeout: float, begun: float | None = None) -> Ran:
        """Wait for a call that was started."""
        begun = time.monotonic() if begun is None else begun
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f"{process.args[4:]} did not end within {timeout} s\n{out[-2000:]}\n{err[-4000:]}")
        return Ran(process.returncode, out, err, time.monotonic() - begun)

    def write(self, name: str, content: object) -> Path:
        """Write a file into the folder: text as it is, anything else as JSON."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def close(self) -> None:
        """End what a test left running."""
        for process in self.started:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            for pipe in (process.stdout, process.stderr):
                pipe.close()


@pytest.fixture
def genesis(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Genesis]:
    """Call the command line; nothing that it needs is a server."""
    whole = request.node.get_closest_marker("whole_processes")
    caller = Genesis(tmp_path, forking=None if whole else request.getfixturevalue("forking_process"))
    yield caller
    caller.close()


@pytest.fixture(scope="session")
def shared_server() -> None:
    """The shared server, started by whoever needs it first. Prefect is not imported here."""
    from genesis.server import up
    from genesis.settings import Settings

    up(Settings())


@pytest.fixture
def running(genesis: Genesis, shared_server: None) -> Genesis:
    """Call the command line for runs on the shared server."""
    return genesis


@pytest.fixture
def own_home(genesis: Genesis, tmp_path: Path) -> Iterator[Genesis]:
    """Call the command line with a home and a server of its own, which is stopped at the end."""
    genesis.environment |= {"GENESIS_HOME": str(tmp_path / "home"), "PREFECT_HOME": str(tmp_path / "prefect")}
    yield genesis
    genesis.close()
    from genesis.server import down
    from genesis.settings import Settings

    down(Settings(home=tmp_path / "home"))


@pytest.fixture
def names() -> Callable[[Path], list[str]]:
    """Return the names in a folder, sorted."""
    return lambda folder: sorted(path.name for path in folder.iterdir())


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Ask again and again until the answer is true, and give it."""

    def ask(question: Callable[[], Any], seconds: float = 150, what: str = "") -> Any:
        until = time.monotonic() + seconds
        while True:
            if answer := question():
                return answer
            if time.monotonic() > until:
                pytest.fail(f"not within {seconds} s: {what or question}")
            time.sleep(0.02)

    return ask


EXAMPLE_PLAN = """\
version: 1
request: Audit the repository at .
vars: {path: .}
tasks:
  - {id: inventory, type: research, description: "List languages, sizes and entry points", inputs: {path: "{path}"}, outputs: [languages]}
  - id: quality
    description: Judge the code
    depends_on: [inventory]
    subtasks:
      - {id: lint, type: test, description: Lint the sources, requires: [testing]}
      - {id: tests, type: test_run, description: Run the test suite, timeout_s: 600, retries: 1}
  - {id: report, type: reporting, description: Write the audit report, depends_on: [inventory, quality]}
"""  # noqa: E501  # as the design has it


@pytest.fixture
def example_plan(genesis: Genesis) -> Path:
    """The example plan of the design's section 3."""
    return genesis.write("example.yaml", EXAMPLE_PLAN)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, which is gone at the end."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser test needs Playwright")
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(_BROWSERS)} is on the PATH")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield opened
        finally:
            opened.close()
            assert not opened.is_connected()
