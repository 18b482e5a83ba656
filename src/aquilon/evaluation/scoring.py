"""Log-likelihoods of texts by a model whose weights are here."""

from __future__ import annotations

from collections.abc import Sequence

from aquilon.evaluation.answering import NoAnswer
from aquilon.evaluation.candidates import LoadedCandidate
from aquilon.evaluation.likelihood import continuation_logprobs


class LoadedScorer:
    """A model whose weights are in this process."""

    def __init__(self, loaded: LoadedCandidate) -> None:
        self._loaded = loaded

    async def log_likelihoods(self, context: str, continuations: Sequence[str]) -> list[float]:
        """Context and continuation are encoded together; scored are the tokens from the first that differs from the
        context's own."""
        tokenizer = self._loaded.text.tokenizer
        room = self._loaded.transformer.architecture.max_context
        before = tokenizer.encode(context)
        encoded: list[tuple[list[int], int]] = []
        for continuation in continuations:
            ids = tokenizer.encode(context + continuation)
            while tokenizer.is_control(ids[-1]):
                ids.pop()
            begin = max(1, _common(before, ids))
            if begin >= len(ids):
                raise NoAnswer(f"the choice {continuation!r} has no token of its own")
            if len(ids) - 1 > room:
                raise NoAnswer(f"a question has {len(ids):,} tokens with its examples, and the model takes {room:,}")
            encoded.append((ids, begin))
        shared = min(begin for _, begin in encoded) - 1
        return continuation_logprobs(
            self._loaded.transformer,
            before[:shared],
            [(ids[shared:-1], [-1] * (begin - 1 - shared) + ids[begin:]) for ids, begin in encoded],
        )


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens are the same at the beginning."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
