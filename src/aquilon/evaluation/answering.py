"""Models that answer questions: what the engine on this machine and a server elsewhere have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aquilon.evaluation.prompting import Prompt


class NoAnswer(Exception):
    """The model can't be asked; the message says why, and what would help."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How one answer is drawn."""

    max_tokens: int
    stop: tuple[str, ...]
    """Texts that end an answer in plain text."""
    temperature: float
    top_p: float
    seed: int


class Scoring(Protocol):
    """A model that says how likely texts are."""

    async def log_likelihoods(self, context: str, continuations: Sequence[str]) -> list[float]:
        """The natural log probability of each text after the context. Raises NoAnswer."""
        ...


class Answering(Protocol):
    """A model that writes answers."""

    @property
    def chat(self) -> bool:
        """Whether questions are asked as conversations, not as texts to continue."""
        ...

    async def answer(self, prompt: Prompt, drawing: Drawing) -> str:
        """What the model writes. Raises NoAnswer."""
        ...

    async def aclose(self) -> None: ...
