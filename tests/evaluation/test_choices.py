"""Multiple choice by log-likelihood: a context computed once for all choices, equal to the slow way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from tests.support.random_transformers import random_architecture, random_transformer
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.evaluation.candidates import load_candidate
from aquilon.evaluation.likelihood import continuation_logprobs, target_logprobs
from aquilon.evaluation.scoring import LoadedScorer
from aquilon.text.huggingface import tokenizer_from_folder


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("prefix", [0, 1, 23])
def test_a_prefix_computed_once_gives_what_whole_sequences_give(prefix: int, window: int | None) -> None:
    model = random_transformer(random_architecture(sliding_windows=(None, window)))
    generator = torch.Generator().manual_seed(3)

    def tokens(count: int) -> list[int]:
        return torch.randint(0, 160, (count,), generator=generator).tolist()

    context, ends = tokens(prefix + 1), [tokens(1), tokens(9), tokens(4)]
    together = continuation_logprobs(model, context[:prefix], [([context[-1], *end[:-1]], end) for end in ends])
    for end, score in zip(ends, together, strict=True):
        ids = [*context, *end]
        [alone] = target_logprobs(model, [(ids[:-1], [-1] * prefix + end)])
        assert score == pytest.approx(float(alone.double().sum()), rel=1e-5)


async def test_the_score_of_a_choice_is_its_tokens_log_probability_by_transformers(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "tiny", tiny_checkpoint())
    scorer = LoadedScorer(load_candidate(folder, "float32", lambda share: None))
    context, choices = "Der Himmel ist", [" blau", " grün und weit", "."]
    scores = await scorer.log_likelihoods(context, choices)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = tokenizer_from_folder(folder)
    for choice, score in zip(choices, scores, strict=True):
        ids = torch.tensor([tokenizer.encode(context + choice)])
        with torch.no_grad():
            logprobs = model(ids).logits[0, :-1].double().log_softmax(-1)
        begin = len(tokenizer.encode(context))
        expected = logprobs[range(begin - 1, ids.shape[1] - 1), ids[0, begin:]].sum().item()
        assert score == pytest.approx(expected, rel=1e-5)
