"""The model store: one folder a model under ``<home>/models``, described by its ``manifest.json``.

```
models/smollm2-135m/manifest.json       the model's facts, its source, size and SHA-256 of every file
models/smollm2-135m/*.gguf              the files themselves
models/.partial/NAME/                   an unfinished pull; never listed
models/.replaced/NAME/                  the former version, while a new one takes its place
models/.locks/NAME.pull, NAME.use       held by a running pull, by a server that has the model loaded
```

A model appears by one rename of a complete, flushed folder, so it has either every
file or is not listed. Locks are the kernel's (``flock``): they end with the process
that holds them, also when it is killed.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_CHUNK = 4 * 2**20

BytesDone = Callable[[int], None]
"""Called with the number of further bytes that were read."""


class StoreError(ValueError):
    """The store can't do what was asked; the message says what would help."""


class ModelNotFound(StoreError):
    """There is no model with this name; the message names the nearest one."""


class ModelBusy(StoreError):
    """Another process is pulling the model, or a running server has it loaded."""


class ModelDamaged(StoreError):
    """A file is missing, truncated or altered; the message names it."""


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    """Relative to the model's folder."""
    size: int
    sha256: str
    modified_ns: int = 0
    """The file's modification time when its SHA-256 was last computed; a later one makes a load compute it again."""


class StoredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the store, as its manifest describes it."""

    name: str
    source: str
    """The source to pull it again from: ``hf:…``, ``pypi:…``, an address or an absolute path."""
    revision: str = ""
    """The commit or version that the source stood for; empty for a path."""
    pulled_at: str
    """ISO 8601, UTC."""
    license: str = ""
    """SPDX identifier in lower case, or the hub's own name; empty if unknown."""
    license_url: str = ""
    languages: list[str] = []
    """ISO 639 codes, the best-known first."""
    description: str = ""
    format: str = ""
    """``gguf``, ``huggingface`` or ``mistral``."""
    family: str = ""
    parameters: int = 0
    max_context: int = 0
    """Tokens."""
    chat: bool = True
    """Whether it has a chat template."""
    fim: bool | None = None
    """Whether it fills gaps in texts; None in manifests of earlier versions, see `arrival.completed`."""
    reasoning: bool | None = None
    """Whether it thinks before it answers; None as for ``fim``."""
    base: str = ""
    """Of an adapter: the model in the store that it belongs to, or that model's path."""
    files: list[StoredFile]
    manifest: int = MANIFEST_VERSION
    path: Path = Path()
    """The model's folder, for ``open_checkpoint``. Set when the manifest is read, not stored."""

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


