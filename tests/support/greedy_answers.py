"""What a model answers greedily, here and in other programs, and whether the answers are the same."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.support.loaded_models import answer_all

from aquilon.engine.loading import plan_loading
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import LoadModel, SamplingParameters, SequenceRequest

SMALLEST_GAP = 0.05
"""Logits: a first difference between tokens that lie closer than this is rounding."""


def greedy(path: Path, prompt: list[int], *, count: int = 24) -> list[int]:
    """Our engine's answer, ended by its length only."""
    planned = plan_loading(LoadModel("m", str(path)), EngineOptions(dtype="float32", threads=1, kv_tokens=256))
    sampling = SamplingParameters(temperature=0, max_tokens=count, ignore_eos=True)
    request = SequenceRequest(id="r", model="m", prompt_ids=prompt, sampling=sampling)
    return answer_all(planned.load(planned.limit, lambda share: None), [request])["r", 0].token_ids


def check_same_but_for_ties(where: str, answer: list[int], expected: list[int], logits: torch.Tensor) -> None:
    """Raises AssertionError unless the answers are equal up to a first difference between tokens of about one logit.

    ``logits (T, vocab)``: before each expected token.
    """
    for position, (token, wanted) in enumerate(zip(answer, expected, strict=False)):
        if token != wanted:
            gap = (logits[position, wanted] - logits[position, token]).item()
            assert gap < SMALLEST_GAP, (
                f"{where}: token {token} instead of {wanted} at {position}, {gap:.3f} logits lower"
            )
            print(f"{where}: a tie at token {position}: {token} and {wanted} are {gap:.3f} logits apart")
            return
