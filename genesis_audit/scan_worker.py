"""The process that reads files for a scan.

It takes pickled lists of `(path, size)` on stdin and answers each file with pickled `FileFacts` on stdout, in order. It
has a bound on its memory, so that a file that explodes in a parser ends this process and not the machine.
"""

from __future__ import annotations

import gc
import pickle  # the lists come from the process that started this one
import resource
import sys
from pathlib import Path
from typing import IO

from genesis_audit.analysis import file_facts
from genesis_audit.facts import FileFacts
from genesis_audit.files import SourceFile

__all__ = ["main", "serve"]

_MEMORY_BYTES = 2_000_000_000


def serve(root: Path, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while True:
        try:
            chunk = pickle.load(requests)  # noqa: S301
        except EOFError:
            return
        for path, size in chunk:
            pickle.dump(_facts(root, SourceFile(path, size)), answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
        gc.collect()


def _facts(root: Path, file: SourceFile) -> FileFacts:
    try:
        return file_facts(root, file)
    except (MemoryError, RecursionError):
        return FileFacts("unread")


def main() -> None:
    """Bound this process's memory, and serve until stdin ends; the folder is the first argument."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bounds = [bound for bound in (soft, hard, _MEMORY_BYTES) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    gc.disable()  # syntax trees have no cycles, and looking for some doubles the time that parsing takes
    gc.freeze()
    serve(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
