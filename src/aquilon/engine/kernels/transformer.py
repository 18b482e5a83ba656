"""The transformer with packed weights: all its layers are one native call."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from aquilon.engine.kernels import library
from aquilon.engine.kernels.attention import NativeAttention, layer_cache
from aquilon.engine.kernels.linear import PackedEmbedding, PackedLinear
from aquilon.engine.kv_cache import KVCache
from aquilon.models.architecture import Architecture
from aquilon.models.attention import Attention
from aquilon.models.transformer import MLP, Layer, Transformer


class PackedTransformer(Transformer):
    """A transformer whose matrices are packed, in fp32 otherwise.

    With ``NativeAttention`` a step of a dense model is one native call; with any
    other attention, or with experts, torch computes module by module. Both give the
    same values up to fp32 rounding, and each gives a row the same bits whatever else
    is in the batch.
    """

    def __init__(self, architecture: Architecture) -> None:
        """The structure on the meta device, without weights; ``load_packed`` adds them."""
        super().__init__(architecture, dtype=torch.float32, device="meta")
        self._decoder: library.Decoder | None = None
        self._decoder_cache: KVCache | None = None

    def forward(self, token_ids: Tensor, positions: Tensor, attention: Attention) -> Tensor:
        if isinstance(attention, NativeAttention):
            if self._decoder_cache is not attention.cache:
                self._decoder = self._describe(attention.cache) if self._is_fusible() else None
                self._decoder_cache = attention.cache
            if self._decoder is not None:
                return self._step(self._decoder, token_ids=token_ids, positions=positions, attention=attention)
        return super().forward(token_ids, positions, attention)

    def _is_fusible(self) -> bool:
        """Whether a step can be one native call: the model is dense and all its matrices are packed."""
        matrices: list[object] = []
        for layer in self.layers:
            assert isinstance(layer, Layer)
            if not isinstance(layer.mlp, MLP):
                return False
            matrices += [layer.attention.qkv, layer.attention.output, layer.mlp.gate_up, layer.mlp.down]
        embedding = self.get_submodule("embedding")
        return isinstance(embedding, PackedEmbedding) and all(isinstance(m, PackedLinear) for m in matrices)

    def _step(
        self, decoder: library.Decoder, *, token_ids: Tensor, positions: Tensor, attention: NativeAttention
    ) -> Tensor:
        tokens = token_ids.contiguous()
        if not 0 <= int(tokens.min()) <= int(tokens.max()) < self.architecture.vocab_size:
            raise IndexError(f"token ids must be from 0 to {self.architecture.vocab_size - 1}")
        cosines, sines = (factor.contiguous() for factor in self.rotary(positions))  # (T, 1, head_dim / 2) each
        scales = self.rotary.query_scale(positions)  # (T, 1, 1)
        scales = None if scales is None else scales.float().contiguous()
        batch = library.Batch.from_buffer_copy(attention.batch)
        batch.cosines, batch.sines = cosines.data_ptr(), sines.data_ptr()
        batch.query_scales = None if scales is None else scales.data_ptr()
        hidden = torch.empty(tokens.shape[0], self.architecture.hidden_size)
        failed = library.load().aq_decode(
            ctypes.byref(decoder), ctypes.byref(batch), tokens.data_ptr(), hidden.data_ptr()
        )
        if failed:
            raise MemoryError(f"no memory to compute {tokens.shape[0]} tokens")
        return hidden

    def _describe(self, cache: KVCache) -> library.Decoder:
        """The model as the native library's structures, which point into this module's weights and the cache."""
        a = self.architecture
        layers = (library.Layer * a.num_layers)()
        for index, (described, layer) in enumerate(zip(layers, self.layers, strict=True)):
            assert isinstance(layer, Layer)
            attention, mlp = layer.attention, layer.mlp
            assert isinstance(mlp, MLP)
            described.attention_norm = layer.attention_norm.weight.data_ptr()
            described.mlp_norm = layer.mlp_norm.weight.data_ptr()
            if attention.query_norm is not None and attention.key_norm is not None:
                described.query_norm = attention.query_norm.weight.data_ptr()
                described.key_norm = attention.key_norm.weight.data_ptr()
            described.qkv = _projection(attention.qkv)
            described.output = _projection(attention.output)
            described.gate_up = _projection(mlp.gate_up)
            described.down = _projection(mlp.down)
            described.cache = layer_cache(cache, index)
            described.window = a.sliding_windows[index] or 0
        embedding = self.get_submodule("embedding")
        assert isinstance(embedding, PackedEmbedding)
        return library.Decoder(
            layer_count=a.num_layers,
            hidden=a.hidden_size,
            intermediate=a.intermediate_size,
            heads=a.num_heads,
            kv_heads=a.num_kv_heads,
            head_dim=a.head_dim,
            epsilon=a.norm_eps,
            scale=a.head_dim**-0.5,
            layers=layers,
            embedding=ctypes.pointer(embedding.weight.matrix),
            norm=self.norm.weight.data_ptr(),
        )


def _projection(module: object) -> library.Projection:
    assert isinstance(module, PackedLinear)
    return module.projection
