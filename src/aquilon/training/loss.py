"""Cross-entropy over a large vocabulary, a few rows at a time.

The logits of all tokens at once would take more memory than the model: each chunk's
gradient is computed beside its loss, and its logits are dropped (as in Liger, arXiv:2410.10989).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LOGITS_AT_ONCE = 2**22
"""Values of one chunk."""


def cross_entropy_sum(hidden: Tensor, head: Tensor, targets: Tensor, z_loss: float = 0.0) -> tuple[Tensor, Tensor]:
    """The sum of ``-log p(target)`` over trained tokens, ``()`` in fp32 or wider, to differentiate; and the same
    without z-loss.

    ``hidden (T, hidden)`` and ``head (vocab, hidden)`` in the compute dtype; ``targets (T,)``, below 0 where nothing
    is trained. ``z_loss`` weighs the squared log of the denominator.
    """
    trained = targets >= 0
    if not bool(trained.all()):
        hidden, targets = hidden[trained], targets[trained]
    total, plain = _CrossEntropy.apply(hidden, head, targets, z_loss)  # type: ignore[no-untyped-call]
    return total, plain


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, z_loss: float) -> tuple[Tensor, Tensor]:
        rows = max(1, _LOGITS_AT_ONCE // len(head))
        wide = torch.promote_types(hidden.dtype, torch.float32)
        total = torch.zeros((), dtype=wide, device=hidden.device)
        plain = torch.zeros_like(total)
        hidden_gradient = torch.empty_like(hidden)
        trains_head = ctx.needs_input_grad[1]
        head_gradient = torch.zeros(head.shape if trains_head else (0,), dtype=wide, device=head.device)
        for start in range(0, len(hidden), rows):
            part, wanted = hidden[start : start + rows], targets[start : start + rows]
            logits = (part @ head.T).to(wide)  # (rows, vocab)
            log_denominator = logits.logsumexp(dim=-1)  # (rows,)
            loss = (log_denominator - logits.gather(1, wanted[:, None])[:, 0]).sum()
            plain += loss
            total += loss + z_loss * log_denominator.square().sum()
            if not any(ctx.needs_input_grad):
                continue
            gradient = (logits - log_denominator[:, None]).exp_()  # the softmax
            if z_loss:
                gradient *= (1 + 2 * z_loss * log_denominator)[:, None]
            gradient[torch.arange(len(wanted), device=wanted.device), wanted] -= 1
            narrow = gradient.to(hidden.dtype)
            hidden_gradient[start : start + rows] = narrow @ head
            if trains_head:
                head_gradient += (narrow.T @ part).to(wide)
        ctx.save_for_backward(hidden_gradient, head_gradient.to(head.dtype))
        ctx.mark_non_differentiable(plain)
        return total, plain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden_gradient, head_gradient = ctx.saved_tensors
        factor = gradients[0].to(hidden_gradient.dtype)
        return hidden_gradient * factor, head_gradient * factor if ctx.needs_input_grad[1] else None, None, None


def log_probabilities(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """``log p(target)`` of each token, ``(T,)`` in fp32 or wider, to differentiate; 0 where nothing is trained.

    Arguments as in `cross_entropy_sum`. The logits are computed again in the backward pass.
    """
    trained = (targets >= 0).nonzero()[:, 0]
    of_trained: Tensor = _LogProbabilities.apply(hidden[trained], head, targets[trained])  # type: ignore[no-untyped-call]
    return of_trained.new_zeros(len(targets)).index_copy(0, trained, of_trained)


class _LogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        wide = torch.promote_types(hidden.dtype, torch.float32)
        log_denominators = torch.empty(len(hidden), dtype=wide, device=hidden.device)
        chosen = torch.empty_like(log_denominators)
        for part in _chunks(hidden, head):
            logits = (hidden[part] @ head.T).to(wide)  # (rows, vocab)
            log_denominators[part] = logits.logsumexp(dim=-1)
            chosen[part] = logits.gather(1, targets[part, None])[:, 0]
        ctx.save_for_backward(hidden, head, targets, log_denominators)
        return chosen - log_denominators

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden, head, targets, log_denominators = ctx.saved_tensors
        hidden_gradient = torch.empty_like(hidden)
        trains_head = ctx.needs_input_grad[1]
        head_gradient = log_denominators.new_zeros(head.shape if trains_head else (0,))
        for part in _chunks(hidden, head):
            factor = gradients[0][part, None]
            logits = (hidden[part] @ head.T).to(log_denominators.dtype)
            gradient = (logits - log_denominators[part, None]).exp_().mul_(-factor)  # (rows, vocab)
            gradient.scatter_add_(1, targets[part, None], factor)
            narrow = gradient.to(hidden.dtype)
            hidden_gradient[part] = narrow @ head
            if trains_head:
                head_gradient += (narrow.T @ hidden[part]).to(head_gradient.dtype)
        return hidden_gradient, head_gradient.to(head.dtype) if trains_head else None, None


def _chunks(hidden: Tensor, head: Tensor) -> list[slice]:
    rows = max(1, _LOGITS_AT_ONCE // len(head))
    return [slice(start, start + rows) for start in range(0, len(hidden), rows)]
