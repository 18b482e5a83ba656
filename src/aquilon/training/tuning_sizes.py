"""How a fine-tuning is cut into rows and steps, and how quickly it learns, where the job doesn't say."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aquilon.models.architecture import Architecture
from aquilon.training.protocol import Dpo, Lora, Sft

_PROJECTIONS = {
    "q_proj": "attention.query",
    "k_proj": "attention.key",
    "v_proj": "attention.value",
    "o_proj": "attention.output",
    "gate_proj": "mlp.gate",
    "up_proj": "mlp.up",
    "down_proj": "mlp.down",
}

_BATCH_TOKENS = 8192
_LEAST_STEPS = 50
"""Small data is read in so many steps, as long as each holds a row."""

_ROWS_OF_STEP = 8
"""A step has so many rows, or a half or a quarter of them where they must be longer for the longest document."""

_LEAST_PAIRS = 4
"""Of a step."""

_EPOCHS, _PAIR_EPOCHS = 3.0, 1.0
_LEARNING_RATE = 2e-5
"""For all weights of a model with 4,096 values a token; it rises as models become narrower."""
_LORA_FACTOR = 10
"""Low-rank updates take a tenfold rate (https://thinkingmachines.ai/blog/lora)."""
_PREFERENCE_FACTOR = 1 / 20
"""Preferences are learnt by small steps away from the reference."""


@dataclass(frozen=True, kw_only=True)
class TuningSizes:
    """The numbers of a fine-tuning."""

    row_tokens: int
    """Tokens of the fullest row."""
    rows_per_step: int
    epochs: float | None
    """None: the job gives steps or minutes."""
    learning_rate: float

    def steps(self, job: Sft | Dpo, rows: int) -> int | None:
        """None: the clock decides."""
        if self.epochs is None:
            return job.training.steps
        return max(1, round(self.epochs * rows / self.rows_per_step))


def tuning_sizes(
    job: Sft | Dpo, architecture: Architecture, *, tokens: int, longest: int, rows: int | None, context: int
) -> TuningSizes:
    """``tokens`` of the data and of its ``longest`` document; ``rows`` that it has already: pairs are a row each.

    They don't depend on the number of ranks, so that a run may go on with another one.
    """
    training = job.training
    epochs = training.epochs
    if epochs is None and training.steps is None and training.minutes is None:
        epochs = _PAIR_EPOCHS if isinstance(job, Dpo) else _EPOCHS
    wanted = training.batch_tokens or min(_BATCH_TOKENS, max(1, round(tokens * (epochs or 1.0) / _LEAST_STEPS)))
    if rows is None:
        parts = min(_ROWS_OF_STEP, 2 ** int(math.log2(max(1.0, wanted / longest))))
        row_tokens: float = max(longest, min(context, -(-wanted // parts)))
    else:
        row_tokens = tokens / max(1, rows)
        wanted = training.batch_tokens or max(wanted, round(_LEAST_PAIRS * row_tokens))
    rate = training.learning_rate or _learning_rate(job, architecture)
    return TuningSizes(
        row_tokens=round(row_tokens),
        rows_per_step=_shareable(wanted / row_tokens),
        epochs=epochs,
        learning_rate=rate,
    )


def _shareable(rows: float) -> int:
    """A number of rows near this one that 2, 4 or 8 ranks can share evenly, as far as there are so many."""
    if rows > _ROWS_OF_STEP:
        return round(rows / _ROWS_OF_STEP) * _ROWS_OF_STEP
    return int(2 ** round(math.log2(max(1.0, rows))))


def _learning_rate(job: Sft | Dpo, architecture: Architecture) -> float:
    rate = _LEARNING_RATE * math.sqrt(4096 / architecture.hidden_size)
    if job.lora is not None:
        rate *= _LORA_FACTOR
    return rate * _PREFERENCE_FACTOR if isinstance(job, Dpo) else rate


def lora_parameters(architecture: Architecture, lora: Lora) -> int:
    """The weights that an adapter trains."""
    endings = tuple(f".{_PROJECTIONS[name]}.weight" for name in lora.targets)
    shapes = [shape for name, shape in architecture.parameter_shapes().items() if name.endswith(endings)]
    return sum(lora.rank * sum(shape) for shape in shapes)


def flops_per_token(job: Sft | Dpo, architecture: Architecture, row_tokens: int) -> int:
    """Forward and backward: a frozen weight has no gradient, so that a third of the work is left out."""
    return (3 if job.lora is None else 2) * architecture.flops_per_token(row_tokens // 2)
