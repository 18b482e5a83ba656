"""The default model's answers beside fifteen others and alone: packed by the native kernels, and in torch."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.loaded_models import Arrival, check_each_as_alone

from aquilon.engine.kernels import available
from aquilon.engine.loading import plan_loading
from aquilon.engine.model import LoadedModel
from aquilon.engine.options import EngineOptions, Quantize
from aquilon.engine.protocol import LoadModel, SamplingParameters, SequenceRequest


def load(file: Path, quantize: Quantize, **options: int | bool) -> LoadedModel:
    threads = 1 if quantize == "none" else None
    chosen = EngineOptions(dtype="bfloat16", quantize=quantize, threads=threads, step_seconds=None, **options)  # type: ignore[arg-type]
    plan = plan_loading(LoadModel("m", str(file)), chosen)
    return plan.load(plan.limit, lambda share: None)


def make_arrivals(seed: int, max_tokens: int) -> list[Arrival]:
    """Requests of which many share a prefix and some are cancelled before they finish."""
    chance = random.Random(seed)
    stem = [chance.randrange(3, 49000) for _ in range(100)]
    arrivals = []
    for number in range(16):
        own = [chance.randrange(3, 49000) for _ in range(chance.randrange(1, 60))]
        prompt = stem[: chance.choice([0, 33, 64, 100])] + own
        sampling = SamplingParameters(
            temperature=chance.choice([0.0, 0.8]), top_p=0.9, seed=number, max_tokens=max_tokens, ignore_eos=True
        )
        cancel_after = chance.choice([None, None, None, 4])
        arrivals.append(
            Arrival(
                number // 3,
                SequenceRequest(id=str(number), model="m", prompt_ids=prompt, sampling=sampling),
                cancel_after,
            )
        )
    return arrivals


@pytest.mark.skipif(not available(), reason="no native kernels on this machine")
@pytest.mark.parametrize(
    ("prefix_cache", "step_tokens"),
    [pytest.param(True, 96, id="cache"), pytest.param(False, 512, id="no-cache", marks=pytest.mark.slow)],
)
@pytest.mark.slow
def test_each_packed_answer_equals_its_answer_alone(
    default_model_file: Path, prefix_cache: bool, step_tokens: int
) -> None:
    crowded = load(default_model_file, "auto", kv_tokens=512, step_tokens=step_tokens, prefix_cache=prefix_cache)
    alone = load(default_model_file, "auto", kv_tokens=512, prefix_cache=False)
    check_each_as_alone(crowded, alone, make_arrivals(seed=step_tokens, max_tokens=40))
    assert crowded.scheduler.counts.preemptions > 0
    assert (crowded.scheduler.counts.prefix_cache_hits > 0) == prefix_cache


@pytest.mark.slow
def test_each_bfloat16_answer_equals_its_answer_alone(default_model_file: Path) -> None:
    crowded = load(default_model_file, "none", kv_tokens=512, step_tokens=96)
    alone = load(default_model_file, "none", kv_tokens=512, prefix_cache=False)
    check_each_as_alone(crowded, alone, make_arrivals(seed=1, max_tokens=6))
