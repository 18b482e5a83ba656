"""From one dial, the depth, to a model's architecture and to how it is trained."""

from __future__ import annotations

from aquilon.models.architecture import Architecture, Rotary
from aquilon.training.protocol import Pretrain, Size, Training

_DEPTH = 6
_HEAD_DIM = 64
_CONTINUED_CONTEXT = 1024
_TOKENS_PER_PARAMETER = 20
"""Compute-optimal (Hoffmann et al., arXiv:2203.15556)."""


def architecture(size: Size, vocab_size: int) -> Architecture:
    """A Qwen3 model, which transformers, llama.cpp and vLLM know: norms on queries and keys keep Muon stable.

    Raises ValueError for numbers that don't fit each other.
    """
    depth = size.depth or _DEPTH
    hidden = size.hidden_size or 64 * depth
    heads = size.num_heads or max(1, hidden // _HEAD_DIM)
    kv_heads = size.num_kv_heads or (heads // 2 if heads % 2 == 0 and heads > 4 else heads)
    context = size.context or (512 if depth <= 8 else 1024 if depth <= 12 else 2048)
    return Architecture(
        family="qwen3",
        vocab_size=vocab_size,
        hidden_size=hidden,
        intermediate_size=size.intermediate_size or -(-8 * hidden // 3 // 64) * 64,
        num_layers=depth,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=_HEAD_DIM,
        norm_eps=1e-6,
        max_context=context,
        rotary=Rotary(theta=10_000.0 if context <= 2048 else 500_000.0),
        sliding_windows=(None,) * depth,
        tied_embeddings=depth < 20 if size.tied_embeddings is None else size.tied_embeddings,
        qk_norm=True,
    )


def continued_context(size: Size, base: Architecture) -> int:
    """Tokens of a row when a model is trained further. Raises ValueError for more than its context."""
    if size.context is not None and size.context > base.max_context:
        raise ValueError(f"context is {size.context}: the base's holds {base.max_context} tokens")
    return size.context or min(_CONTINUED_CONTEXT, base.max_context)


def rows_per_step(training: Training, built: Architecture, *, context: int, ranks: int) -> int:
    """Rows of ``context`` tokens in one step, on any number of ranks: more for larger models (arXiv:2401.02954).

    A base that is deeper and narrower than our own models counts as the one of ours with as many weights in its layers.

    Raises ValueError for a number of ranks that can't share them evenly.
    """
    depth = round((built.num_layers * (built.hidden_size / _HEAD_DIM) ** 2) ** (1 / 3))
    wanted = training.batch_tokens or 2 ** max(13, round(13.5 + (depth - 6) * 0.3))
    rows = max(1, round(wanted / context))
    if rows > 8:
        rows = round(rows / 8) * 8
    if rows % ranks:
        raise ValueError(f"a step has {rows} rows of {context} tokens: {ranks} ranks can't share them evenly")
    return rows


def steps(training: Training, built: Architecture, *, batch_tokens: int, epoch_tokens: int) -> int | None:
    """How many steps to take; None: the clock decides."""
    if training.steps is not None:
        return training.steps
    if training.minutes is not None:
        return None
    if training.epochs is not None:
        return max(1, round(training.epochs * epoch_tokens / batch_tokens))
    return max(1, round(_TOKENS_PER_PARAMETER * built.parameters() / batch_tokens))


def learning_rate(training: Training, built: Architecture) -> float:
    """For Muon with updates scaled as AdamW's; it falls with the width."""
    return training.learning_rate or 0.006 * (384 / built.hidden_size) ** 0.5


def continued_learning_rate(job: Pretrain, built: Architecture) -> float:
    """A tenth of a new model's, so that what it knows isn't lost; low-rank updates take more."""
    return job.training.learning_rate or learning_rate(job.training, built) * (0.1 if job.lora is None else 0.2)
