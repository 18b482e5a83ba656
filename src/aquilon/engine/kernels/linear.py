"""Linear layers and embeddings over packed weights, in the place of torch's own."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aquilon.engine.kernels.library import Matrix, Projection, load
from aquilon.engine.kernels.packing import PackedMatrix


class PackedLinear(nn.Module):
    """``x (T, in) float32 -> (T, out) float32``; a row's result is the same, bit for bit, whatever T is.

    The outputs of several matrices lie side by side; each matrix has its own bits and
    scales. Activations are rounded to 16 bits, with one scale for each group of 32.
    """

    def __init__(self, parts: Sequence[PackedMatrix], bias: Tensor | None = None) -> None:
        super().__init__()
        self.in_features: int = parts[0].matrix.inputs
        if any(part.matrix.inputs != self.in_features for part in parts):
            raise ValueError(
                f"the parts have {[part.matrix.inputs for part in parts]} inputs: they must share one input"
            )
        self.parts = tuple(parts)
        self.matrices = (Matrix * len(parts))(*(part.matrix for part in parts))
        self.out_features = 0
        for matrix in self.matrices:
            matrix.first_output = self.out_features
            self.out_features += matrix.outputs
        self.bias = None if bias is None else bias.detach().float().contiguous()
        bias_address = None if self.bias is None else self.bias.data_ptr()
        self.projection = Projection(self.matrices, len(parts), bias_address)
        self._project = load().aq_project

    def forward(self, x: Tensor) -> Tensor:
        rows = x.shape[0]
        x = x.float().contiguous()
        out = torch.empty(rows, self.out_features)
        failed = self._project(
            ctypes.byref(self.projection), x.data_ptr(), self.in_features, rows, out.data_ptr(), self.out_features
        )
        if failed:
            raise MemoryError(f"no memory to multiply {rows} rows of {self.in_features}")
        return out

    @property
    def nbytes(self) -> int:
        """Memory of the packed weights."""
        return sum(part.nbytes for part in self.parts)


class PackedEmbedding(nn.Module):
    """``token_ids (T,) int64 -> (T, hidden) float32``: rows of a packed weight, which the output head may share."""

    def __init__(self, weight: PackedMatrix) -> None:
        super().__init__()
        self.weight = weight
        self.num_embeddings: int = weight.matrix.outputs
        self.embedding_dim: int = weight.matrix.inputs

    def forward(self, token_ids: Tensor) -> Tensor:
        token_ids = token_ids.to(torch.int64).contiguous()
        if token_ids.numel() and not 0 <= int(token_ids.min()) <= int(token_ids.max()) < self.num_embeddings:
            raise IndexError(f"token ids must be from 0 to {self.num_embeddings - 1}")
        out = torch.empty(token_ids.shape[0], self.embedding_dim)
        load().aq_embed_rows(ctypes.byref(self.weight.matrix), token_ids.data_ptr(), token_ids.shape[0], out.data_ptr())
        return out
