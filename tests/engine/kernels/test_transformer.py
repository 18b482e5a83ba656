"""A packed model's step as one native call: the values of the modules one by one, whatever else is in the batch."""

from __future__ import annotations

import pytest
import torch
from tests.support.random_transformers import random_architecture, random_transformer
from torch import Tensor, nn

from aquilon.engine.batch import Batch
from aquilon.engine.kernels import library
from aquilon.engine.kernels.attention import NativeAttention
from aquilon.engine.kernels.linear import PackedEmbedding, PackedLinear
from aquilon.engine.kernels.packing import PackedMatrix
from aquilon.engine.kernels.quanta import from_dense
from aquilon.engine.kernels.transformer import PackedTransformer
from aquilon.engine.kv_cache import KVCache
from aquilon.models.architecture import Architecture, Rotary
from aquilon.models.attention import DenseCausalAttention
from aquilon.models.transformer import Transformer

pytestmark = pytest.mark.skipif(not library.available(), reason=str(library.unavailable_reason()))

ARCHITECTURES = {
    "llama": random_architecture(),
    "window": random_architecture(sliding_windows=(11, None)),
    "biases and norms": random_architecture(attention_bias=True, output_bias=True, mlp_bias=True, qk_norm=True),
    "query scale": random_architecture(rotary=Rotary(query_scale_beta=0.1, query_scale_context=16)),
    "own head, wide groups": random_architecture(tied_embeddings=False, num_heads=8, num_kv_heads=1, head_dim=32),
    "experts": random_architecture(num_experts=4, experts_per_token=2),
}
LENGTH = 75


def packed_pair(architecture: Architecture) -> tuple[PackedTransformer, Transformer]:
    """A packed model, and a plain one with the same values."""
    plain = random_transformer(architecture)
    packed = PackedTransformer(architecture)
    for name, module in list(plain.named_modules()):
        owner, _, attribute = name.rpartition(".")
        target = packed.get_submodule(owner)
        if isinstance(module, nn.Embedding | nn.Linear) and not name.endswith("router"):
            quanta = from_dense(module.weight.numpy(), bits=8)
            module.weight.copy_(torch.from_numpy(quanta.dequantized()))
            matrix = PackedMatrix(quanta)
            bias = getattr(module, "bias", None)
            replacement = PackedEmbedding(matrix) if isinstance(module, nn.Embedding) else PackedLinear([matrix], bias)
            setattr(target, attribute, replacement)
        else:
            for kind, parameter in list(module.named_parameters(recurse=False)):
                setattr(packed.get_submodule(name), kind, parameter)
    return packed, plain


def cache_for(architecture: Architecture) -> KVCache:
    return KVCache(architecture, num_blocks=40, block_size=32, dtype=torch.float32, device=torch.device("cpu"))


def step(model: PackedTransformer, cache: KVCache, parts: list[tuple[Tensor, int, int]]) -> list[Tensor]:
    """Hidden states of rows ``first`` to the end of each prompt; sequence ``n`` has blocks 4n to 4n + 3."""
    lengths = [len(ids) - first for ids, first, _ in parts]
    batch = Batch(
        token_ids=torch.cat([ids[first:] for ids, first, _ in parts]),
        positions=torch.cat([torch.arange(first, len(ids)) for ids, first, _ in parts]),
        sequence_starts=torch.tensor([0, *lengths]).cumsum(0).int(),
        context_lengths=torch.tensor([len(ids) for ids, _, _ in parts], dtype=torch.int32),
        block_tables=torch.tensor(
            [[4 * number + block for block in range(4)] for _, _, number in parts], dtype=torch.int32
        ),
    )
    attention = NativeAttention(cache, batch, model.architecture)
    with torch.inference_mode():
        return list(model(batch.token_ids, batch.positions, attention).split(lengths))


def prompt(length: int = LENGTH, seed: int = 0) -> Tensor:
    return torch.randint(3, 160, (length,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_step_equals_the_plain_transformer(name: str) -> None:
    architecture, ids = ARCHITECTURES[name], prompt()
    packed, plain = packed_pair(architecture)
    (hidden,) = step(packed, cache_for(architecture), [(ids, 0, 0)])
    with torch.inference_mode():
        expected = plain(ids, torch.arange(LENGTH), DenseCausalAttention([LENGTH], architecture))
        logits = plain.logits(expected)
    assert (packed.logits(hidden) - logits).abs().max() < 2e-3 * logits.std()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_chunks_and_other_sequences_change_no_bit(name: str) -> None:
    architecture, ids = ARCHITECTURES[name], prompt()
    packed, _ = packed_pair(architecture)
    (whole,) = step(packed, cache_for(architecture), [(ids, 0, 0)])
    others = [(prompt(20 + number, number), 0, number) for number in range(1, 9)]
    for cuts in ([1, 2, 40], [33], list(range(1, LENGTH))):
        cache, first, rows = cache_for(architecture), 0, []
        for end in [*cuts, LENGTH]:
            rows.append(step(packed, cache, [*others, (ids[:end], first, 0)])[-1])
            first = end
        assert torch.equal(torch.cat(rows), whole), cuts


def test_token_ids_beyond_the_vocabulary_are_refused() -> None:
    architecture = ARCHITECTURES["llama"]
    packed, _ = packed_pair(architecture)
    for ids in ([160], [-1]):
        with pytest.raises(IndexError, match="0 to 159"):
            step(packed, cache_for(architecture), [(torch.tensor(ids), 0, 0)])
