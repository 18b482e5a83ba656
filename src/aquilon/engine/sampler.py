"""Draw each sequence's next token from its logits.

A draw compares one number between 0 and 1, which follows from the sequence's seed
and the token's place in the output, with the cumulated probabilities in order of
the vocabulary. So a seed gives the same tokens whatever else runs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aquilon.engine.likely import argmax, grouped, largest, likely_candidates
from aquilon.engine.logprobs import token_logprobs
from aquilon.engine.protocol import SamplingParameters, TokenLogprobs
from aquilon.engine.sampling_state import SamplingState
from aquilon.engine.sequence import Sequence

_CANDIDATES = 128
"""Filters nearly always leave fewer tokens; only rows where more are left need the whole vocabulary sorted."""
_STRIDE = 256
_COLDEST = 1e-30
"""The lowest temperature computed: below it every draw takes the most likely token, and fp32 divides by zero."""

_MASK = 2**64 - 1


def _mixed(value: int) -> int:
    """SplitMix64's finalizer: a 64-bit number whose bits all depend on all of ``value``'s."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def continuation_seed(seed: int, index: int) -> int:
    """The seed of one continuation of a request with ``seed``."""
    return _mixed((seed + 0x9E3779B97F4A7C15 * (index + 1)) & _MASK)


def uniform(seed: int, place: int) -> float:
    """The number that decides token ``place`` of an output, 0 <= u < 1."""
    return (_mixed((seed + 0x9E3779B97F4A7C15 * (place + 1)) & _MASK) >> 11) / 2**53


def sample(logits: Tensor, sequences: list[Sequence]) -> tuple[list[int], list[TokenLogprobs | None]]:
    """One token for each row of ``logits (N, vocab_size)``, and its log probabilities where the request asks for them.

    Log probabilities are the model's own: before grammar, penalties, bias, temperature and filters. ``logits`` may
    be changed in place.
    """
    reported = [row for row, sequence in enumerate(sequences) if sequence.sampling.logprobs is not None]
    own = logits[reported] if reported else None
    logits = _adjusted(_constrained(logits.float(), sequences), sequences)
    drawing = [row for row, sequence in enumerate(sequences) if sequence.sampling.temperature > 0]
    if len(drawing) == len(sequences):
        token_ids = _draw(logits, sequences)
    else:
        token_ids = argmax(logits).tolist()
        if drawing:
            for row, token_id in zip(drawing, _draw(logits[drawing], [sequences[row] for row in drawing]), strict=True):
                token_ids[row] = token_id
    logprobs: list[TokenLogprobs | None] = [None] * len(sequences)
    if own is not None:
        counts = [sequences[row].sampling.logprobs or 0 for row in reported]
        named = [sequences[row].sampling.logprob_token_ids for row in reported]
        entries = token_logprobs(own, [token_ids[row] for row in reported], counts, named=named)
        for row, entry in zip(reported, entries, strict=True):
            logprobs[row] = entry
    return token_ids, logprobs


def _constrained(logits: Tensor, sequences: list[Sequence]) -> Tensor:
    """Set the logits of tokens that a sequence's grammar forbids to minus infinity: no bias or penalty undoes it."""
    for row, sequence in enumerate(sequences):
        if sequence.constraint is None:
            continue
        too_early = sequence.num_generated < sequence.sampling.min_tokens
        allowed = sequence.constraint.allowed(
            without=sequence.end_ids if too_early else frozenset(), ending=not sequence.sampling.ignore_eos
        )
        logits[row].masked_fill_(torch.from_numpy(~allowed).to(logits.device), -torch.inf)
    return logits


def _adjusted(logits: Tensor, sequences: list[Sequence]) -> Tensor:
    for row, sequence in enumerate(sequences):
        if sequence.sampling_state is None:
            if not SamplingState.needed(sequence):
                continue
            sequence.sampling_state = SamplingState(sequence, logits.device)
        sequence.sampling_state.adjust(logits[row], sequence)
    return logits


def _draw(logits: Tensor, sequences: list[Sequence]) -> list[int]:
    """Draw after temperature, top-k, top-p of what top-k leaves, and min-p."""
    samplings = [sequence.sampling for sequence in sequences]
    temperatures = logits.new_tensor([max(sampling.temperature, _COLDEST) for sampling in samplings])[:, None]
    probabilities = ((logits - logits.amax(dim=-1, keepdim=True)) / temperatures).softmax(dim=-1)  # (N, vocab_size)
    chances = [uniform(sequence.seed, sequence.num_generated) for sequence in sequences]
    chance = torch.tensor(chances, dtype=torch.float64, device=logits.device)[:, None]
    token_ids = [0] * len(sequences)
    pending = [row for row, sampling in enumerate(samplings) if _is_filtered(sampling)]
    free = [row for row in range(len(sequences)) if row not in pending]
    if free:
        _put(token_ids, free, _invert(_rows(probabilities, free), _rows(chance, free)))
    for count in (_CANDIDATES, logits.shape[-1]):
        if not pending:
            break
        filters = _Filters([samplings[row] for row in pending], logits.device)
        drawn, settled = _draw_filtered(
            _rows(probabilities, pending), _rows(chance, pending), filters=filters, count=count
        )
        _put(token_ids, pending, drawn)
        pending = [row for row, done in zip(pending, settled, strict=True) if not done]
    return token_ids


