"""Answers drawn at random under a grammar, byte by byte: what a model with no preference would write."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

from llguidance import LLMatcher

from aquilon.text import grammar

_END = 256
_CLOSING, _OFTEN = frozenset(b'"}],:'), frozenset(b"abxyscorekind0123456789")


class Walk(NamedTuple):
    end: Literal["whole", "cut", "dead"]
    """Dead: nothing may come, and the answer may not end either."""
    text: str


def matcher(rules: str) -> LLMatcher:
    return LLMatcher(grammar._bytes_alone(0), grammar.of_rules(rules), log_level=0, limits=grammar.limits())


def takes(rules: str, text: str) -> bool:
    """Whether a text is an answer, to its end."""
    following = matcher(rules)
    given = text.encode()
    return following.try_consume_tokens(list(given)) == len(given) and following.is_accepting()


def walk(rules: str, seed: int, *, most: int = 300) -> Walk:
    """It prefers what ends strings, lists and objects, so that most answers are whole before ``most`` bytes."""
    following, drawing, written = matcher(rules), random.Random(seed), bytearray()

    def walked(end: Literal["whole", "cut", "dead"]) -> Walk:
        return Walk(end, written.decode(errors="replace"))

    while len(written) < most:
        mask = following.compute_bitmask()
        if following.is_error():
            return walked("dead")
        allowed = [token for token in range(_END + 1) if mask[token >> 3] >> (token & 7) & 1]
        if _END in allowed and drawing.random() < 0.7:
            return walked("whole")
        closing = [token for token in allowed if token in _CLOSING]
        often = [token for token in allowed if token in _OFTEN]
        chance = drawing.random()
        among = closing if closing and chance < 0.55 else often if often and chance < 0.9 else allowed
        token = drawing.choice(among)
        if token == _END:
            return walked("whole")
        following.consume_token(token)
        written.append(token)
    return walked("cut")
