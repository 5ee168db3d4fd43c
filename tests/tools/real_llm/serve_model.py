"""Serve a model file with an OpenAI-compatible API on loopback, with llama.cpp from the `xllamacpp` wheel.

Usage: python serve_model.py MODEL.gguf PORT        then ask http://127.0.0.1:PORT/health until it answers 200

It ends with SIGTERM, or by itself when the process that started it is gone.
"""

from __future__ import annotations

import os
import sys
import time


def serve(model: str, port: int) -> None:
    import xllamacpp

    parent = os.getppid()
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 8192
    params.n_parallel = 1
    params.use_jinja = True
    params.ui = False
    params.cpuparams.n_threads = min(os.cpu_count() or 1, 4)
    server = xllamacpp.Server(params)
    while os.getppid() == parent:
        time.sleep(1)
    del server


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
