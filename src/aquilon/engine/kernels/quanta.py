"""Quantized weights as whole numbers and scales, whatever file format they came in.

The kernels know one form: groups of 32 inputs, ``w = scale * (q - zero)`` or
``w = scale * q + offset``, q unsigned with 4 or 8 bits. GGUF's block formats
whose groups have 32 inputs map onto it exactly; the layouts are those of
``ggml-common.h``. The others (Q2_K, Q3_K and Q6_K with groups of 16, codebook
formats with signs) are dequantized and quantized again to 8 bits, which adds an
error of at most half of 1/255 of a group's range.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP = 32

_IQ4_VALUES = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int16)
_MXFP4_VALUES = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int16)

Bytes = NDArray[np.uint8]
Scales = NDArray[Any]


@dataclass(frozen=True)
class Quanta:
    """A weight of (outputs, inputs). Scales are float16 where the file's are, else float32."""

    q: Bytes
    """(outputs, inputs), below 2**bits."""
    scale: Scales
    """(outputs, inputs / 32)"""
    offset: Scales | None
    """(outputs, inputs / 32); None where ``zero`` is used instead."""
    _: KW_ONLY
    zero: int
    bits: int

    def dequantized(self) -> NDArray[np.float32]:
        """(outputs, inputs) in float32: the weight that the kernels compute with, for their slow twin."""
        groups = self.q.reshape(*self.scale.shape, GROUP)
        scale = self.scale.astype(np.float32)[..., None]
        if self.offset is None:
            wide = scale * (groups.astype(np.float32) - np.float32(self.zero))
        else:
            wide = scale * groups.astype(np.float32) + self.offset.astype(np.float32)[..., None]
        result: NDArray[np.float32] = wide.reshape(self.q.shape)
        return result


