"""The Python agents of plan.yaml: plain functions that take a task's inputs and give its outputs."""

from pathlib import Path


def count(folder: str) -> dict[str, int]:
    """Count the files below a folder, and their bytes."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}


def write_note(files: int, bytes: int, disk: str, note: str) -> dict[str, str]:  # noqa: A002 (the input's name)
    """Write what was measured, and say where it is."""
    path = Path(note).absolute()
    kilobytes = disk.split(maxsplit=1)[0]
    path.write_text(
        f"# Size\n\n{files} files with {bytes} bytes, which take {kilobytes} kB of the disk.\n", encoding="utf-8"
    )
    return {"note": str(path)}
