"""The numbers of a fine-tuning job, in both contracts' terms, and the job of the training process that follows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from aquilon.training.protocol import Dpo, Lora, Sft, Training

Method = Literal["supervised", "dpo"]

EPOCHS: dict[Method, int] = {"supervised": 3, "dpo": 1}
"""How often the data is read if the job doesn't say."""
RANK = 16


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """None leaves a number to the program."""

    epochs: float | None = None
    batch_size: int | None = None
    """Examples of a step (OpenAI)."""
    learning_rate_multiplier: float | None = None
    """OpenAI's: of the rate that the program would choose."""
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

    def read_times(self, method: Method) -> float:
        """How often the data is read, unless there is a number of steps."""
        return EPOCHS[method] if self.epochs is None else self.epochs


def training_job(
    method: Method,
    numbers: Hyperparameters,
    *,
    model: Path,
    data: Sequence[Path],
    validation: Sequence[Path],
    seed: int,
    step_tokens: int | None = None,
    learning_rate: float | None = None,
) -> Sft | Dpo:
    """What the training process is told. ``step_tokens`` and ``learning_rate`` follow from `Hyperparameters` that are
    relative to the data and the model."""
    training = Training(
        steps=numbers.steps,
        epochs=None if numbers.steps is not None else numbers.read_times(method),
        batch_tokens=step_tokens,
        learning_rate=numbers.learning_rate or learning_rate,
        seed=seed,
    )
    if numbers.weight_decay is not None:
        training = msgspec.structs.replace(training, weight_decay=numbers.weight_decay)
    if numbers.warmup is not None:
        training = msgspec.structs.replace(training, warmup=numbers.warmup)
    if method == "supervised":
        return Sft(
            model=str(model),
            data=[str(path) for path in data],
            validation=[str(path) for path in validation],
            lora=Lora(rank=RANK),
            context=numbers.context,
            training=training,
        )
    job = Dpo(
        model=str(model),
        data=[str(path) for path in data],
        validation=[str(path) for path in validation],
        lora=Lora(rank=RANK),
        context=numbers.context,
        training=training,
    )
    return job if numbers.beta is None else msgspec.structs.replace(job, beta=numbers.beta)
