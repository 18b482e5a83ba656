"""From one continuation's token ids to the text and scores that may be shown."""

from __future__ import annotations

from collections.abc import Sequence

from aquilon.engine.protocol import SequenceOutput, TokenLogprobs
from aquilon.platform.domain.generation import Alternative, Delta, Finished, ScoredToken
from aquilon.text.detokenizer import Detokenizer
from aquilon.text.stop import StopMatcher
from aquilon.text.tokenizer import Tokenizer


class Decoding:
    """Turns what the engine adds to one continuation into events; nothing after the end of a stop string counts."""

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Sequence[int], stop: Sequence[str], index: int) -> None:
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer, prompt_ids)
        self._matcher = StopMatcher(stop)
        self._index = index
        self.completion_tokens = 0
        """Tokens computed, the one that ended it included."""
        self.finished = False
        self.stopped_early = False
        """A stop string ended it: the engine must be told."""

    def add(self, output: SequenceOutput) -> list[Delta | Finished]:
        shown = output.token_ids
        if output.finish_reason == "stop":
            shown = shown[:-1]  # the end token is billed, not shown
        text, scores, matched, counted = "", [], False, len(output.token_ids)
        for position, token_id in enumerate(shown):
            if output.logprobs is not None:
                scores.append(scored(self._tokenizer, output.logprobs[position]))
            safe, matched = self._matcher.add(self._detokenizer.add([token_id]))
            text += safe
            if matched:
                counted = position + 1
                break
        self.completion_tokens += counted
        if output.finish_reason is not None and not matched:
            safe, matched = self._matcher.add(self._detokenizer.finish())
            text += safe if matched else safe + self._matcher.finish()
        events: list[Delta | Finished] = []
        if text or scores:
            events.append(Delta(self._index, text, tuple(scores)))
        if matched or output.finish_reason is not None:
            self.finished = True
            self.stopped_early = matched and output.finish_reason is None
            events.append(
                Finished(self._index, "length" if output.finish_reason == "length" and not matched else "stop")
            )
        return events


def scored(tokenizer: Tokenizer, logprobs: TokenLogprobs) -> ScoredToken:
    token_id = logprobs.token_id
    return ScoredToken(
        token_id,
        tokenizer.token_text(token_id),
        tokenizer.token_bytes(token_id),
        logprobs.logprob,
        tuple(
            Alternative(other, tokenizer.token_text(other), tokenizer.token_bytes(other), logprob)
            for other, logprob in logprobs.top
        ),
    )
