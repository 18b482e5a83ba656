"""Draw each sequence's next token from its logits.

A draw is decided by one number between 0 and 1 that follows from the sequence's
seed and the token's place in the output, laid along the cumulated probabilities
in order of the vocabulary. So a seed gives the same tokens whatever else runs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aquilon.engine.logprobs import token_logprobs
from aquilon.engine.protocol import TokenLogprobs
from aquilon.engine.sampling_state import SamplingState
from aquilon.engine.sequence import Sequence

_MOST_LIKELY = 512
"""Nuclei are nearly always smaller; the whole vocabulary is sorted only for those that are not."""
_STRIDE = 256

_MASK = 2**64 - 1


def _mixed(value: int) -> int:
    """SplitMix64's finalizer: a 64-bit number whose bits all depend on all of ``value``'s."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def continuation_seed(seed: int, index: int) -> int:
    """Each continuation of one prompt draws from its own numbers."""
    return _mixed((seed + 0x9E3779B97F4A7C15 * (index + 1)) & _MASK)


def uniform(seed: int, place: int) -> float:
    """The number that decides the ``place``-th token of an output, 0 <= u < 1."""
    return (_mixed((seed + 0x9E3779B97F4A7C15 * (place + 1)) & _MASK) >> 11) / 2**53


def sample(logits: Tensor, sequences: list[Sequence]) -> tuple[list[int], list[TokenLogprobs | None]]:
    """One token for each row of ``logits (N, vocab_size)``, and its log probabilities where they are wanted.

    Those are the model's own: before penalties, bias, temperature and filters.
    """
    wanted = [row for row, sequence in enumerate(sequences) if sequence.sampling.logprobs is not None]
    own = logits[wanted] if wanted else None
    logits = _adjusted(logits.float(), sequences)
    drawing = [row for row, sequence in enumerate(sequences) if sequence.sampling.temperature > 0]
    if len(drawing) == len(sequences):
        token_ids = _draw(logits, sequences)
    else:
        token_ids = logits.argmax(dim=-1).tolist()
        if drawing:
            for row, token_id in zip(drawing, _draw(logits[drawing], [sequences[row] for row in drawing]), strict=True):
                token_ids[row] = token_id
    logprobs: list[TokenLogprobs | None] = [None] * len(sequences)
    if own is not None:
        counts = [sequences[row].sampling.logprobs or 0 for row in wanted]
        for row, entry in zip(wanted, token_logprobs(own, [token_ids[row] for row in wanted], counts), strict=True):
            logprobs[row] = entry
    return token_ids, logprobs


def _adjusted(logits: Tensor, sequences: list[Sequence]) -> Tensor:
    for row, sequence in enumerate(sequences):
        if sequence.sampling_state is None:
            if not SamplingState.needed(sequence):
                continue
            sequence.sampling_state = SamplingState(sequence, logits.shape[-1], logits.device)
        sequence.sampling_state.adjust(logits[row], sequence)
    return logits


def _draw(logits: Tensor, sequences: list[Sequence]) -> list[int]:
    """Temperature, then min-p, top-k and top-p, each of what the former left, then the draw."""
    wishes = [sequence.sampling for sequence in sequences]
    temperatures = logits.new_tensor([w.temperature for w in wishes])[:, None]
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / temperatures
    probabilities = logits.softmax(dim=-1)  # (N, vocab_size)
    least = _least_probabilities(
        probabilities, [w.min_p for w in wishes], [w.top_k for w in wishes], [w.top_p for w in wishes]
    )
    if least is not None:
        probabilities = probabilities.masked_fill_(probabilities < least, 0)
    chance = [uniform(sequence.seed, sequence.num_generated) for sequence in sequences]
    return _invert(probabilities, torch.tensor(chance, dtype=torch.float64, device=logits.device)[:, None])


def _least_probabilities(
    probabilities: Tensor, min_p: list[float], top_k: list[int], top_p: list[float]
) -> Tensor | None:
    """Below what a token's probability is struck out, ``(N, 1)``; equally likely tokens stay or go together."""
    vocab_size = probabilities.shape[-1]
    least = None
    if any(min_p):
        least = probabilities.amax(dim=-1, keepdim=True) * probabilities.new_tensor(min_p)[:, None]
    ranks = [min(k, vocab_size) if k > 0 else vocab_size for k in top_k]
    if all(rank == vocab_size for rank in ranks) and all(p >= 1 for p in top_p):
        return least
    wanted = max(
        [rank for rank in ranks if rank < vocab_size]
        + [min(_MOST_LIKELY, vocab_size) for rank, p in zip(ranks, top_p, strict=True) if rank == vocab_size and p < 1]
    )
    kept = probabilities if least is None else probabilities.masked_fill(probabilities < least, 0)
    found = _nucleus(kept, wanted, ranks, top_p)
    if found is None:
        found = _nucleus(kept, vocab_size, ranks, top_p)
        assert found is not None
    return found if least is None else torch.maximum(found, least)


def _nucleus(kept: Tensor, count: int, ranks: list[int], top_p: list[float]) -> Tensor | None:
    """The probability of the last token inside top-k and top-p, looking at the ``count`` most likely; None where
    a nucleus reaches further."""
    vocab_size = kept.shape[-1]
    likely = kept.topk(count, dim=-1).values  # (N, count), falling
    mass = likely.double().cumsum(dim=-1)
    last = torch.tensor([min(rank, count) - 1 for rank in ranks], device=kept.device)[:, None]
    share = torch.tensor(top_p, dtype=torch.float64, device=kept.device)[:, None]
    whole = torch.tensor([rank == vocab_size for rank in ranks], device=kept.device)[:, None]
    total = torch.where(whole, _strides(kept).sum(-1, dtype=torch.float64).cumsum(-1)[:, -1:], mass.gather(1, last))
    reached = torch.searchsorted(mass, share * total)
    beyond = whole & (reached >= count) & (share < 1)
    if count < vocab_size and bool(beyond.any()):
        return None
    last = torch.where(share < 1, torch.minimum(reached, last), last)
    least = likely.gather(1, last)
    return torch.where(whole & (share >= 1), torch.zeros_like(least), least)


def _strides(values: Tensor) -> Tensor:
    """``(N, V)`` as ``(N, ceil(V / 256), 256)``, zeros at the end."""
    missing = -values.shape[-1] % _STRIDE
    return torch.nn.functional.pad(values, (0, missing)).view(len(values), -1, _STRIDE)


def _invert(probabilities: Tensor, chance: Tensor) -> list[int]:
    """The first token at which the cumulated probability passes ``chance (N, 1)`` of the whole.

    Stride by stride, then within one: cumulating a vocabulary token by token would
    take longer than the model's own small layers.
    """
    strides = _strides(probabilities)
    mass = strides.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)  # (N, strides)
    target = chance * mass[:, -1:]
    stride = _first_above(mass, target)
    inside = strides[torch.arange(len(strides), device=strides.device), stride[:, 0]].double().cumsum(dim=-1)
    target = target - mass.gather(1, stride) + inside[:, -1:]
    token = stride * _STRIDE + _first_above(inside, target)
    token_ids: list[int] = token[:, 0].tolist()
    return token_ids


def _first_above(mass: Tensor, target: Tensor) -> Tensor:
    """The first place of each row where ``mass`` is above ``target``, or, by a rounding, where it ends growing."""
    place = torch.searchsorted(mass, target, right=True)
    return torch.minimum(place, torch.searchsorted(mass, mass[:, -1:].contiguous()))
