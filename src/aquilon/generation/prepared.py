"""The contract between the pipeline and its backends: the local engine, and upstreams."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from aquilon.catalogue.card import ModelCard
from aquilon.money.settlement import Charge
from aquilon.request import Event, GenerationRequest
from aquilon.upstreams.counting import PromptSize, prompt_size


class Prepared(Protocol):
    """A prompt that is ready to be answered: it is valid and allowed, and fits the model."""

    @property
    def model(self) -> str:
        """The model's own name, under which usage is recorded and priced."""

    @property
    def request(self) -> GenerationRequest: ...

    @property
    def n(self) -> int:
        """The number of continuations."""

    @property
    def prompt_tokens(self) -> int:
        """The most tokens that the prompt can cost: exact if the tokenizer is here."""

    @property
    def most_tokens(self) -> int:
        """The most tokens that each continuation may have."""

    def stream(self, position: int, charge: Charge) -> AsyncGenerator[Event]:
        """Started, deltas, one Finished for each continuation; no Usage.

        Continuations are numbered from ``position * n``. Reports the prompt to ``charge``
        (``computed``), and tokens before they are shown (``await grant``, ``generated``).
        Closing the generator ends the work. Raises ApiError.
        """


@dataclass(frozen=True)
class Bounded:
    """A `Prepared` without ``stream``, for models without a tokenizer here: prompt tokens are bounded, not counted."""

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
        max_tokens = self.request.sampling.max_tokens
        return self.card.max_context if max_tokens is None else max_tokens


def expected_tokens(prepared: Prepared) -> int:
    """The prompt's tokens: exact if the tokenizer is here, else those that are charged if nobody counts them."""
    return prepared.size.usual if isinstance(prepared, Bounded) else prepared.prompt_tokens
