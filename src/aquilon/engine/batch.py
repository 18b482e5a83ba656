"""A step's flat batch: the input of the transformer and its attention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aquilon.engine.scheduler import Step


@dataclass(frozen=True, kw_only=True)
class Batch:
    """``T`` rows of ``S`` sequences; ``max_blocks`` is the length of the longest block table."""

    token_ids: Tensor
    """``(T,)`` int64."""
    positions: Tensor
    """``(T,)`` int64."""
    sequence_starts: Tensor
    """``(S + 1,)`` int32: the rows of sequence ``i`` are ``sequence_starts[i]`` to ``sequence_starts[i + 1]``."""
    context_lengths: Tensor
    """``(S,)`` int32: tokens whose keys and values are in the cache after this step."""
    block_tables: Tensor
    """``(S, max_blocks)`` int32."""


def make_batch(step: Step, device: torch.device) -> Batch:
    """The batch of a step, on ``device``."""
    rows, sequences = step.num_rows, len(step.chunks)
    token_ids = np.empty(rows, np.int64)
    positions = np.empty(rows, np.int64)
    starts = np.zeros(sequences + 1, np.int32)
    contexts = np.empty(sequences, np.int32)
    tables = np.zeros((sequences, max(len(sequence.block_table) for sequence, _ in step.chunks)), np.int32)
    row = 0
    for number, (sequence, num_tokens) in enumerate(step.chunks):
        first = sequence.num_computed
        end = first + num_tokens
        if num_tokens == 1:
            token_ids[row] = sequence.token_ids[first]
            positions[row] = first
        else:
            token_ids[row : row + num_tokens] = sequence.token_ids[first:end]
            positions[row : row + num_tokens] = np.arange(first, end)
        row += num_tokens
        starts[number + 1] = row
        contexts[number] = end
        tables[number, : len(sequence.block_table)] = sequence.block_table
    return Batch(
        token_ids=torch.from_numpy(token_ids).to(device),
        positions=torch.from_numpy(positions).to(device),
        sequence_starts=torch.from_numpy(starts).to(device),
        context_lengths=torch.from_numpy(contexts).to(device),
        block_tables=torch.from_numpy(tables).to(device),
    )
