"""The log probabilities that a model gives to tokens that are there already."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from aquilon.models.architecture import Architecture
from aquilon.models.attention import Attention
from aquilon.models.transformer import Transformer
from aquilon.training.attention import DocumentAttention

_LOGITS_AT_ONCE = 2**24
"""Values: the logits of a long batch over a large vocabulary would not fit into memory."""


@torch.inference_mode()
def target_logprobs(transformer: Transformer, sequences: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Tensor]:
    """For each pair of inputs and targets of one length L, the natural log probability of each target after its
    input and the inputs before it, fp32 ``(L,)`` on the CPU. A target below 0 isn't scored, and has 0."""
    lengths = [len(inputs) for inputs, _ in sequences]
    token_ids = torch.tensor([token for inputs, _ in sequences for token in inputs])  # (T,)
    targets = torch.tensor([token for _, targets in sequences for token in targets])  # (T,)
    positions = torch.cat([torch.arange(length) for length in lengths])
    attention = DocumentAttention(lengths, transformer.architecture, transformer.embedding.weight.device)
    logprobs = _logprobs(transformer, token_ids, positions, targets, attention)
    return list(torch.split(logprobs, lengths))


@torch.inference_mode()
def continuation_logprobs(
    transformer: Transformer, prefix: Sequence[int], continuations: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[float]:
    """The sum of the targets' natural log probabilities in each continuation of one prefix, which is computed once.

    A continuation is inputs and targets as in `target_logprobs`. Its first input follows the prefix; if the prefix's
    last token is to predict something, it belongs to each continuation.
    """
    lengths = [len(inputs) for inputs, _ in continuations]
    token_ids = torch.tensor([*prefix, *(token for inputs, _ in continuations for token in inputs)])  # (P + T,)
    targets = torch.tensor([*[-1] * len(prefix), *(token for _, targets in continuations for token in targets)])
    positions = torch.cat([torch.arange(len(prefix)), *(len(prefix) + torch.arange(length) for length in lengths)])
    attention = PrefixAttention(len(prefix), lengths, transformer.architecture)
    logprobs = _logprobs(transformer, token_ids, positions, targets, attention)
    return [float(part.double().sum()) for part in torch.split(logprobs[len(prefix) :], lengths)]


class PrefixAttention:
    """Causal attention of continuations that lie side by side after a prefix, each to the prefix and itself."""

    def __init__(self, prefix: int, lengths: Sequence[int], architecture: Architecture) -> None:
        """``prefix`` and ``lengths`` in tokens; their sum is T."""
        self._prefix, self._lengths = prefix, list(lengths)
        self._windows = architecture.sliding_windows

    def __call__(self, layer: int, *, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        window = self._windows[layer]
        sizes = [self._prefix, *self._lengths]
        queries, keys, values = (torch.split(part, sizes) for part in (query, key, value))
        attended = [_attend(queries[0], keys[0], values[0], window)] if self._prefix else []
        for q, k, v in zip(queries[1:], keys[1:], values[1:], strict=True):
            attended.append(_attend(q, torch.cat((keys[0], k)), torch.cat((values[0], v)), window))
        return torch.cat(attended)


def _attend(query: Tensor, key: Tensor, value: Tensor, window: int | None) -> Tensor:
    """The last ``L`` of ``K`` tokens: ``query (L, H, head_dim)``, ``key`` and ``value (K, H, head_dim)``."""
    places = torch.arange(len(key), device=key.device)
    distance = places[len(key) - len(query) :, None] - places  # (L, K)
    visible = (distance >= 0) & (distance < (window or len(key)))
    q, k, v = (part.transpose(0, 1)[None] for part in (query, key, value))
    return scaled_dot_product_attention(q, k, v, attn_mask=visible, enable_gqa=True)[0].transpose(0, 1)


def _logprobs(
    transformer: Transformer, token_ids: Tensor, positions: Tensor, targets: Tensor, attention: Attention
) -> Tensor:
    """``(T,)`` each; the result in fp32 on the CPU."""
    device = transformer.embedding.weight.device
    hidden = transformer(token_ids.to(device), positions.to(device), attention)  # (T, hidden)
    logprobs = torch.zeros(len(targets), device=device)
    targets = targets.to(device)
    rows = max(1, _LOGITS_AT_ONCE // transformer.architecture.vocab_size)
    for part in torch.split((targets >= 0).nonzero()[:, 0], rows):
        logits = transformer.logits(hidden[part]).float()  # (rows, vocab)
        chosen = logits.gather(1, targets[part][:, None])[:, 0]
        logprobs[part] = chosen - logits.logsumexp(dim=-1)
    return logprobs.cpu()
