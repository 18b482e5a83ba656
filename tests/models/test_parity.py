"""Every family computes what transformers computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.support.tiny_models import CONFIGS, length_of, reference_logits, relative_difference, save_tiny_model

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.weights import load_transformer
from aquilon.models.attention import DenseCausalAttention

TOLERANCE = 1e-4
"""Relative to the spread of the logits, fp32."""


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_equal_those_of_transformers(name: str, tmp_path: Path) -> None:
    reference = save_tiny_model(name, tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    model = load_transformer(checkpoint)
    architecture = checkpoint.architecture

    token_ids = torch.randint(0, architecture.vocab_size, (length_of(name),))
    positions = torch.arange(len(token_ids))
    hidden = model(token_ids, positions, DenseCausalAttention([len(token_ids)], architecture))
    expected = reference_logits(reference, token_ids)

    assert expected.std() > 0.5, "logits without spread would prove nothing"
    assert relative_difference(model.logits(hidden), expected) <= TOLERANCE


@pytest.mark.parametrize("name", CONFIGS)
def test_a_sequence_is_computed_alike_alone_and_beside_others(name: str, tmp_path: Path) -> None:
    save_tiny_model(name, tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    model = load_transformer(checkpoint, dtype=torch.float64)
    lengths = [7, 40, 1, 23]
    sequences = [torch.randint(0, checkpoint.architecture.vocab_size, (length,)) for length in lengths]

    def hidden(chosen: list[torch.Tensor]) -> torch.Tensor:
        positions = torch.cat([torch.arange(len(sequence)) for sequence in chosen])
        attention = DenseCausalAttention([len(sequence) for sequence in chosen], checkpoint.architecture)
        return model(torch.cat(chosen), positions, attention)

    together = hidden(sequences)
    alone = torch.cat([hidden([sequence]) for sequence in sequences])
    assert torch.allclose(together, alone, rtol=1e-6, atol=1e-6)
