"""A process that writes lines: `python line_writer.py FILE MOST_BYTES KEEP NAME COUNT [MODE]`."""

import logging
import os
import signal
import sys
from pathlib import Path

from genesis.observability.log_file import LineFile
from genesis.observability.log_formatters import JsonLines

path, most_bytes, keep, name, count = sys.argv[1:6]
handler = LineFile(Path(path), most_bytes=int(most_bytes), keep=int(keep))
handler.setFormatter(JsonLines("worker"))
log = logging.getLogger("genesis.writer")
log.setLevel(logging.INFO)
log.addHandler(handler)
log.propagate = False
mode = sys.argv[6] if len(sys.argv) > 6 else ""
if mode == "fork":
    log.info("before", extra={"name_": name})
    children = [os.fork() for _ in range(2)]
    name = f"{name}-{[bool(child) for child in children]}"
for number in range(int(count)):
    log.info("line %d", number, extra={"name_": name, "number": number, "padding": "x" * (number % 200)})
if mode == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "fork":
    for child in filter(None, children):  # the first child has one of its own
        os.waitpid(child, 0)
