"""Loaded models without a checkpoint or a process, stepped by the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from tests.support.ascii_tokenizer import ascii_vocabulary

from aquilon.engine.blocks import BlockPool
from aquilon.engine.constraints import ConstraintBuilder, Vocabulary
from aquilon.engine.kv_cache import KVCache
from aquilon.engine.linear import make_row_invariant
from aquilon.engine.model import LoadedModel
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import SequenceOutput, SequenceRequest
from aquilon.engine.runner import Runner
from aquilon.engine.scheduler import Scheduler
from aquilon.models.transformer import Transformer

CPU = torch.device("cpu")


def loaded_model(
    transformer: Transformer,
    *,
    kv_dtype: torch.dtype,
    num_blocks: int = 64,
    block_size: int = 8,
    step_tokens: int = 64,
    max_sequences: int = 16,
    prefix_cache: bool = True,
    row_invariant: bool = True,
    eos_ids: frozenset[int] = frozenset({2}),
    vocabulary: Callable[[], Vocabulary] = ascii_vocabulary,
) -> LoadedModel:
    architecture = transformer.architecture
    if row_invariant:
        make_row_invariant(transformer)
    cache = KVCache(architecture, num_blocks=num_blocks, block_size=block_size, dtype=kv_dtype, device=CPU)
    return LoadedModel(
        "m",
        runner=Runner(transformer, cache, device=CPU),
        scheduler=Scheduler(
            BlockPool(num_blocks, block_size),
            step_tokens=step_tokens,
            max_sequences=max_sequences,
            prefix_cache=prefix_cache,
        ),
        options=EngineOptions(step_seconds=None),
        vocab_size=architecture.vocab_size,
        max_context=min(architecture.max_context, num_blocks * block_size),
        eos_ids=eos_ids,
        memory=0,
        constraints=ConstraintBuilder(vocabulary),
    )


def add(model: LoadedModel, request: SequenceRequest) -> None:
    """Queue a request after building its grammar."""
    if request.grammar is None:
        model.add(request)
        return
    constraint = model.build_constraint(request).result()
    assert model.take_awaited(request.id)
    model.add(request, constraint)


@dataclass
class Answer:
    token_ids: list[int] = field(default_factory=list)
    outputs: list[SequenceOutput] = field(default_factory=list)

    @property
    def finish_reason(self) -> str | None:
        return self.outputs[-1].finish_reason if self.outputs else None


Answers = dict[tuple[str, int], Answer]


def collect(outputs: list[SequenceOutput], answers: Answers) -> None:
    for output in outputs:
        answer = answers.setdefault((output.id, output.index), Answer())
        answer.token_ids += output.token_ids
        answer.outputs.append(output)


def answer_all(model: LoadedModel, requests: list[SequenceRequest]) -> Answers:
    """Add all, step until idle."""
    answers: Answers = {}
    for request in requests:
        add(model, request)
    while model.in_use:
        collect(model.step().outputs, answers)
    return answers


@dataclass(frozen=True)
class Arrival:
    step: int
    request: SequenceRequest
    cancel_after: int | None


def answer_arrivals(model: LoadedModel, arrivals: list[Arrival]) -> tuple[Answers, set[str]]:
    """Add and cancel requests at their steps; returns the answers and the ids of cancelled requests."""
    answers: Answers = {}
    cancelled: set[str] = set()
    waiting = sorted(arrivals, key=lambda arrival: arrival.step)
    now = 0
    while waiting or model.in_use:
        while waiting and waiting[0].step <= now:
            add(model, waiting.pop(0).request)
        for arrival in arrivals:
            if arrival.cancel_after is not None and arrival.step + arrival.cancel_after == now:
                model.cancel(arrival.request.id)
                cancelled.add(arrival.request.id)
        if model.in_use:
            collect(model.step().outputs, answers)
        now += 1
    return answers, cancelled


def check_each_as_alone(crowded: LoadedModel, lonely: LoadedModel, arrivals: list[Arrival]) -> None:
    """Assert that each answer of ``crowded`` equals that of ``lonely`` to the request alone, and no block is lost."""
    answers, cancelled = answer_arrivals(crowded, arrivals)
    assert crowded.scheduler.pool.num_free == crowded.scheduler.pool.num_blocks
    for arrival in arrivals:
        for key, answer in answer_all(lonely, [arrival.request]).items():
            token_ids = answers[key].token_ids if key in answers else []
            expected = answer.token_ids
            assert token_ids == (expected[: len(token_ids)] if arrival.request.id in cancelled else expected), (
                f"stream {key}"
            )
