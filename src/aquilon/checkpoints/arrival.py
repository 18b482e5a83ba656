"""How a source's files become a model in the store: which are taken, whether they fit, what model they are."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from aquilon.checkpoints.adapters import CONFIG as ADAPTER_CONFIG
from aquilon.checkpoints.adapters import WEIGHTS as ADAPTER_WEIGHTS
from aquilon.checkpoints.store import (
    MANIFEST,
    ModelDamaged,
    ModelNotFound,
    ModelStore,
    Staging,
    StoredFile,
    StoredModel,
    StoreError,
    now,
)
from aquilon.checkpoints.tensors import CheckpointError
from aquilon.checkpoints.trial import try_out

if TYPE_CHECKING:
    from aquilon.checkpoints.checkpoint import Checkpoint

SPARE_BYTES = 64 * 2**20
"""What a pull leaves free on the disk, for the database and the logs."""

Phase = Literal["download", "unpack", "copy", "check"]


class Progress(Protocol):
    """Called with a pull's phase, the bytes done, their total (None: not known yet) and the current file."""

    def __call__(self, phase: Phase, *, done: int, total: int | None, file: str) -> None: ...


def no_progress(phase: Phase, *, done: int, total: int | None, file: str) -> None:
    """For callers that show nothing."""


class PullError(StoreError):
    """The model could not be pulled; the message says why and what would help."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a source says about a model, before the model's own files are read."""

    source: str
    revision: str = ""
    license: str = ""
    license_url: str = ""
    languages: Sequence[str] = ()
    description: str = ""


_SMALL_FILES = frozenset(
    {
        "adapter_config.json",
        "config.json",
        "generation_config.json",
        "params.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "tekken.json",
        "LICENSE",
        "LICENSE.md",
        "LICENSE.txt",
        "NOTICE",
        "README.md",
    }
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{2,8})*")
_TOKENIZER_MODEL = re.compile(r"tokenizer\.model(\.v\w+)?")
_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})\.gguf")


def choose_files(sizes: Mapping[str, int], file: str | None = None) -> list[str]:
    """The files, of a repository's paths and sizes in bytes, that make a model we can serve; weights come last.

    Safetensors are preferred to GGUF; ``file`` picks a GGUF file. Raises PullError for an
    unknown file, where there is no model to serve, and where several GGUF files need a choice.
    """
    if file is not None:
        if file not in sizes:
            near = [name for name in sizes if PurePosixPath(name).name == PurePosixPath(file).name]
            raise PullError(f"There is no file '{file}' there. {_offer(near or _gguf(sizes), sizes)}")
        if not file.endswith(".gguf"):
            raise PullError(f"'{file}' is not a GGUF file: only a GGUF file can be chosen alone")
        return _with_shards(file, sizes)
    top = [name for name in sizes if "/" not in name]
    small = sorted(name for name in top if name in _SMALL_FILES or _TOKENIZER_MODEL.fullmatch(name))
    safetensors = sorted(name for name in top if name.endswith(".safetensors"))
    consolidated = [name for name in safetensors if name.startswith("consolidated")]
    sharded = [name for name in safetensors if name not in consolidated and name != ADAPTER_WEIGHTS]
    if "config.json" in top and sharded:
        index = sorted(name for name in top if name.endswith(".safetensors.index.json") and "consolidated" not in name)
        return [name for name in small if name != "params.json"] + index + sharded
    if "params.json" in top and consolidated:
        index = sorted(name for name in top if name == "consolidated.safetensors.index.json")
        return [name for name in small if name != "config.json"] + index + consolidated
    if ADAPTER_CONFIG in top and ADAPTER_WEIGHTS in top:
        return [*small, ADAPTER_WEIGHTS]
    gguf = _gguf(sizes)
    first_shards = [name for name in gguf if not _SHARD.fullmatch(name) or "-00001-of-" in name]
    if len(first_shards) == 1:
        return _with_shards(first_shards[0], sizes)
    if first_shards:
        raise PullError(
            f"There are {len(first_shards)} GGUF files: choose one with --file. {_offer(first_shards, sizes)}"
        )
    if any(name.endswith((".bin", ".pt", ".pth")) for name in sizes):
        raise PullError(
            "Its weights are in pickle files (.bin, .pt), which can run code when opened: "
            "pull a safetensors or GGUF copy"
        )
    raise PullError(
        "There is no model there: needed are config.json with *.safetensors, "
        "params.json with consolidated*.safetensors, a *.gguf file, "
        "or adapter_config.json with adapter_model.safetensors"
    )


