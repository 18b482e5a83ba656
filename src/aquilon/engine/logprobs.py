"""Log probabilities of tokens under the model's own distribution."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import torch
from torch import Tensor

from aquilon.engine.likely import most_likely
from aquilon.engine.protocol import TokenLogprobs

LEAST = -9999.0


def token_logprobs(
    logits: Tensor, token_ids: list[int], alternatives: list[int], *, named: Sequence[Sequence[int]] = ()
) -> list[TokenLogprobs]:
    """For each row of ``logits (N, vocab_size)``: its token's natural log probability and rank, and that many
    of the most likely tokens, or the tokens that ``named`` has for the row.

    Tokens that can't come, with the logit minus infinity, are not among them. If the row's own token is one, as
    in a prompt, it has ``LEAST``: JSON has no infinity.
    """
    logprobs = logits.float().log_softmax(dim=-1)
    chosen = logprobs.gather(1, torch.tensor(token_ids, device=logits.device)[:, None])  # (N, 1)
    ranks = (logprobs > chosen).sum(dim=-1) + 1
    ids, values = most_likely(logprobs, max(alternatives))
    entries = [
        TokenLogprobs(
            token_id=token_id,
            logprob=max(logprob, LEAST),
            rank=rank,
            top=_possible(top_ids[:count], top_values[:count]),
        )
        for token_id, logprob, rank, top_ids, top_values, count in zip(
            token_ids,
            chosen[:, 0].tolist(),
            ranks.tolist(),
            ids.tolist(),
            values.tolist(),
            alternatives,
            strict=True,
        )
    ]
    for row, names in enumerate(named):
        if names:
            values_of_named = logprobs[row, torch.tensor(list(names), device=logits.device)].tolist()
            top = [(token_id, max(value, LEAST)) for token_id, value in zip(names, values_of_named, strict=True)]
            entries[row] = msgspec.structs.replace(entries[row], top=top)
    return entries


def _possible(ids: list[int], values: list[float]) -> list[tuple[int, float]]:
    return [(token_id, value) for token_id, value in zip(ids, values, strict=True) if value > LEAST]
