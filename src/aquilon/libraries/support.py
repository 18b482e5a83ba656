"""Whether a passage supports a sentence: by the words and numbers that they share, and by how near their meanings are.

It is a measure and no proof: a sentence of the passage's words may still say the contrary. `bench/support.py` measures
how often it is right; `docs/experiments.md` has the figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from aquilon.errors import ApiError
from aquilon.libraries.chunking import sentences
from aquilon.libraries.embedding import Embedder
from aquilon.libraries.question_words import question_words
from aquilon.libraries.vectors import unit
from aquilon.people.identity import Principal
from aquilon.text.words import words_of

if TYPE_CHECKING:
    pass

Support = Literal["supported", "unsupported", "unchecked"]

LEAST_SCORE = 0.5
_FAR, _NEAR = 0.834, 0.90
"""Cosines of E5 between a sentence and the nearest one of a passage: what isn't related, and what says the same."""
_OWN_MODEL = "multilingual-e5-small"
"""The model for which these were measured; other models' cosines mean other things."""
_ENOUGH_WORDS = 0.6
"""The share of a sentence's words that speaks for the passage's support alone."""
_SAME_STEM = 5
"""Two words with so many equal first letters, and endings that are no longer than these, count as one."""
_MOST_PARTS = 96
"""Sentences of passages whose vectors one check asks for."""
_NUMBER = re.compile(r"\d+(?:[.,\u00a0\u202f ]\d{3})*(?:[.,]\d+)?")
_MOST_ENDING = 4


class Check(NamedTuple):
    support: Support
    score: float | None
    """0 to 1; None if it is unchecked."""


class Claim(NamedTuple):
    sentence: str
    passage: str


async def check(claims: Sequence[Claim], principal: Principal, *, embedder: Embedder, model: str | None) -> list[Check]:
    """Whether each passage supports its sentence. ``model`` is None where no model embeds.

    Where vectors can't be had, words alone decide; a sentence in another language than its passage is then unchecked.
    """
    nearness: dict[Claim, float] = {}
    unclear = [claim for claim in dict.fromkeys(claims) if (shared_words(claim) or 0.0) < _ENOUGH_WORDS]
    if unclear and model == _OWN_MODEL and await embedder.has(model):
        with suppress(ApiError):  # the budget is at an end, or the process that embeds failed: words are left
            nearness = await _nearness(unclear, principal, embedder, model)
    return [judged(claim, nearness.get(claim)) for claim in claims]


def judged(claim: Claim, nearness: float | None) -> Check:
    """``nearness``: the largest cosine between the sentence and a part of the passage; None if it is unknown."""
    words = shared_words(claim)
    if words is None:
        return Check("unchecked", None)
    score = min(1.0, words * LEAST_SCORE / _ENOUGH_WORDS)
    if nearness is not None:
        score = max(score, min(1.0, max(0.0, (nearness - _FAR) / (_NEAR - _FAR))))
    elif score < LEAST_SCORE / 2:  # perhaps another language
        return Check("unchecked", None)
    if _has_other_numbers(claim):
        score /= 2.5
    return Check("supported" if score >= LEAST_SCORE else "unsupported", round(score, 3))


def shared_words(claim: Claim) -> float | None:
    """The share of the sentence's telling words that the passage has too; None if it has none."""
    asked = [word for word in question_words(claim.sentence) if not word.isdigit()]
    if not asked:
        return None
    known = set(words_of(claim.passage).split())
    stems = {word[:_SAME_STEM] for word in known if len(word) >= _SAME_STEM}
    same = sum(word in known or (len(word) >= _SAME_STEM and word[:_SAME_STEM] in stems) for word in asked)
    return same / len(asked)


def _has_other_numbers(claim: Claim) -> bool:
    """Small numbers may be words in a passage without any."""
    known = numbers(claim.passage)
    return any(known or len(number) > 1 for number in numbers(claim.sentence) - known)


def numbers(text: str) -> set[str]:
    """The numbers of a text, without what groups their digits."""
    return {re.sub(r"\D", "", number).lstrip("0") or "0" for number in _NUMBER.findall(text)}


async def _nearness(
    claims: Sequence[Claim], principal: Principal, embedder: Embedder, model: str
) -> dict[Claim, float]:
    """The largest cosine between each sentence and the sentences of its passage."""
    import numpy as np

    parts: dict[str, list[str]] = {}
    room = _MOST_PARTS
    for claim in claims:
        if claim.passage not in parts:
            parts[claim.passage] = _parts(claim.passage)[:room]
            room -= len(parts[claim.passage])
    cited = [claim.sentence for claim in claims]
    texts = list(dict.fromkeys([*cited, *chain.from_iterable(parts.values())]))
    vectors, _ = await embedder.vectors(model, texts, "query", principal)
    by_text = {text: unit(vector) for text, vector in zip(texts, vectors, strict=True)}
    return {
        claim: float(np.max(np.stack([by_text[part] for part in parts[claim.passage]]) @ by_text[claim.sentence]))
        for claim in claims
        if parts[claim.passage]
    }


def _parts(passage: str) -> list[str]:
    """Its sentences."""
    return list(dict.fromkeys(text for begin, end in sentences(passage) if (text := passage[begin:end].strip())))