def _is_filtered(sampling: SamplingParameters) -> bool:
    return bool(sampling.top_k or sampling.top_p < 1 or sampling.min_p)


class _Filters:
    """The filters of some rows, each ``(N, 1)``."""

    def __init__(self, samplings: list[SamplingParameters], device: torch.device) -> None:
        self.top_k = torch.tensor([sampling.top_k for sampling in samplings], device=device)[:, None]
        top_p = [sampling.top_p for sampling in samplings]
        self.top_p = torch.tensor(top_p, dtype=torch.float64, device=device)[:, None]
        self.min_p = torch.tensor([sampling.min_p for sampling in samplings], device=device)[:, None]


def _draw_filtered(
    probabilities: Tensor, chance: Tensor, *, filters: _Filters, count: int
) -> tuple[list[int], list[bool]]:
    """Draw among the ``count`` most likely tokens of each row; also returns for which rows that settles the draw.

    Equally likely tokens are kept or filtered together, so the draw of a settled row
    does not depend on ``count``.
    """
    vocab_size = probabilities.shape[-1]
    count = min(count, vocab_size)
    tokens, candidates = likely_candidates(probabilities, count)
    candidates = candidates.clamp(min=0)  # behind the vocabulary's end
    likely = largest(candidates, count)  # (N, count)
    mass = likely.double().cumsum(dim=-1)
    by_rank = filters.top_k > 0
    last = torch.where(by_rank, filters.top_k, vocab_size).clamp(max=count) - 1
    whole = grouped(probabilities, _STRIDE, 0).sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)[:, -1:]
    total = torch.where(by_rank, mass.gather(1, last), whole)
    reached = torch.searchsorted(mass, filters.top_p * total)  # where top-p ends
    by_mass = filters.top_p < 1
    rank = torch.where(by_mass, torch.minimum(reached, last), last)
    least = torch.where(by_rank | by_mass, likely.gather(1, rank), 0)
    least = torch.maximum(least, filters.min_p * likely[:, :1])  # (N, 1)
    if count == vocab_size:
        settled = [True] * len(tokens)
    else:
        # A row is settled when its least likely candidate is filtered out: then so are all tokens beyond.
        settled = ((filters.top_k <= count) & (~by_mass | (reached < count)) & (likely[:, -1:] < least))[:, 0].tolist()
    kept = candidates.masked_fill(candidates < least, 0).double().cumsum(dim=-1)
    place = _first_above(kept, chance * kept[:, -1:])
    return tokens.gather(1, place)[:, 0].clamp(max=vocab_size - 1).tolist(), settled


def _rows(values: Tensor, rows: list[int]) -> Tensor:
    return values if len(rows) == len(values) else values[rows]


def _put(token_ids: list[int], rows: list[int], drawn: list[int]) -> None:
    for row, token_id in zip(rows, drawn, strict=True):
        token_ids[row] = token_id


def _invert(probabilities: Tensor, chance: Tensor) -> list[int]:
    """The first token at which the cumulated probability passes ``chance (N, 1)`` of the whole.

    Stride by stride, then within one: cumulating a vocabulary token by token would
    take longer than the model's own small layers.
    """
    strides = grouped(probabilities, _STRIDE, 0)
    mass = strides.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)  # (N, strides)
    target = chance * mass[:, -1:]
    stride = _first_above(mass, target)
    inside = strides[torch.arange(len(strides), device=strides.device), stride[:, 0]].double().cumsum(dim=-1)
    target = target - mass.gather(1, stride) + inside[:, -1:]
    token = (stride * _STRIDE + _first_above(inside, target)).clamp(max=probabilities.shape[-1] - 1)
    token_ids: list[int] = token[:, 0].tolist()
    return token_ids


def _first_above(mass: Tensor, target: Tensor) -> Tensor:
    """The first place of each row where ``mass`` is above ``target``; if rounding leaves none, where it stops."""
    place = torch.searchsorted(mass, target, right=True)
    end = torch.searchsorted(mass, mass[:, -1:].contiguous())
    return torch.minimum(place, end).clamp(max=mass.shape[-1] - 1)  # mass that is not a number has no such place
