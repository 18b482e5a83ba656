"""The seam between the pipeline and whatever computes an answer: the engine here, or an upstream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from aquilon.platform.domain.generation import Event, GenerationRequest
from aquilon.platform.generation.settlement import Account


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