def make_room(store: ModelStore, needed: int, what: str) -> None:
    """Raises PullError if the store's disk has less room than the pull still needs."""
    free = store.free_bytes()
    if needed + SPARE_BYTES > free:
        raise PullError(
            f"Not enough room for {what}: it needs {size_text(needed)}, "
            f"and the disk of {store.folder} has {size_text(free)} free. "
            "Remove a model (aquilon models remove NAME), free some space, or use another home (--home)"
        )


@contextlib.contextmanager
def explained_disk_errors(staging: Staging) -> Iterator[None]:
    """A full or read-only disk ends the pull with a PullError, and the partial folder is deleted."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        staging.resumable = False
        folder = staging.store.folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PullError(
                f"The disk of {folder} is full: '{staging.name}' was not pulled and nothing of it is left there. "
                "Free some space, or use another home (--home)"
            ) from error
        raise PullError(
            f"{error.filename or folder} can't be written ({error.strerror}): use another home (--home)"
        ) from error


def former_model(store: ModelStore, name: str, source: str) -> StoredModel | None:
    """The readable model that a pull would replace.

    Raises PullError if it came from another source, or if another model's name differs only in capitals.
    """
    try:
        former = store.get(name)
    except (ModelNotFound, ModelDamaged):
        for other in store.list():
            if other.name != name and other.name.lower() == name.lower():
                raise PullError(
                    f"'{name}' differs only in capitals from the model '{other.name}' in the store: "
                    "choose another name with --name"
                ) from None
        return None
    if former.source != source:
        raise PullError(
            f"There is already a model '{name}', from {former.source}: "
            f"choose another name with --name, or remove it first (aquilon models remove {name})"
        )
    return former


def is_whole(store: ModelStore, name: str, progress: Progress) -> bool:
    """Whether every byte of a stored model matches its manifest; if not, the model must be pulled again."""
    total, done = store.get(name).bytes, 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        progress("check", done=done, total=total, file=name)

    try:
        store.verify(name, advance)
    except ModelDamaged:
        return False
    return True


def arrive(staging: Staging, files: list[StoredFile], origin: Origin) -> StoredModel:
    """Describe the model that the staged files make, and commit it.

    Raises CheckpointError for damaged files, each by its name in the model, and UnsupportedArchitecture for a model
    that can't be served here.
    """
    try:
        return staging.commit(describe(staging.name, staging.folder, files, origin=origin))
    except CheckpointError as error:
        if not error.path.is_relative_to(staging.folder):
            raise
        inside = error.path.relative_to(staging.folder)
        raise type(error)(inside if inside.name else Path(origin.source), error.problem) from None


def describe(name: str, folder: Path, files: list[StoredFile], *, origin: Origin) -> StoredModel:
    """The manifest of the model in a folder: the source's facts, else those of its own files.

    The tokenizer and the template are tried out, see ``trial``.
    """
    from aquilon.checkpoints.opening import open_checkpoint

    checkpoint = open_checkpoint(folder)
    card = _card(folder, checkpoint.metadata)
    architecture = checkpoint.architecture
    text = try_out(folder)
    base = checkpoint.base
    inherited = origin_of(base) if base is not None else Origin(source="")
    return StoredModel(
        name=name,
        source=origin.source,
        revision=origin.revision,
        pulled_at=now(),
        license=origin.license or card.license or inherited.license,
        license_url=origin.license_url or card.license_url or inherited.license_url,
        languages=list(origin.languages or card.languages or inherited.languages),
        description=origin.description or card.description,
        format=checkpoint.format,
        family=architecture.family,
        parameters=architecture.parameters(),
        max_context=architecture.max_context,
        chat=text.chat,
        fim=text.fim,
        reasoning=text.reasoning,
        base="" if base is None else _base_name(base, folder),
        files=files,
    )


def completed(store: ModelStore, model: StoredModel) -> StoredModel:
    """The model with the facts that manifests of earlier versions lack; reading them takes about 0.2 s, once."""
    if model.fim is not None and model.reasoning is not None:
        return model
    from aquilon.checkpoints.opening import open_checkpoint
    from aquilon.checkpoints.text import load_text

    try:
        text = load_text(open_checkpoint(model.path))
    except (ValueError, OSError):
        return model  # loading reports a damaged model
    model = msgspec.structs.replace(model, fim=text.fill is not None, reasoning=text.reasoning is not None)
    with contextlib.suppress(OSError):  # in a read-only store the next start reads the facts again
        store.rewrite(model)
    return model


def _base_name(base: Checkpoint, staged: Path) -> str:
    """An adapter's base as its manifest names it: a name in the store that it is staged for, else a path."""
    folder = (base.path if base.path.is_dir() else base.path.parent).resolve()
    in_store = folder.parent == staged.parent.parent.resolve() and (folder / MANIFEST).is_file()
    return folder.name if in_store else str(base.path.resolve())