class Hold:
    """Prevents the removal or replacement of a model until it is released or the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Staging:
    """A model that is being pulled; ``ModelStore.staging`` makes it and holds the pull lock."""

    def __init__(self, store: ModelStore, name: str, folder: Path) -> None:
        self.store = store
        self.name = name
        self.folder = folder
        self.resumable = False
        """Keep the folder if the pull ends without a commit, so that the next pull can resume."""

    def empty(self) -> None:
        """Delete what an earlier pull left."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def commit(self, model: StoredModel) -> StoredModel:
        """Flush every file, then move the model into the store in one rename; it replaces an older one of that name.

        Raises ModelBusy where the older one is loaded in a running server.
        """
        present = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}
        for stray in present - {file.path for file in model.files}:
            (self.folder / stray).unlink()
        for folder in sorted((path for path in self.folder.rglob("*") if path.is_dir()), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()
        for file in model.files:
            _flush(self.folder / file.path)
        manifest = self.folder / MANIFEST
        manifest.write_bytes(_encode(model))
        _flush(manifest)
        _flush(self.folder)
        with self.store.exclusive(self.name):
            self.store.swap_in(self.name, self.folder)
        return self.store.get(self.name)


class ModelStore:
    """The models in one folder; several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def list(self) -> list[StoredModel]:
        """Complete models by name, except those whose manifest can't be read (``unreadable`` lists them)."""
        return [model for name in self._names() if (model := self._read(name)) is not None]

    def unreadable(self) -> tuple[str, ...]:
        """Names of models whose manifest can't be read."""
        return tuple(name for name in self._names() if self._read(name) is None)

    def get(self, name: str) -> StoredModel:
        """Raises ModelNotFound, which names the nearest model, or ModelDamaged for a manifest that can't be read."""
        self._restore(valid_name(name))
        if not (self.folder / name / MANIFEST).is_file():
            names = [model.name for model in self.list()]
            near = difflib.get_close_matches(name.lower(), [other.lower() for other in names], n=1)
            hint = next((f"; did you mean '{other}'?" for other in names if [other.lower()] == near), "")
            raise ModelNotFound(f"There is no model '{name}' in {self.folder}{hint}")
        model = self._read(name)
        if model is None:
            raise ModelDamaged(
                f"The manifest of '{name}' can't be read: {self.folder / name / MANIFEST}; pull it again"
            )
        return model

    def __contains__(self, name: str) -> bool:
        try:
            self.get(name)
        except StoreError:
            return False
        return True

    def check(self, name: str) -> StoredModel:
        """Check a model before it is loaded: every file's size, and its SHA-256 if it was written since the last check.

        Raises ModelDamaged, naming the file.
        """
        model = self.get(name)
        if model.base in self:
            self.check(model.base)
        files = []
        for file in model.files:
            status = _status(model, file)
            if status.st_mtime_ns != file.modified_ns:
                _verify(model, file)
                file = msgspec.structs.replace(file, modified_ns=status.st_mtime_ns)
            files.append(file)
        if files != model.files:
            model = msgspec.structs.replace(model, files=files)
            with contextlib.suppress(OSError):  # in a read-only store the next load computes the sums again
                self.rewrite(model)
        return model

    def verify(self, name: str, done: BytesDone | None = None) -> StoredModel:
        """Read every byte again and compare it with the manifest. Raises ModelDamaged, naming the file."""
        model = self.get(name)
        for file in model.files:
            _status(model, file)
            _verify(model, file, done)
        return model

    def remove(self, name: str) -> int:
        """Remove a model and what an unfinished pull of it left; returns the bytes freed.

        Raises ModelNotFound, or ModelBusy while a running server has it loaded, a pull is running, or an adapter of
        the store belongs to it.
        """
        if adapters := [model.name for model in self.list() if model.base == name]:
            raise ModelBusy(
                f"'{name}' is the base of {', '.join(map(repr, adapters))}: "
                f"remove {'that' if len(adapters) == 1 else 'those'} first"
            )
        unfinished = self.unfinished().get(valid_name(name))
        if unfinished is not None:
            with self.staging(name):  # the folder is deleted when the block ends
                pass
        if unfinished is not None and not (self.folder / name / MANIFEST).is_file():
            return unfinished
        if name not in self.unreadable():
            self.get(name)
        with self.exclusive(name):
            freed = _folder_bytes(self.folder / name)
            replaced = self.folder / ".replaced" / name
            shutil.rmtree(replaced, ignore_errors=True)
            replaced.parent.mkdir(exist_ok=True)
            (self.folder / name / MANIFEST).unlink()  # from here on it is not listed
            (self.folder / name).rename(replaced)
            shutil.rmtree(replaced)
        return freed + (unfinished or 0)

    def unfinished(self) -> dict[str, int]:
        """Unfinished pulls that can be resumed: name and bytes received."""
        partial = self.folder / ".partial"
        return {folder.name: _folder_bytes(folder) for folder in sorted(partial.iterdir())} if partial.is_dir() else {}

    def hold(self, name: str) -> Hold:
        """Prevent the removal of a model while a server uses it. Raises ModelBusy if it is being removed now."""
        self.get(name)
        descriptor = self._open_lock(f"{name}.use")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ModelBusy(f"'{name}' is being removed or replaced right now") from None
        return Hold(descriptor)

    @contextlib.contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """A lock for the removal or replacement of a model. Raises ModelBusy if a running server holds the model."""
        descriptor = self._open_lock(f"{name}.use")
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ModelBusy(
                    f"'{name}' is in use by a running server: stop it, or start it with another --model, and try again"
                ) from None
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def staging(self, name: str) -> Iterator[Staging]:
        """A folder to pull into, deleted at the end unless it is resumable. Raises ModelBusy during another pull."""
        folder = self.folder / ".partial" / valid_name(name)
        descriptor = self._open_lock(f"{name}.pull")
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ModelBusy(f"'{name}' is being pulled by another process; wait for it to end") from None
            folder.mkdir(parents=True, exist_ok=True)
            staging = Staging(self, name, folder)
            try:
                yield staging
            finally:
                if not staging.resumable:
                    shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)

    def swap_in(self, name: str, folder: Path) -> None:
        """Move a complete folder to a model's name. ``get`` restores the former model after a crash."""
        final, replaced = self.folder / name, self.folder / ".replaced" / name
        if final.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            replaced.parent.mkdir(exist_ok=True)
            final.rename(replaced)
        folder.rename(final)
        _flush(self.folder)
        shutil.rmtree(replaced, ignore_errors=True)

    def free_bytes(self) -> int:
        """Room left on the store's disk."""
        folder = self.folder
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def _restore(self, name: str) -> None:
        final, replaced = self.folder / name, self.folder / ".replaced" / name
        if (replaced / MANIFEST).is_file() and not final.exists():
            with contextlib.suppress(ModelBusy, OSError), self.exclusive(name):
                replaced.rename(final)

    def _names(self) -> Sequence[str]:
        if not self.folder.is_dir():
            return []
        replaced = self.folder / ".replaced"
        for former in replaced.iterdir() if replaced.is_dir() else ():
            self._restore(former.name)
        return sorted(folder.name for folder in self.folder.iterdir() if (folder / MANIFEST).is_file())

    def _read(self, name: str) -> StoredModel | None:
        folder = self.folder / name
        try:
            model = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=StoredModel, dec_hook=_path)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        inside = all(_is_inside(file.path) for file in model.files)
        return msgspec.structs.replace(model, name=name, path=folder) if inside and model.files else None

    def rewrite(self, model: StoredModel) -> None:
        """Replace a model's manifest. Raises OSError where the store can't be written."""
        temporary = model.path / f".{MANIFEST}.{os.getpid()}"
        temporary.write_bytes(_encode(model))
        _flush(temporary)
        temporary.replace(model.path / MANIFEST)

    def _open_lock(self, name: str) -> int:
        folder = self.folder / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def valid_name(name: str) -> str:
    """The name itself; raises StoreError if it is no folder name or leads out of the store."""
    if not _NAME.fullmatch(name) or name.endswith(".") or ".." in name:
        raise StoreError(
            f"'{name}' can't be a model's name: "
            "use letters, digits, '.', '-' and '_', a letter or digit first, at most 96"
        )
    return name


