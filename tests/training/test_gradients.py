"""Each gradient that is written by hand is autograd's, in float64 on tiny sizes."""

from __future__ import annotations

import pytest
import torch
from tests.support.random_transformers import random_architecture, random_transformer
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn.functional import scaled_dot_product_attention

from aquilon.models.attention import DenseCausalAttention
from aquilon.models.transformer import Transformer
from aquilon.training import loss as losses
from aquilon.training.attention import DocumentAttention
from aquilon.training.block_attention import block_causal_attention
from aquilon.training.lora import add_lora, lora_layers
from aquilon.training.protocol import Lora

DOUBLE = torch.float64
TARGETS = torch.tensor([3, -100, 0, 6, -100, 2, 5])


@pytest.fixture(autouse=True)
def few_logits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that seven tokens take several chunks."""
    monkeypatch.setattr(losses, "_LOGITS_AT_ONCE", 16)


def hidden_and_head() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(7, 5, dtype=DOUBLE, requires_grad=True), torch.randn(7, 5, dtype=DOUBLE, requires_grad=True)


@pytest.mark.parametrize("z_loss", [0.0, 0.1])
def test_the_cross_entropys_gradient_is_autograds(z_loss: float) -> None:
    hidden, head = hidden_and_head()
    assert gradcheck(lambda h, w: losses.cross_entropy_sum(h, w, TARGETS, z_loss)[0], (hidden, head))


def test_the_cross_entropy_of_a_frozen_head_has_the_same_gradient_of_the_hidden_states() -> None:
    hidden, head = hidden_and_head()
    [expected] = torch.autograd.grad(losses.cross_entropy_sum(hidden, head, TARGETS)[0], [hidden])
    frozen = head.detach()
    [gradient] = torch.autograd.grad(losses.cross_entropy_sum(hidden, frozen, TARGETS)[0], [hidden])
    assert torch.equal(gradient, expected)


def test_the_log_probabilities_are_the_plain_ones_and_their_gradient_is_autograds() -> None:
    hidden, head = hidden_and_head()
    plain = (hidden @ head.T).log_softmax(-1)
    expected = torch.where(TARGETS >= 0, plain.gather(1, TARGETS.clamp(min=0)[:, None])[:, 0], 0.0)
    torch.testing.assert_close(losses.log_probabilities(hidden, head, TARGETS), expected)
    assert gradcheck(lambda h, w: losses.log_probabilities(h, w, TARGETS), (hidden, head))


def test_an_updated_layers_gradient_is_autograds() -> None:
    transformer = _adapted(Lora(rank=2, alpha=3.0))
    for _, _, layer in lora_layers(transformer):
        x = torch.randn(3, layer.base.in_features, dtype=DOUBLE, requires_grad=True)
        assert gradcheck(lambda x, *_, layer=layer: layer(x), (x, layer.lora_a, *layer.lora_b))


def test_an_updated_layer_adds_each_projections_update_to_its_own_rows() -> None:
    transformer = _adapted(Lora(rank=2, alpha=3.0, targets=["q_proj", "v_proj", "up_proj"]))
    layers = {layer.names: layer for _, _, layer in lora_layers(transformer)}
    assert list(layers) == [("q_proj", "v_proj"), ("up_proj",)]
    layer = layers["q_proj", "v_proj"]
    x = torch.randn(4, layer.base.in_features, dtype=DOUBLE)
    of_queries, of_values = layer.lora_a.split(2)
    expected = layer.base(x)
    expected[:, :64] += 1.5 * x @ of_queries.T @ layer.lora_b[0].T  # four heads of 16
    expected[:, 96:] += 1.5 * x @ of_values.T @ layer.lora_b[1].T  # behind two heads of keys
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("lengths", [(4, 4), (5, 2, 5, 1)])
def test_attention_within_documents_is_dense_attention_with_its_gradients(
    lengths: tuple[int, ...], window: int | None
) -> None:
    architecture = random_architecture(num_layers=1, sliding_windows=(window,))
    torch.manual_seed(0)
    tokens = sum(lengths)
    parts = {
        name: torch.randn(tokens, heads, 16, dtype=DOUBLE, requires_grad=True)
        for name, heads in (("query", 4), ("key", 2), ("value", 2))
    }
    weights = torch.randn(tokens, 4, 16, dtype=DOUBLE)
    results = []
    for attention in (
        DocumentAttention(lengths, architecture, torch.device("cpu")),
        DenseCausalAttention(lengths, architecture),
    ):
        output = attention(0, **parts)
        results.append((output, *torch.autograd.grad((output * weights).sum(), list(parts.values()))))
    for ours, dense in zip(*results, strict=True):
        torch.testing.assert_close(ours, dense)


@pytest.mark.parametrize(("length", "heads", "kv_heads"), [(1, 2, 2), (128, 4, 2), (130, 3, 1), (300, 2, 2)])
def test_attention_in_blocks_is_dense_attention_with_its_gradients(length: int, heads: int, kv_heads: int) -> None:
    torch.manual_seed(0)
    parts = [
        torch.randn(2, length, count, 8, dtype=DOUBLE, requires_grad=True) for count in (heads, kv_heads, kv_heads)
    ]
    weights = torch.randn(2, length, heads, 8, dtype=DOUBLE)
    results = []
    for output in (
        block_causal_attention(*parts),
        scaled_dot_product_attention(
            *(part.transpose(1, 2) for part in parts), is_causal=True, enable_gqa=True
        ).transpose(1, 2),
    ):
        results.append((output, *torch.autograd.grad((output * weights).sum(), parts)))
    for ours, dense in zip(*results, strict=True):
        torch.testing.assert_close(ours, dense)


def test_attention_in_blocks_is_as_exact_as_torch_s_in_bfloat16() -> None:
    torch.manual_seed(0)
    exact = [torch.randn(1, 200, count, 16, dtype=DOUBLE) for count in (4, 2, 2)]
    truth = scaled_dot_product_attention(*(part.transpose(1, 2) for part in exact), is_causal=True, enable_gqa=True)
    ours = block_causal_attention(*(part.bfloat16() for part in exact)).transpose(1, 2)
    assert (ours - truth).norm() / truth.norm() < 0.006


def _adapted(lora: Lora) -> Transformer:
    transformer = random_transformer(random_architecture(num_layers=1), dtype=DOUBLE)
    add_lora(transformer, lora, seed=0)
    torch.manual_seed(0)
    for _, _, layer in lora_layers(transformer):
        for parameter in (layer.lora_a, *layer.lora_b):
            parameter.data = torch.randn(parameter.shape, dtype=DOUBLE)
    return transformer
