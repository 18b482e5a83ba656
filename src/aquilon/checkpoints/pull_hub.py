"""``hf:owner/repo[@revision]``: a model from a Hugging Face hub, whole or not at all.

Every file is fetched at the revision's commit and compared with the sum that the hub
lists. A transfer resumes where it stopped: within a pull after the connection broke,
and in the next pull after Ctrl-C.
"""

from __future__ import annotations

import codecs
import hashlib
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from aquilon.checkpoints.arrival import (
    Progress,
    PullError,
    arrive,
    choose_files,
    explained_disk_errors,
    former_model,
    is_whole,
    make_room,
    origin_from_card,
)
from aquilon.checkpoints.hub import Hub, HubFile, Interrupted, Repository, gated_without_token
from aquilon.checkpoints.store import ModelDamaged, ModelStore, Staging, StoredFile, StoredModel, name_from, stored_file

PULL_STATE = ".pull.json"

_RETRY_AFTER = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds before the next attempt after so many in a row brought no byte. After the last the pull ends, resumable."""
_CHUNK = 4 * 2**20


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """What a person agrees to before a gated model is pulled."""

    repository: str
    name: str
    url: str
    text: str
    page: str


Agree = Callable[[Licence], bool]


class HubSource(msgspec.Struct, frozen=True):
    repository: str
    revision: str
    file: str | None


class _State(msgspec.Struct, frozen=True):
    """The commit that the files in a partial folder belong to."""

    repository: str
    commit: str


def parse_hub_source(text: str, file: str | None = None) -> HubSource:
    """``owner/repo``, ``owner/repo@rev``, ``owner/repo/folder/file.gguf``. Raises PullError."""
    path, _, revision = text.partition("@")
    if ".gguf" in revision and "/" in revision and file is None:
        revision, _, file = revision.partition("/")
    owner, _, rest = path.partition("/")
    repo, _, inner = rest.partition("/")
    if inner and file is None:
        file = inner
    parts = [owner, repo, *(file or "x").split("/"), *(revision or "x").split("/")]
    if any(part in ("", ".", "..") or not part.isprintable() or set(part) & set(" \\?#%") for part in parts):
        raise PullError(
            f"'hf:{text}' is not a repository: write hf:owner/repo, hf:owner/repo@revision or hf:owner/repo/file.gguf"
        )
    return HubSource(f"{owner}/{repo}", revision or "main", file)


def pull_hub(
    text: str, store: ModelStore, *, name: str | None, progress: Progress, file: str | None, agree: Agree
) -> StoredModel:
    """Raises PullError, ModelBusy, ModelDamaged; UnsupportedArchitecture before any weights are fetched."""
    source = parse_hub_source(text, file)
    recorded = f"hf:{source.repository}"
    recorded += f"/{source.file}" if source.file else ""
    recorded += f"@{source.revision}" if source.revision != "main" else ""
    name = name or name_from(PurePosixPath(source.file).stem if source.file else source.repository.partition("/")[2])
    with Hub() as hub:
        return pull_from(hub, source, recorded=recorded, store=store, name=name, progress=progress, agree=agree)


def pull_from(
    hub: Hub, source: HubSource, *, recorded: str, store: ModelStore, name: str, progress: Progress, agree: Agree
) -> StoredModel:
    """Pull from an open hub, with the errors of ``pull_hub``; ``recorded`` is the source in the manifest."""
    former = former_model(store, name, recorded)
    repository = hub.repository(source.repository, source.revision)
    if former is not None and former.revision == repository.sha and is_whole(store, name, progress):
        return former
    files = _files(repository, source)
    if repository.gated:
        _ask(hub, source.repository, repository=repository, agree=agree)
    with store.staging(name) as staging, explained_disk_errors(staging):
        staging.resumable = True
        _resume_or_empty(staging, _State(source.repository, repository.sha))
        total = sum(size for _, size in files)
        make_room(store, total - _bytes_there(staging.folder), f"'{name}'")
        transfer = _Transfer(
            hub, source.repository, commit=repository.sha, folder=staging.folder, total=total, progress=progress
        )
        try:
            stored = _fetch_all(transfer, files, repository)
            return arrive(staging, stored, origin_from_card(recorded, repository.cardData or {}, repository.sha))
        except (PullError, ModelDamaged):
            raise
        except ValueError:  # the files are complete but can't be served: nothing to resume
            staging.resumable = False
            raise


def _files(repository: Repository, source: HubSource) -> list[tuple[HubFile, int]]:
    files = {file.rfilename: file for file in repository.siblings if _is_plain(file.rfilename)}
    sizes = {path: file.lfs.size if file.lfs else file.size or 0 for path, file in files.items()}
    try:
        chosen = choose_files(sizes, source.file)
    except PullError as error:
        raise PullError(f"{source.repository}: {error}") from None
    return [(files[path], sizes[path]) for path in chosen]


def _is_plain(path: str) -> bool:
    return not path.startswith("/") and "\\" not in path and ".." not in path.split("/") and path.isprintable()


def _ask(hub: Hub, name: str, *, repository: Repository, agree: Agree) -> None:
    card = repository.cardData or {}
    origin = origin_from_card("", card)
    prompt = card.get("extra_gated_prompt")
    licence = Licence(
        repository=name,
        name=origin.license,
        url=origin.license_url,
        text=prompt if isinstance(prompt, str) else "",
        page=hub.page(name),
    )
    if hub.token is None:
        raise PullError(gated_without_token(name, licence.page))
    if not agree(licence):
        raise PullError(f"{name} was not pulled: its licence was not agreed to")


def _resume_or_empty(staging: Staging, state: _State) -> None:
    """Empty the partial folder unless its files are of the same commit."""
    record = staging.folder / PULL_STATE
    try:
        same = msgspec.json.decode(record.read_bytes(), type=_State) == state
    except (OSError, msgspec.DecodeError):
        same = False
    if not same:
        staging.empty()
        record.write_bytes(msgspec.json.encode(state))


def _bytes_there(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.name != PULL_STATE)


def _fetch_all(transfer: _Transfer, files: list[tuple[HubFile, int]], repository: Repository) -> list[StoredFile]:
    """Fetch small files first, so that an unsupported architecture is refused before its weights are fetched."""
    stored = []
    checked = False
    for file, size in files:
        name = PurePosixPath(file.rfilename).name
        if not checked and name.endswith((".safetensors", ".gguf")):
            _refuse_unsupported(transfer.folder, repository)
            checked = True
        stored.append(transfer.fetch(file, size, name))
    return stored


def _refuse_unsupported(folder: Path, repository: Repository) -> None:
    """Raises UnsupportedArchitecture, where the files without weights already show it."""
    from aquilon.checkpoints.gguf_model import GGUF_FAMILIES
    from aquilon.checkpoints.hugging_face_config import architecture_from_config
    from aquilon.models.architecture import UnsupportedArchitecture

    config = folder / "config.json"
    if config.is_file():
        architecture_from_config(_json_object(config))
    elif repository.gguf is not None and repository.gguf.architecture not in (None, *GGUF_FAMILIES):
        raise UnsupportedArchitecture(f"'{repository.gguf.architecture}'")


def _json_object(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes().removeprefix(codecs.BOM_UTF8), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise PullError(f"{path.name} of the repository is not JSON: {error}") from None


class _Transfer:
    """Fetches the files of one commit into a folder. A file gets its name once its sum is the hub's."""

    def __init__(self, hub: Hub, repository: str, *, commit: str, folder: Path, total: int, progress: Progress) -> None:
        self.folder = folder
        self._hub = hub
        self._repository = repository
        self._commit = commit
        self._total = total
        self._progress = progress
        self._before = 0
        """Bytes of the files that are complete."""

    def fetch(self, file: HubFile, size: int, name: str) -> StoredFile:
        """Raises PullError where the hub doesn't send the file, ModelDamaged where its sum isn't the hub's."""
        complete, part = self.folder / name, self.folder / f"{name}.part"
        if complete.is_file():
            part = complete.replace(part)
        part.touch()
        sums = self._sums(part, file, size)
        failures = 0
        while sums.size < size:
            before = sums.size
            reason = self._attempt(file, part, sums=sums, size=size, name=name)
            failures = 0 if sums.size > before else failures + 1
            if failures == len(_RETRY_AFTER):
                raise PullError(
                    f"The connection broke at {name} ({reason}). "
                    "What was received is kept: the same command resumes from there"
                )
            time.sleep(_RETRY_AFTER[failures])
        if (wrong := sums.mismatch(file, size)) is not None:
            part.unlink()
            raise ModelDamaged(
                f"{name} of {self._repository} is altered: {wrong}. It was deleted: pull again to fetch it"
            )
        part.replace(complete)
        self._before += size
        return stored_file(self.folder, name, sums.sha256.hexdigest())

    def _sums(self, part: Path, file: HubFile, size: int) -> _Sums:
        sums = _Sums(size, is_large=file.lfs is not None)
        with part.open("rb") as partial:
            while chunk := partial.read(_CHUNK):
                sums.add(chunk)
                self._progress("check", done=self._before + sums.size, total=self._total, file=part.stem)
        return sums

    def _attempt(self, file: HubFile, part: Path, *, sums: _Sums, size: int, name: str) -> str:
        """Fetch from the part's end on, counted in ``sums``; the reason if it ended early, else an empty string."""
        try:
            with self._hub.content(self._repository, commit=self._commit, file=file.rfilename, offset=sums.size) as (
                begin,
                chunks,
            ):
                if begin != sums.size:
                    part.write_bytes(b"")
                    sums.restart()
                with part.open("ab") as growing:
                    for chunk in chunks:
                        if sums.size + len(chunk) > size:
                            growing.truncate(0)
                            raise ModelDamaged(
                                f"{name} of {self._repository} is longer than the {size:,} bytes that the hub lists; "
                                "it was deleted"
                            )
                        growing.write(chunk)
                        sums.add(chunk)
                        self._progress("download", done=self._before + sums.size, total=self._total, file=name)
        except Interrupted as error:
            return str(error)
        return "" if sums.size == size else "it ended early"


class _Sums:
    """Running sums of a file: SHA-256, and git's blob SHA-1, which the hub lists for small files."""

    def __init__(self, expected_size: int, *, is_large: bool) -> None:
        self._expected_size = expected_size
        self._is_large = is_large
        self.restart()

    def restart(self) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._blob = hashlib.sha1(b"blob %d\0" % self._expected_size, usedforsecurity=False)

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.sha256.update(chunk)
        if not self._is_large:
            self._blob.update(chunk)

    def mismatch(self, file: HubFile, size: int) -> str | None:
        """How the complete file differs from what the hub lists."""
        if self.size != size:
            return f"{self.size:,} bytes instead of {size:,}"
        if file.lfs is not None:
            actual, listed, kind = self.sha256.hexdigest(), file.lfs.sha256, "SHA-256"
        elif file.blobId is not None:
            actual, listed, kind = self._blob.hexdigest(), file.blobId, "git's SHA-1"
        else:
            return None
        return None if actual == listed else f"its {kind} is {actual[:16]}…, and the hub lists {listed[:16]}…"
