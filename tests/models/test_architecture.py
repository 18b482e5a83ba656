"""An architecture counts the weights and operations of the module that it describes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from tests.support.tiny_models import CONFIGS, save_tiny_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.models.architecture import Architecture, Rotary
from aquilon.models.attention import DenseCausalAttention
from aquilon.models.transformer import Transformer

SMALL = Architecture(
    family="llama",
    vocab_size=50,
    hidden_size=16,
    intermediate_size=24,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=8,
    norm_eps=1e-5,
    max_context=128,
    rotary=Rotary(),
    sliding_windows=(None, None),
)


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_those_of_the_module_and_of_transformers(name: str, tmp_path: Path) -> None:
    reference = save_tiny_model(name, tmp_path)
    architecture = open_checkpoint(tmp_path).architecture
    module = Transformer(architecture, device="meta")
    assert architecture.parameters() == sum(parameter.numel() for parameter in module.parameters())
    others = ("vision_tower", "multi_modal_projector")
    theirs = sum(p.numel() for name, p in reference.named_parameters() if not any(other in name for other in others))
    assert architecture.parameters() == theirs


def test_a_mixture_counts_only_the_experts_that_a_token_visits_as_active() -> None:
    mixture = dataclasses.replace(SMALL, num_experts=4, experts_per_token=2)
    expert = 3 * SMALL.hidden_size * SMALL.intermediate_size
    assert mixture.parameters() - mixture.active_parameters() == 2 * 2 * expert
    assert SMALL.active_parameters() == SMALL.parameters()


@pytest.mark.parametrize("experts", [0, 4])
def test_flops_are_those_that_torch_counts(experts: int) -> None:
    # Every token visits every expert, and the plain kernel of attention computes all pairs: torch counts both exactly.
    architecture = dataclasses.replace(SMALL, num_experts=experts, experts_per_token=experts)
    model = Transformer(architecture)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    length = 12
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        token_ids = torch.zeros(length, dtype=torch.int64)
        model.logits(model(token_ids, torch.arange(length), DenseCausalAttention([length], architecture)))
    assert counter.get_total_flops() == length * architecture.flops_per_token(length)


def test_a_sliding_window_bounds_the_flops_of_long_contexts() -> None:
    windowed = dataclasses.replace(SMALL, sliding_windows=(8, None))
    seen_less = 4 * SMALL.num_heads * SMALL.head_dim * (100 - 8)
    assert SMALL.flops_per_token(100) - windowed.flops_per_token(100) == seen_less


def test_kv_bytes_are_keys_and_values_of_all_layers() -> None:
    assert SMALL.kv_bytes_per_token(2) == 2 * 2 * 2 * 8 * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_kv_heads": 3}, "num_heads"),
        ({"head_dim": 7}, "even"),
        ({"hidden_size": -5}, "hidden_size"),
        ({"vocab_size": 2**40}, "vocab_size"),
        ({"sliding_windows": (None,)}, "sliding_windows"),
        ({"sliding_windows": (None, 0)}, "at least 1"),
        ({"norm_eps": float("nan")}, "norm_eps"),
        ({"num_experts": 2, "experts_per_token": 3}, "experts_per_token"),
    ],
)
def test_impossible_numbers_are_refused_with_their_names(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)
