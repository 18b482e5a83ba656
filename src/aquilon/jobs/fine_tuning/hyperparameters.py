"""The numbers of a fine-tuning job, in both contracts' terms, and the job of the training process that follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from aquilon.training.protocol import Dpo, Lora, Sft, Training

Method = Literal["supervised", "dpo"]

EPOCHS: dict[Method, int] = {"supervised": 3, "dpo": 1}
"""How often the data is read if the job doesn't say."""
BATCH_SIZE = 8
"""Examples of a step if the job doesn't say."""
LEARNING_RATE: dict[Method, float] = {"supervised": 2e-4, "dpo": 2e-5}
"""Of a LoRA, where the multiplier is 1."""
RANK = 16
_LEAST_BATCH_TOKENS = 64


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """None leaves a number to the program."""

    epochs: float | None = None
    batch_size: int | None = None
    """Examples of a step (OpenAI)."""
    learning_rate_multiplier: float | None = None
    """OpenAI's: of `LEARNING_RATE`."""
    beta: float | None = None
    """Of DPO: how strongly the model is kept near its base."""
    steps: int | None = None
    """Instead of ``epochs`` (Mistral)."""
    learning_rate: float | None = None
    """Mistral's: the rate itself."""
    weight_decay: float | None = None
    warmup: float | None = None
    """The share of the steps in which the learning rate rises."""
    context: int | None = None
    """Tokens of the longest example."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How much there is to learn from, as estimated."""

    examples: int
    tokens: int

    @property
    def tokens_per_example(self) -> int:
        return math.ceil(self.tokens / max(1, self.examples))

    def batch_tokens(self, numbers: Hyperparameters) -> int:
        size = min(numbers.batch_size or BATCH_SIZE, self.examples)
        return max(_LEAST_BATCH_TOKENS, size * self.tokens_per_example)

    def trained_tokens(self, method: Method, numbers: Hyperparameters) -> int:
        """How many tokens the job trains on."""
        if numbers.steps is not None:
            return numbers.steps * self.batch_tokens(numbers)
        epochs = EPOCHS[method] if numbers.epochs is None else numbers.epochs
        return math.ceil(epochs * self.tokens)

    def steps(self, method: Method, numbers: Hyperparameters) -> int:
        if numbers.steps is not None:
            return numbers.steps
        return max(1, math.ceil(self.trained_tokens(method, numbers) / self.batch_tokens(numbers)))


def training_job(
    method: Method,
    numbers: Hyperparameters,
    *,
    model: Path,
    data: Sequence[Path],
    validation: Sequence[Path],
    amount: Amount,
    seed: int,
) -> Sft | Dpo:
    """What the training process is told."""
    rate = numbers.learning_rate
    if rate is None and numbers.learning_rate_multiplier is not None:
        rate = LEARNING_RATE[method] * numbers.learning_rate_multiplier
    epochs = None
    if numbers.steps is None:
        epochs = float(EPOCHS[method] if numbers.epochs is None else numbers.epochs)
    training = Training(
        steps=numbers.steps,
        epochs=epochs,
        batch_tokens=amount.batch_tokens(numbers),
        learning_rate=rate,
        seed=seed,
    )
    if numbers.weight_decay is not None:
        training = msgspec.structs.replace(training, weight_decay=numbers.weight_decay)
    if numbers.warmup is not None:
        training = msgspec.structs.replace(training, warmup=numbers.warmup)
    files, held_out = [str(path) for path in data], [str(path) for path in validation]
    if method == "dpo":
        beta = {} if numbers.beta is None else {"beta": numbers.beta}
        return Dpo(
            model=str(model),
            data=files,
            validation=held_out,
            lora=Lora(rank=RANK),
            context=numbers.context,
            training=training,
            **beta,
        )
    return Sft(
        model=str(model),
        data=files,
        validation=held_out,
        lora=Lora(rank=RANK),
        context=numbers.context,
        training=training,
    )