def name_from(text: str) -> str:
    """A valid model name, similar to that of a folder, file or repository."""
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", text)).strip("-._")[:96].rstrip("-._")
    return valid_name(name)


def now() -> str:
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def sha256_of(path: Path, done: BytesDone | None = None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if done is not None:
                done(len(chunk))
    return digest.hexdigest()


def stored_file(folder: Path, path: str, sha256: str | None = None) -> StoredFile:
    """Size, SHA-256 (computed unless known) and modification time of a file under a folder."""
    status = (folder / path).stat()
    return StoredFile(
        path=path, size=status.st_size, sha256=sha256 or sha256_of(folder / path), modified_ns=status.st_mtime_ns
    )


def _status(model: StoredModel, file: StoredFile) -> os.stat_result:
    path = model.path / file.path
    try:
        status = path.stat()
    except OSError:
        raise ModelDamaged(
            f"'{model.name}' is damaged: {path} is missing; pull it again: aquilon pull {model.source}"
        ) from None
    if status.st_size != file.size:
        word = "truncated" if status.st_size < file.size else "altered"
        raise ModelDamaged(
            f"'{model.name}' is damaged: {path} is {word} ({status.st_size:,} bytes instead of {file.size:,}); "
            f"pull it again: aquilon pull {model.source}"
        )
    return status


def _verify(model: StoredModel, file: StoredFile, done: BytesDone | None = None) -> None:
    path = model.path / file.path
    sha256 = sha256_of(path, done)
    if sha256 != file.sha256:
        raise ModelDamaged(
            f"'{model.name}' is damaged: {path} is altered (SHA-256 {sha256[:12]}… instead of {file.sha256[:12]}…); "
            f"pull it again: aquilon pull {model.source}"
        )


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _is_inside(path: str) -> bool:
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts


def _encode(model: StoredModel) -> bytes:
    fields = {name: value for name, value in msgspec.structs.asdict(model).items() if name != "path"}
    return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"


def _path(kind: type, value: Any) -> Any:
    return Path(value)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
