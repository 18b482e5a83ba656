"""The first weights of a new model."""

from __future__ import annotations

import math

import torch

from aquilon.models.attention import DenseCausalAttention
from aquilon.models.transformer import Transformer
from aquilon.training import sizes
from aquilon.training.initialization import initialize
from aquilon.training.protocol import Size

ARCHITECTURE = sizes.architecture(Size(depth=2, hidden_size=64, context=32), 256)


def fresh(seed: int) -> Transformer:
    transformer = Transformer(ARCHITECTURE)
    initialize(transformer, seed)
    return transformer


def test_a_seed_decides_all_weights() -> None:
    first, again, other = (fresh(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


def test_every_weight_is_a_number_and_no_two_matrices_are_alike() -> None:
    matrices = [weight for weight in fresh(1).state_dict().values() if weight.ndim == 2]
    assert all(bool(weight.isfinite().all()) for weight in matrices)
    assert (
        len({tuple(weight.flatten()[:8].tolist()) for weight in matrices if weight.any()})
        == sum(bool(weight.any()) for weight in matrices) - 1
    )  # the head is the embedding


def test_a_new_model_predicts_every_token_alike() -> None:
    transformer = fresh(1)
    ids = torch.arange(32)
    with torch.no_grad():
        hidden = transformer(ids, ids, DenseCausalAttention([32], ARCHITECTURE))
        loss = torch.nn.functional.cross_entropy(transformer.logits(hidden), ids.roll(-1))
    assert abs(float(loss) - math.log(256)) < 0.1
