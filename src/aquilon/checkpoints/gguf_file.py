"""The GGUF container, versions 2 and 3: key-values, then tensor descriptions, then data.

Written against the specification in ggml's docs/gguf.md. Every count and length in
the header is checked before memory is allocated for it: a header with false numbers
costs no more time or memory than a correct one.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from aquilon.checkpoints.tensors import BLOCK_SIZES, CheckpointError, MappedFile

MAX_HEADER_BYTES = 256 * 2**20
MAX_KEY_VALUES = 2**16
MAX_TENSORS = 2**17
MAX_ELEMENTS = 2**22
"""For all arrays of a header together; the largest known vocabularies with their merges need a third of it."""
MAX_NAME_BYTES = 2**16
MAX_STRING_BYTES = 2**24

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

_TENSOR_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    29: "IQ1_M",
    30: "BF16",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
    40: "NVFP4",
}


@dataclass(frozen=True)
class GGUFTensor:
    name: str
    shape: tuple[int, ...]
    """Outermost dimension first; the file has it last."""
    block_type: str
    _: KW_ONLY
    offset: int
    """From the start of the file."""


@dataclass(frozen=True)
class GGUFFile:
    file: MappedFile
    metadata: dict[str, Any]
    """Numbers, strings, truth values, and lists of them."""
    tensors: dict[str, GGUFTensor]


def read_gguf(path: Path) -> GGUFFile:
    """Read a GGUF file's header; raises CheckpointError for a damaged file and for another format."""
    try:
        with path.open("rb") as opened:
            size = opened.seek(0, 2)
            if size < 24:
                raise CheckpointError(path, f"is {size} bytes: too short for GGUF")
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Header(path, data, size).read()
    except OSError as error:
        raise CheckpointError(path, f"can't be read: {error.strerror or error}") from error