def origin_of(checkpoint: Checkpoint) -> Origin:
    """The facts in the manifest of a model of the store, else those in its own files."""
    folder = checkpoint.path if checkpoint.path.is_dir() else checkpoint.path.parent
    with contextlib.suppress(StoreError):
        stored = ModelStore(folder.parent).get(folder.name)
        return Origin(
            source=stored.source,
            revision=stored.revision,
            license=stored.license,
            license_url=stored.license_url,
            languages=stored.languages,
        )
    return _card(folder, checkpoint.metadata)


def _card(folder: Path, metadata: Mapping[str, Any]) -> Origin:
    """The facts in the files themselves: GGUF's ``general.*`` keys, else the front matter of README.md."""
    facts: Mapping[str, Any] = {
        "license": metadata.get("general.license"),
        "license_link": metadata.get("general.license.link"),
        "language": metadata.get("general.languages"),
    }
    if (folder / "README.md").is_file() and not any(facts.values()):
        from huggingface_hub.repocard import metadata_load

        with contextlib.suppress(Exception):  # a README that can't be read is no reason to refuse the model
            facts = metadata_load(folder / "README.md") or {}
    return origin_from_card("", facts)


def origin_from_card(source: str, card: Mapping[str, Any], revision: str = "") -> Origin:
    """A model card's ``license``, ``license_name``, ``license_link`` and ``language``, if of the right type."""
    license_name, language = card.get("license"), card.get("language")
    if license_name == "other":
        license_name = card.get("license_name") or "other"
    languages = [language] if isinstance(language, str) else language if isinstance(language, list) else []
    return Origin(
        source=source,
        revision=revision,
        license=_plain(license_name).lower(),
        license_url=_plain(card.get("license_link")),
        languages=[code for code in languages if isinstance(code, str) and _LANGUAGE.fullmatch(code)][:64],
    )


def _plain(value: Any) -> str:
    """One line of printable text, else an empty one, because a card's control characters would steer the terminal."""
    return value if isinstance(value, str) and len(value) <= 300 and value.isprintable() else ""


def size_text(size: float) -> str:
    """``92.9 MB``: decimal units, as for disks and downloads."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _gguf(sizes: Mapping[str, int]) -> list[str]:
    return sorted(name for name in sizes if name.endswith(".gguf") and "mmproj" not in name)


def _with_shards(name: str, sizes: Mapping[str, int]) -> list[str]:
    shard = _SHARD.fullmatch(name)
    if shard is None:
        return [name]
    count = int(shard[2])
    names = [f"{shard[1]}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]
    if missing := [part for part in names if part not in sizes]:
        raise PullError(f"'{name}' is one of {count} parts, and {missing[0]} is missing")
    return names


def _offer(names: Sequence[str], sizes: Mapping[str, int]) -> str:
    if not names:
        return ""
    listed = ", ".join(
        f"{name} ({size_text(sizes[name])})" for name in sorted(names, key=lambda name: sizes[name])[:24]
    )
    return f"There are: {listed}"
