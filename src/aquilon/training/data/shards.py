"""Token shards: the tokens of many documents in one flat file, with the ends of the documents beside it.

As datatrove's: ``tokens.bin`` holds raw little-endian uint16 or uint32, ``ends.bin`` the
end of each document in tokens as uint64, ``trained.bin``, where it is there, a byte for
each token: whether its prediction is trained. ``shard.json`` comes last and says that the
shard is whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

_DESCRIPTION = "shard.json"
_BUFFERED = 2**20


class ShardError(ValueError):
    """A shard that is damaged or of another tokenizer; the message names it and what is wrong."""


class ShardDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What ``shard.json`` says."""

    tokens: int
    documents: int
    bytes: int
    """UTF-8 bytes of the texts."""
    dtype: str
    """``uint16`` or ``uint32``."""
    tokenizer: str
    """SHA-256 of the tokenizer's file."""
    trained: bool
    """Whether ``trained.bin`` is there."""
    fingerprint: str
    """SHA-256 of the three files."""


class ShardWriter:
    """Writes one shard into a temporary folder, and gives it its name once it is whole."""

    def __init__(self, folder: Path, *, vocab_size: int, tokenizer: str, trained: bool = False) -> None:
        self._folder = folder
        self._partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        self._dtype = np.dtype("<u2" if vocab_size <= 2**16 else "<u4")
        self._tokenizer, self._trained = tokenizer, trained
        names = ["tokens.bin", "ends.bin", *(["trained.bin"] if trained else [])]
        self._files = {name: (self._partial / name).open("wb", buffering=_BUFFERED) for name in names}
        self._hashes = {name: hashlib.sha256() for name in names}
        self._tokens = self._documents = self._bytes = 0

    @property
    def tokens(self) -> int:
        """How many have been added."""
        return self._tokens

    def add(self, ids: Sequence[int], *, num_bytes: int, trained: Sequence[bool] | None = None) -> None:
        """Add a document; ``trained`` says of each token whether its prediction is trained."""
        self._tokens += len(ids)
        self._documents += 1
        self._bytes += num_bytes
        self._write("tokens.bin", np.asarray(ids, dtype=self._dtype).tobytes())
        self._write("ends.bin", self._tokens.to_bytes(8, "little"))
        if self._trained:
            assert trained is not None
            self._write("trained.bin", np.asarray(trained, dtype=np.uint8).tobytes())

    def finish(self) -> ShardDescription:
        """Put the shard in its place, durably."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        description = ShardDescription(
            tokens=self._tokens,
            documents=self._documents,
            bytes=self._bytes,
            dtype="uint16" if self._dtype.itemsize == 2 else "uint32",
            tokenizer=self._tokenizer,
            trained=self._trained,
            fingerprint=hashlib.sha256(b"".join(part.digest() for part in self._hashes.values())).hexdigest(),
        )
        (self._partial / _DESCRIPTION).write_bytes(msgspec.json.format(msgspec.json.encode(description)))
        shutil.rmtree(self._folder, ignore_errors=True)
        self._partial.rename(self._folder)
        return description

    def _write(self, name: str, data: bytes) -> None:
        self._files[name].write(data)
        self._hashes[name].update(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._partial, ignore_errors=True)


class Shard:
    """A whole shard, mapped into memory."""

    def __init__(self, folder: Path) -> None:
        """Raises ShardError if it isn't whole."""
        self.folder = folder
        try:
            self.description = msgspec.json.decode((folder / _DESCRIPTION).read_bytes(), type=ShardDescription)
        except FileNotFoundError:
            raise ShardError(f"{folder} holds no whole shard") from None
        except msgspec.DecodeError as error:
            raise ShardError(f"{folder / _DESCRIPTION} is damaged: {error}") from None
        described = self.description
        sizes = {
            "tokens.bin": described.tokens * np.dtype(described.dtype).itemsize,
            "ends.bin": described.documents * 8,
            **({"trained.bin": described.tokens} if described.trained else {}),
        }
        for name, size in sizes.items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise ShardError(f"{path} is damaged: it should have {size} bytes")

    def __len__(self) -> int:
        """The number of tokens."""
        return self.description.tokens

    @cached_property
    def tokens(self) -> NDArray[np.unsignedinteger]:
        """``(tokens,)``."""
        return self._mapped("tokens.bin", np.dtype("<u2" if self.description.dtype == "uint16" else "<u4"))

    @cached_property
    def ends(self) -> NDArray[np.uint64]:
        """``(documents,)``: where each document ends."""
        return self._mapped("ends.bin", np.dtype("<u8"))

    @cached_property
    def longest_document(self) -> int:
        """Tokens."""
        return int(np.diff(self.ends.astype(np.int64), prepend=0).max(initial=0))

    @cached_property
    def trained(self) -> NDArray[np.uint8] | None:
        """``(tokens,)``: whether a token's prediction is trained; None: all are."""
        return self._mapped("trained.bin", np.dtype(np.uint8)) if self.description.trained else None

    def _mapped(self, name: str, dtype: np.dtype) -> NDArray:  # type: ignore[type-arg]
        path = self.folder / name
        if not path.stat().st_size:
            return np.empty(0, dtype)
        return np.memmap(path, dtype=dtype, mode="r")