class _Header:
    """A position in the header that only moves forward, and never past the end."""

    def __init__(self, path: Path, data: mmap.mmap, size: int) -> None:
        self.path = path
        self.data = data
        self.size = size
        self.end = min(size, MAX_HEADER_BYTES)
        self.position = 0
        self.elements_left = MAX_ELEMENTS

    def read(self) -> GGUFFile:
        if (magic := self.data[:4]) != b"GGUF":
            raise self.error(f"is not GGUF: it begins with {magic!r}")
        self.position = 4
        version = self.scalar("I")
        if version not in (2, 3):
            kind = "big-endian" if version in (2 << 24, 3 << 24) else f"version {version}"
            raise self.error(f"is {kind} GGUF: little-endian versions 2 and 3 can be read")
        num_tensors = self.count("tensors", MAX_TENSORS)
        num_key_values = self.count("key-values", MAX_KEY_VALUES)
        metadata: dict[str, Any] = {}
        for _ in range(num_key_values):
            key = self.string("a key", MAX_NAME_BYTES)
            if key in metadata:
                raise self.error(f"the key {key!r:.80} appears twice")
            metadata[key] = self.value(key)
        described = [self.tensor() for _ in range(num_tensors)]
        return GGUFFile(MappedFile(self.path, self.size), metadata, self.placed(described, metadata))

    def error(self, problem: str) -> CheckpointError:
        return CheckpointError(self.path, problem)

    def advance(self, size: int, what: str) -> int:
        """Move forward by ``size`` bytes and return where they begin. Raises CheckpointError past the header's end."""
        start = self.position
        if size > self.end - start:
            raise self.error(f"ends inside {what}" if self.end == self.size else f"{what} makes the header too large")
        self.position = start + size
        return start

    def scalar(self, code: str, what: str = "the header") -> Any:
        start = self.advance(struct.calcsize("<" + code), what)
        if code == "?":  # a byte other than 0 and 1 counts as true
            return bool(self.data[start])
        return struct.unpack_from("<" + code, self.data, start)[0]

    def count(self, what: str, limit: int) -> int:
        count: int = self.scalar("Q")
        if count > limit:
            raise self.error(f"claims {count} {what}: at most {limit} are allowed")
        return count

    def string(self, what: str, limit: int = MAX_STRING_BYTES) -> str:
        length = self.scalar("Q", what)
        if length > limit:
            raise self.error(f"claims {length} bytes for {what}: at most {limit} are allowed")
        start = self.advance(length, what)
        try:
            return self.data[start : start + length].decode()
        except UnicodeDecodeError:
            raise self.error(f"{what} is not UTF-8") from None

    def value(self, key: str) -> Any:
        what = f"the value of {key!r:.80}"
        kind = self.scalar("I", what)
        if kind == _STRING:
            return self.string(what)
        if kind == _ARRAY:
            return self.array(what)
        if kind not in _SCALARS:
            raise self.error(f"{what} has the unknown type {kind}")
        return self.scalar(_SCALARS[kind], what)

    def array(self, what: str) -> list[Any]:
        kind = self.scalar("I", what)
        count = self.scalar("Q", what)
        if count > self.elements_left:
            raise self.error(f"{what} claims {count} elements: at most {MAX_ELEMENTS} in a file are allowed")
        self.elements_left -= count
        if kind == _STRING:
            return self.strings(count, what)
        if kind not in _SCALARS:
            raise self.error(f"{what} has elements of the unsupported type {kind}")
        code = _SCALARS[kind].replace("?", "B")
        start = self.advance(count * struct.calcsize(code), what)
        numbers = list(struct.unpack_from(f"<{count}{code}", self.data, start))
        return [bool(number) for number in numbers] if kind == 7 else numbers

    def strings(self, count: int, what: str) -> list[str]:
        """``count`` strings, read in one loop for speed: vocabularies hold hundreds of thousands."""
        data, position, end = self.data, self.position, self.end
        length_at = struct.Struct("<Q").unpack_from
        strings = []
        try:
            for _ in range(count):
                start = position + 8
                position = start + length_at(data, position)[0]
                if position > end:
                    raise self.error(f"ends inside {what}")
                strings.append(data[start:position].decode())
        except struct.error:
            raise self.error(f"ends inside {what}") from None
        except UnicodeDecodeError:
            raise self.error(f"{what} is not UTF-8") from None
        self.position = position
        return strings

    def tensor(self) -> GGUFTensor:
        name = self.string("a tensor's name", MAX_NAME_BYTES)
        what = f"the tensor {name!r:.80}"
        num_dimensions = self.scalar("I", what)
        if not 1 <= num_dimensions <= 4:
            raise self.error(f"{what} claims {num_dimensions} dimensions")
        shape = tuple(self.scalar("Q", what) for _ in range(num_dimensions))[::-1]
        if not all(1 <= length <= 2**32 for length in shape):
            raise self.error(f"{what} has the shape {list(shape)}")
        kind = self.scalar("I", what)
        if kind not in _TENSOR_TYPES:
            raise self.error(f"{what} has the unsupported block type {kind}")
        return GGUFTensor(name, shape, _TENSOR_TYPES[kind], offset=self.scalar("Q", what))

    def placed(self, described: list[GGUFTensor], metadata: dict[str, Any]) -> dict[str, GGUFTensor]:
        """The tensors by name, with offsets from the start of the file; raises CheckpointError if two overlap."""
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= 2**20 or alignment & (alignment - 1):
            raise self.error(f"general.alignment is {alignment!r:.60}: it must be a power of two")
        base = -(-self.position // alignment) * alignment
        tensors: dict[str, GGUFTensor] = {}
        previous_end, previous_name = base, ""
        for tensor in sorted(described, key=lambda tensor: tensor.offset):
            what = f"the tensor {tensor.name!r:.80}"
            values, block_bytes = BLOCK_SIZES[tensor.block_type]
            if tensor.shape[-1] % values:
                raise self.error(f"{what} has rows of {tensor.shape[-1]} values, in blocks of {values}")
            start = base + tensor.offset
            end = start + math.prod(tensor.shape) // values * block_bytes
            if end > self.size:
                raise self.error(f"{what} ends at byte {end} of a file of {self.size} bytes: the file is cut off")
            if start < previous_end:
                raise self.error(f"{what} lies over {previous_name!r:.80}")
            if start % alignment:
                raise self.error(f"{what} begins at byte {start}, which is not a multiple of {alignment}")
            if tensor.name in tensors:
                raise self.error(f"{what} appears twice")
            tensors[tensor.name] = GGUFTensor(tensor.name, tensor.shape, tensor.block_type, offset=start)
            previous_end, previous_name = end, tensor.name
        return tensors