def from_blocks(blocks: Bytes, block_type: str, inputs: int) -> Quanta:
    """Unpack a GGUF tensor's bytes (outputs, bytes per row); raises ValueError where inputs isn't a multiple of 32."""
    if inputs % GROUP:
        raise ValueError(f"{inputs} inputs can't be packed: they must be a multiple of {GROUP}")
    outputs = blocks.shape[0]
    exact = _EXACT.get(block_type)
    if exact is None:
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize

        return from_dense(dequantize(blocks, GGMLQuantizationType[block_type]).reshape(outputs, inputs), bits=8)
    block_bytes, block_inputs, unpack = exact
    return unpack(blocks.reshape(outputs, inputs // block_inputs, block_bytes))


def from_dense(weight: NDArray[np.float32], *, bits: int) -> Quanta:
    """Quantize (outputs, inputs): 8 bits in 255 symmetric steps, 4 bits in 16 from a group's lowest to its highest."""
    outputs, inputs = weight.shape
    groups = weight.reshape(outputs, inputs // GROUP, GROUP)
    if bits == 8:
        scale = _narrowed(np.abs(groups).max(-1) / 127)
        q = np.rint(groups * _inverse(scale)[..., None]).clip(-128, 127) + 128
        return Quanta(q.astype(np.uint8).reshape(outputs, inputs), scale, None, zero=128, bits=8)
    lowest = groups.min(-1)
    scale, offset = _narrowed((groups.max(-1) - lowest) / 15), _narrowed(lowest)
    q = np.rint((groups - offset.astype(np.float32)[..., None]) * _inverse(scale)[..., None]).clip(0, 15)
    return Quanta(q.astype(np.uint8).reshape(outputs, inputs), scale, offset.astype(scale.dtype), zero=0, bits=4)


def _narrowed(scale: Scales) -> Scales:
    half = scale.astype(np.float16)
    return half if np.isfinite(half).all() else scale.astype(np.float32)


def _inverse(scale: Scales) -> NDArray[np.float32]:
    wide = scale.astype(np.float32)
    return np.divide(np.float32(1), wide, out=np.zeros_like(wide), where=wide != 0)


def _halves(blocks: Bytes, first: int) -> Scales:
    return np.ascontiguousarray(blocks[..., first : first + 2]).view(np.float16)[..., 0]


def _nibbles(packed: Bytes) -> Bytes:
    """All low nibbles, then all high nibbles."""
    return np.concatenate((packed & 15, packed >> 4), axis=-1)


def _fifth_bits(packed: Bytes) -> Bytes:
    bits: Bytes = np.unpackbits(packed, axis=-1, bitorder="little") * np.uint8(16)
    return bits


def _flat(q: NDArray[Any]) -> Bytes:
    return q.astype(np.uint8, copy=False).reshape(q.shape[0], -1)


def _q4_0(blocks: Bytes) -> Quanta:
    return Quanta(_flat(_nibbles(blocks[..., 2:])), _halves(blocks, 0), None, zero=8, bits=4)


def _q4_1(blocks: Bytes) -> Quanta:
    return Quanta(_flat(_nibbles(blocks[..., 4:])), _halves(blocks, 0), _halves(blocks, 2), zero=0, bits=4)


def _q5_0(blocks: Bytes) -> Quanta:
    q = _nibbles(blocks[..., 6:]) | _fifth_bits(blocks[..., 2:6])
    return Quanta(_flat(q), _halves(blocks, 0), None, zero=16, bits=8)


def _q5_1(blocks: Bytes) -> Quanta:
    q = _nibbles(blocks[..., 8:]) | _fifth_bits(blocks[..., 4:8])
    return Quanta(_flat(q), _halves(blocks, 0), _halves(blocks, 2), zero=0, bits=8)


def _q8_0(blocks: Bytes) -> Quanta:
    return Quanta(_flat(blocks[..., 2:] ^ 0x80), _halves(blocks, 0), None, zero=128, bits=8)


def _k_scales(blocks: Bytes) -> tuple[Scales, Scales]:
    """Scale and offset of the 8 groups of a K block: 6 bits each, packed into 12 bytes, times the block's scales."""
    packed = blocks[..., 4:16]
    low, high, mixed = packed[..., :4], packed[..., 4:8], packed[..., 8:]
    scale = np.concatenate((low & 63, (mixed & 15) | ((low >> 6) << 4)), axis=-1)
    minimum = np.concatenate((high & 63, (mixed >> 4) | ((high >> 6) << 4)), axis=-1)
    d, d_minimum = _halves(blocks, 0).astype(np.float32), _halves(blocks, 2).astype(np.float32)
    rows = blocks.shape[0]
    return (d[..., None] * scale).reshape(rows, -1), (-d_minimum[..., None] * minimum).reshape(rows, -1)


def _q4_k(blocks: Bytes) -> Quanta:
    pairs = blocks[..., 16:].reshape(*blocks.shape[:2], 4, 32)  # low nibbles are one group, high ones the next
    return Quanta(_flat(_nibbles(pairs)), *_k_scales(blocks), zero=0, bits=4)


def _q5_k(blocks: Bytes) -> Quanta:
    pairs = blocks[..., 48:].reshape(*blocks.shape[:2], 4, 32)
    fifth = blocks[..., None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None] & 1  # bit g belongs to group g
    q = _nibbles(pairs).reshape(*blocks.shape[:2], 8, 32) | fifth << 4
    return Quanta(_flat(q), *_k_scales(blocks), zero=0, bits=8)


def _iq4_nl(blocks: Bytes) -> Quanta:
    return Quanta(_flat(_IQ4_VALUES[_nibbles(blocks[..., 2:])] + 128), _halves(blocks, 0), None, zero=128, bits=8)


def _iq4_xs(blocks: Bytes) -> Quanta:
    shifts = np.arange(0, 16, 2, dtype=np.uint16)
    high = np.ascontiguousarray(blocks[..., 2:4]).view(np.uint16) >> shifts & 3
    low = np.stack((blocks[..., 4:8] & 15, blocks[..., 4:8] >> 4), axis=-1).reshape(*blocks.shape[:2], 8)
    steps = (low | high << 4).astype(np.float32) - 32
    scale = (_halves(blocks, 0).astype(np.float32)[..., None] * steps).reshape(blocks.shape[0], -1)
    quarters = blocks[..., 8:].reshape(*blocks.shape[:2], 8, 16)
    return Quanta(_flat(_IQ4_VALUES[_nibbles(quarters)] + 128), scale, None, zero=128, bits=8)


def _mxfp4(blocks: Bytes) -> Quanta:
    scale = np.ldexp(np.float32(1), blocks[..., 0].astype(np.int32) - 128)
    return Quanta(
        _flat(_MXFP4_VALUES[_nibbles(blocks[..., 1:])] + 128), scale.astype(np.float32), None, zero=128, bits=8
    )


_EXACT = {
    "Q4_0": (18, 32, _q4_0),
    "Q4_1": (20, 32, _q4_1),
    "Q5_0": (22, 32, _q5_0),
    "Q5_1": (24, 32, _q5_1),
    "Q8_0": (34, 32, _q8_0),
    "Q4_K": (144, 256, _q4_k),
    "Q5_K": (176, 256, _q5_k),
    "IQ4_NL": (18, 32, _iq4_nl),
    "IQ4_XS": (136, 256, _iq4_xs),
    "MXFP4": (17, 32, _mxfp4),
}
