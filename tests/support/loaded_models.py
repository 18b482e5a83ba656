"""Loaded models without a checkpoint or a process: what one step after the other computes."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from aquilon.engine.blocks import BlockPool
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
    )


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
        model.add(request)
    while model.in_use:
        collect(model.step(), answers)
    return answers
