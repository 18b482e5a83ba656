"""The default model, read by ourselves, answers as transformers does with the same dequantized weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.support.reference import NEAR, SMALLEST_GAP, Reference, read_references

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.weights import load_transformer
from aquilon.models.attention import DenseCausalAttention


@pytest.mark.slow
def test_greedy_answers_are_those_of_transformers(default_model_file: Path, default_reference: Reference) -> None:
    """Shown a prompt and any beginning of the reference's answer, our most likely token is the reference's next.

    That is greedy generation up to its first difference, in one pass over all twenty sequences.
    """
    checkpoint = open_checkpoint(default_model_file)
    model = load_transformer(checkpoint)
    prompts, answers = default_reference.prompt_ids, default_reference.answers
    shown = [prompt + answer[:-1] for prompt, answer in zip(prompts, answers, strict=True)]
    lengths = [len(sequence) for sequence in shown]
    positions = torch.cat([torch.arange(length) for length in lengths])
    attention = DenseCausalAttention(lengths, checkpoint.architecture)
    hidden = model(
        torch.tensor([token for sequence in shown for token in sequence]), positions, attention
    )  # (T, hidden)

    reports = []
    for index, sequence in enumerate(hidden.split(lengths)):
        likeliest = model.logits(sequence[-len(answers[index]) :]).argmax(dim=-1).tolist()
        reports.append(default_reference.compare(index, likeliest))
        print(reports[-1])
    assert all(report.passes for report in reports)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_reference_answers_are_what_transformers_computes(default_model_file: Path) -> None:
    """The data in `tests/references` equals the answers of the installed transformers and torch."""
    from tests.support.transformers_answers import gaps_of, load

    model = load(default_model_file)
    for answer in read_references().answers:
        gaps = gaps_of(model, answer.prompt_ids, answer.token_ids)
        assert all(gap > -SMALLEST_GAP for at_token in gaps for gap in at_token.values()), "not the likeliest token"
        for known, computed in zip(answer.gaps, gaps, strict=True):
            for token in known.keys() & computed.keys():
                assert known[token] == pytest.approx(computed[token], abs=SMALLEST_GAP / 5)
            farther = known.keys() ^ computed.keys()  # on either side of the border by rounding
            assert all((known | computed)[token] > NEAR - SMALLEST_GAP for token in farther)
