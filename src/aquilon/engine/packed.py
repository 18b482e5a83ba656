"""Load a checkpoint's quantized blocks as the native kernels' packed weights, without a dense copy in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.tensors import TensorEntry, parts
from aquilon.checkpoints.weights import load_tensor
from aquilon.engine.kernels.linear import PackedEmbedding, PackedLinear
from aquilon.engine.kernels.packing import PackedMatrix
from aquilon.engine.kernels.quanta import GROUP, from_blocks, from_dense
from aquilon.engine.kernels.transformer import PackedTransformer
from aquilon.engine.linear import RowInvariantLinear
from aquilon.models.transformer import Transformer

PLAIN_TYPES = frozenset({"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})


def is_quantized(checkpoint: Checkpoint) -> bool:
    """Whether more than half of the checkpoint's bytes are quantized blocks."""
    tensors = checkpoint.tensors().values()
    quantized = sum(entry.nbytes for entry in tensors if entry.block_type not in PLAIN_TYPES)
    return 2 * quantized > checkpoint.weight_bytes


def packed_bytes(checkpoint: Checkpoint) -> int:
    """About how much the checkpoint's blocks take when they are packed: those that an adapter updates have 8 bits."""
    return sum(
        math.prod(entry.shape) * 17 // 16 if entry.updates and entry.block_type not in PLAIN_TYPES else entry.nbytes
        for entry in checkpoint.tensors().values()
    )


def load_packed(checkpoint: Checkpoint, *, bits: int | None, progress: Callable[[float], None]) -> Transformer:
    """The transformer with packed matrices; all other weights are fp32.

    ``bits`` None keeps the file's quantized blocks and leaves its plain matrices fp32. 4 or 8 quantizes the plain
    matrices too, the embedding and the head always to 8. Blocks that an adapter updates become 8 bits.
    """
    transformer = PackedTransformer(checkpoint.architecture)
    loader = _Loader(checkpoint, bits, progress)
    loader.fill(transformer)
    return transformer.eval().requires_grad_(False)


class _Loader:
    def __init__(self, checkpoint: Checkpoint, bits: int | None, progress: Callable[[float], None]) -> None:
        self._tensors: Mapping[str, TensorEntry] = checkpoint.tensors()
        self._bits = bits
        self._progress = progress
        self._done, self._total = 0, max(1, checkpoint.weight_bytes)

    def fill(self, transformer: Transformer) -> None:
        embedding = self._matrix("embedding.weight", self._tensors["embedding.weight"])
        if embedding is None:
            dense = self._dense("embedding.weight")
            transformer.embedding.weight = dense
            if transformer.architecture.tied_embeddings:
                transformer.add_module("head", RowInvariantLinear(dense, None))
        else:
            transformer.add_module("embedding", PackedEmbedding(embedding))
            if transformer.architecture.tied_embeddings:
                transformer.add_module("head", PackedLinear([embedding]))
        self._fill(transformer, "")

    def _fill(self, module: nn.Module, prefix: str) -> None:
        for name, child in module.named_children():
            path = f"{prefix}{name}"
            if isinstance(child, nn.Linear):
                setattr(module, name, self._linear(path, child.bias is not None))
            elif not isinstance(child, PackedLinear | PackedEmbedding | RowInvariantLinear):
                self._fill(child, f"{path}.")
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.is_meta:
                setattr(module, name, self._dense(f"{prefix}{name}"))

    def _linear(self, path: str, has_bias: bool) -> nn.Module:
        names = parts(f"{path}.weight")
        matrices = [self._matrix(name, self._tensors[name]) for name in names]
        bias = self._dense(f"{path}.bias") if has_bias else None
        packed = [matrix for matrix in matrices if matrix is not None]
        if len(packed) == len(matrices):
            return PackedLinear(packed, bias)
        return RowInvariantLinear(self._dense(f"{path}.weight"), bias)

    def _matrix(self, name: str, entry: TensorEntry) -> PackedMatrix | None:
        """The packed matrix, or None for a matrix that stays dense."""
        inputs = entry.shape[-1]
        if inputs % GROUP:
            return None
        if entry.updates and entry.block_type not in PLAIN_TYPES:
            matrix = PackedMatrix(from_dense(load_tensor(entry).numpy(), bits=8))
        elif entry.block_type not in PLAIN_TYPES:
            matrix = PackedMatrix(from_blocks(entry.raw(), entry.block_type, inputs))
        elif self._bits is not None and not name.endswith("router.weight"):
            bits = 8 if name in ("embedding.weight", "head.weight") else self._bits
            matrix = PackedMatrix(from_dense(load_tensor(entry).float().numpy(), bits=bits))
        else:
            return None
        self._advance(entry)
        return matrix

    def _dense(self, name: str) -> nn.Parameter:
        tensors: list[Tensor] = []
        for part in parts(name):
            tensors.append(load_tensor(self._tensors[part]).float())
            self._advance(self._tensors[part])
        return nn.Parameter(torch.cat(tensors) if len(tensors) > 1 else tensors[0], requires_grad=False)

    def _advance(self, entry: TensorEntry) -> None:
        self._done = min(self._done + entry.nbytes, self._total)
        self._progress(self._done / self._total)
