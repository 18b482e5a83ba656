"""KV blocks: which sequences hold them, and which contain a prefix that can be shared.

A block contains the keys and values of ``block_size`` consecutive tokens. A full
block is identified by a hash of everything that its values depend on: the model,
the owner's salt, all tokens before it and its own. Freed blocks keep their content
until they are allocated again, least recently freed first.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence


class OutOfBlocks(Exception):
    """More blocks were requested than are free."""


def root_hash(model: str, salt: str) -> bytes:
    """The parent of a sequence's first block: nothing is shared across models or salts."""
    digest = hashlib.sha256()
    for part in (model.encode(), salt.encode()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def block_hash(parent: bytes, token_ids: Sequence[int]) -> bytes:
    """The hash of a full block from its parent's and its own tokens."""
    return hashlib.sha256(parent + array("q", token_ids).tobytes()).digest()


class BlockPool:
    """All KV blocks of one model, by number. A block is free, or held by one or more sequences."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        if num_blocks < 1 or block_size < 1:
            raise ValueError(f"a pool of {num_blocks} blocks of {block_size} tokens: both must be at least 1")
        self.num_blocks = num_blocks
        self.block_size = block_size
        self._holders = [0] * num_blocks
        self._hashes: list[bytes | None] = [None] * num_blocks
        self._published: dict[bytes, int] = {}
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(num_blocks))

    @property
    def num_free(self) -> int:
        return len(self._free)

    @property
    def usage(self) -> float:
        """The share of blocks that sequences hold, 0 to 1."""
        return 1 - len(self._free) / self.num_blocks

    def blocks_for(self, num_tokens: int) -> int:
        """How many blocks ``num_tokens`` tokens need."""
        return -(-num_tokens // self.block_size)

    def allocate(self, count: int) -> list[int]:
        """Take free blocks, least recently freed first, and forget their content; raises OutOfBlocks and takes none."""
        if count > len(self._free):
            raise OutOfBlocks(f"{count} blocks were requested and {len(self._free)} are free")
        blocks = []
        for _ in range(count):
            block, _ = self._free.popitem(last=False)
            published = self._hashes[block]
            if published is not None:
                del self._published[published]
                self._hashes[block] = None
            self._holders[block] = 1
            blocks.append(block)
        return blocks

    def match(self, hashes: Iterable[bytes]) -> list[int]:
        """The blocks of the longest published prefix of a hash chain; ``hold`` them before they are used."""
        blocks = []
        for digest in hashes:
            block = self._published.get(digest)
            if block is None:
                break
            blocks.append(block)
        return blocks

    def num_free_among(self, blocks: Iterable[int]) -> int:
        """How many of these blocks are free now: holding them takes that many from ``num_free``."""
        return sum(self._holders[block] == 0 for block in blocks)

    def hold(self, blocks: Iterable[int]) -> None:
        """Add a holder to blocks that are published or already held."""
        for block in blocks:
            if self._holders[block] == 0:
                del self._free[block]
            self._holders[block] += 1

    def release(self, blocks: Sequence[int]) -> None:
        """Give up blocks. Those of a prefix's end are reused before its start, and unpublished blocks before all."""
        for block in reversed(blocks):
            if self._holders[block] == 0:
                raise ValueError(f"block {block} is already free")
            self._holders[block] -= 1
            if self._holders[block] == 0:
                self._free[block] = None
                if self._hashes[block] is None:
                    self._free.move_to_end(block, last=False)

    def publish(self, block: int, digest: bytes) -> None:
        """Let ``match`` find a full, computed block by its hash, unless another block with that hash is published."""
        if self._hashes[block] is None and digest not in self._published:
            self._hashes[block] = digest
            self._published[digest] = block
