"""The log probabilities that a model gives to tokens that are there already."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aquilon.models.transformer import Transformer
from aquilon.training.attention import DocumentAttention

_LOGITS_AT_ONCE = 2**24
"""Values: the logits of a long batch over a large vocabulary would not fit into memory."""


@torch.inference_mode()
def target_logprobs(transformer: Transformer, sequences: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Tensor]:
    """For each pair of inputs and targets of one length L, the natural log probability of each target after its
    input and the inputs before it, fp32 ``(L,)`` on the CPU. A target below 0 isn't scored, and has 0."""
    device = transformer.embedding.weight.device
    lengths = [len(inputs) for inputs, _ in sequences]
    token_ids = torch.tensor([token for inputs, _ in sequences for token in inputs], device=device)  # (T,)
    targets = torch.tensor([token for _, targets in sequences for token in targets], device=device)  # (T,)
    positions = torch.cat([torch.arange(length) for length in lengths]).to(device)
    attention = DocumentAttention(lengths, transformer.architecture, device)
    hidden = transformer(token_ids, positions, attention)  # (T, hidden)
    scored = (targets >= 0).nonzero()[:, 0]
    logprobs = torch.zeros(len(targets), device=device)
    rows = max(1, _LOGITS_AT_ONCE // transformer.architecture.vocab_size)
    for part in torch.split(scored, rows):
        logits = transformer.logits(hidden[part]).float()  # (rows, vocab)
        chosen = logits.gather(1, targets[part][:, None])[:, 0]
        logprobs[part] = chosen - logits.logsumexp(dim=-1)
    return list(torch.split(logprobs.cpu(), lengths))
