"""vLLM's fields about tokens: which may be drawn, which are shown, and which a client gets as ids or with scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, StringConstraints

from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.engine.protocol import MAX_NAMED_LOGPROBS, MAX_TOP_LOGPROBS
from aquilon.errors import invalid
from aquilon.request import PromptCut, ScoredToken

MAX_BAD_WORDS = 512
MAX_PROMPT_SCORES = 250_000
"""Log probabilities of prompts in one answer: prompt tokens times alternatives."""

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TopLogprobs = Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)]
BadWord = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class TokenFields(Fields):
    prompt_logprobs: TopLogprobs | None = Field(
        None,
        description="How many of the likeliest tokens to report at each position of the prompt, with their log "
        "probabilities and ranks; not in streams.",
    )
    logprob_token_ids: (
        Annotated[list[TokenId], Field(min_length=1, max_length=MAX_NAMED_LOGPROBS), FIRST_FAULT_ENDS] | None
    ) = Field(None, description="With log probabilities: the tokens to report instead of the likeliest ones.")
    return_token_ids: bool | None = Field(
        None, description="With true, the answer has `prompt_token_ids`, and each choice has its `token_ids`."
    )
    truncate_prompt_tokens: Annotated[int, Field(ge=-1, lt=2**31)] | None = Field(
        None, description="Keep so many tokens of a longer prompt; -1 keeps those that fit beside the answer."
    )
    truncation_side: Literal["left", "right"] | None = Field(
        None, description="The side at which a prompt is cut: left, the default, keeps its end."
    )
    allowed_token_ids: Annotated[list[TokenId], Field(min_length=1, max_length=262_144), FIRST_FAULT_ENDS] | None = (
        Field(None, description="The only tokens that the answer may have.")
    )
    bad_words: Annotated[list[BadWord], Field(max_length=MAX_BAD_WORDS), FIRST_FAULT_ENDS] | None = Field(
        None, description="Words that the answer may not have."
    )
    include_stop_str_in_output: bool | None = Field(
        None, description="With true, the answer ends with the stop string that ended it."
    )
    skip_special_tokens: bool | None = Field(
        None, description="With false, control tokens in the answer are shown by their names."
    )
    length_penalty: Any = Field(None, description="Without effect: there is no beam search.")
    priority: Any = Field(None, description="Without effect on this server's own models.")

    @property
    def token_options(self) -> dict[str, Any]:
        """These fields as arguments of `GenerationRequest`."""
        cut = None
        if (tokens := self.truncate_prompt_tokens) is not None:
            cut = PromptCut(None if tokens < 0 else tokens, keeps_end=self.truncation_side != "right")
        return {
            "bad_words": tuple(dict.fromkeys(self.bad_words or ())),
            "shows_stop": bool(self.include_stop_str_in_output),
            "shows_control": self.skip_special_tokens is False,
            "cut": cut,
            "returns_ids": bool(self.return_token_ids),
        }

    def check_scores(self, *, streamed: bool, scored: bool) -> None:
        """Raises ApiError 400 for scores that this kind of answer can't have. ``scored``: it has log probabilities."""
        if self.prompt_logprobs and streamed:
            raise invalid("A stream has no prompt_logprobs: send 'stream': false", param="prompt_logprobs")
        if self.logprob_token_ids and not scored:
            raise invalid("logprob_token_ids needs log probabilities: send 'logprobs'", param="logprob_token_ids")

    def check_prompt_scores(self, positions: int) -> None:
        """Raises ApiError 400 if log probabilities at so many positions of prompts would make too large an answer."""
        if self.prompt_logprobs is not None and positions * (self.prompt_logprobs + 1) > MAX_PROMPT_SCORES:
            raise invalid(
                f"prompt_logprobs at {positions} positions with {self.prompt_logprobs + 1} tokens each is more than "
                f"{MAX_PROMPT_SCORES}, the limit: ask for fewer, or shorten the prompts",
                param="prompt_logprobs",
            )


class PromptLogprob(msgspec.Struct, frozen=True):
    logprob: float
    rank: int | None
    """1 for the most likely token."""
    decoded_token: str


PromptLogprobs = list[dict[int, PromptLogprob] | None]
"""For each token of the prompt: by id, the token itself and the likeliest ones; null for the first."""


def prompt_logprobs(scores: Sequence[ScoredToken | None], most: int) -> PromptLogprobs:
    """The scores of a prompt in vLLM's shape, with at most ``most`` alternatives for each token."""
    entries: PromptLogprobs = []
    for score in scores:
        if score is None:
            entries.append(None)
            continue
        entry = {score.id: PromptLogprob(score.logprob, score.rank, score.text)}
        for place, other in enumerate(score.top[:most], start=1):
            entry.setdefault(other.id, PromptLogprob(other.logprob, place, other.text))
        entries.append(entry)
    return entries
