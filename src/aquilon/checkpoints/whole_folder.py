"""A folder that is there whole or not at all, with the sums of its files."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from aquilon.checkpoints.store import sha256_of

SUMS = "SHA256SUMS"


@contextlib.contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``path`` to write into, which takes the name ``path`` at the end.

    With ``replace`` it takes the place of what is there; else it raises OSError. After an error nothing is left of it.
    """
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for file in partial.rglob("*"):
            _flush(file)
        _flush(partial)
        if replace:
            shutil.rmtree(path, ignore_errors=True)
        partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of each file, as ``sha256sum --check SHA256SUMS`` reads them."""
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in files if name != SUMS]
    (folder / SUMS).write_text("".join(lines), "utf-8")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
