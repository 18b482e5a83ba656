"""The seam between the pipeline and whatever computes an answer: the engine here, or an upstream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from aquilon.catalogue.catalogue import ModelCard
from aquilon.money.settlement import Account
from aquilon.request import Event, GenerationRequest
from aquilon.upstreams.counting import PromptSize, prompt_size


class Prepared(Protocol):
    """A prompt that can be answered: it is understood, allowed, and fits the model."""

    @property
    def model(self) -> str:
        """The model's own name, which usage is recorded and priced under."""

    @property
    def request(self) -> GenerationRequest: ...

    @property
    def n(self) -> int:
        """Continuations."""

    @property
    def prompt_tokens(self) -> int:
        """What the prompt costs at most: exact where the tokenizer is here."""

    @property
    def most_tokens(self) -> int:
        """That each continuation may have."""

    def stream(self, position: int, account: Account) -> AsyncGenerator[Event]:
        """Started, deltas, one Finished for each continuation; no Usage.

        Continuations count from ``position * n``. Tells ``account`` of the prompt
        (``computed``) and of tokens before they are shown (``await grant``, ``generated``).
        Closing it ends the work. Raises ApiError.
        """


@dataclass(frozen=True)
class Bounded:
    """All of a `Prepared` but its ``stream``, where no tokenizer is at hand: the prompt is bounded, not counted."""

    card: ModelCard
    request: GenerationRequest

    @property
    def model(self) -> str:
        return self.card.name

    @property
    def n(self) -> int:
        return self.request.n

    @cached_property
    def size(self) -> PromptSize:
        return prompt_size(self.request)

    @property
    def prompt_tokens(self) -> int:
        return self.size.most

    @property
    def most_tokens(self) -> int:
        wanted = self.request.sampling.max_tokens
        return self.card.max_context if wanted is None else wanted
