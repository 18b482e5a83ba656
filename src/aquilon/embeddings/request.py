"""The canonical embedding request, which every API's requests are translated to, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from aquilon.request import PromptCut

Purpose = Literal["query", "passage"]
"""The use of a text: some models embed a question differently from the passages that answer it."""

DataType = Literal["float", "int8", "uint8", "binary", "ubinary"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingRequest:
    model: str
    """The name that the client sent: a model's name or an alias."""
    texts: tuple[str, ...] = ()
    token_ids: tuple[tuple[int, ...], ...] = ()
    """Instead of texts: ids of the model's own vocabulary."""
    purpose: Purpose = "query"
    dimensions: int | None = None
    """None for all dimensions of the model."""
    cut: PromptCut | None = None
    """How a text is shortened that is too long; None refuses it."""
    upstream_fields: dict[str, Any] = field(default_factory=dict)
    """The client's fields that only upstreams understand, unchanged."""
    hops: int = 0
    """See `Principal.hops`."""

    @property
    def inputs(self) -> int:
        return len(self.texts) or len(self.token_ids)

    @property
    def most_tokens(self) -> int:
        """An upper bound: no tokenizer makes more tokens of a text than it has bytes, plus a few around it."""
        return sum(len(text.encode()) + 8 for text in self.texts) + sum(len(ids) for ids in self.token_ids)

    @property
    def usual_tokens(self) -> int:
        """An estimate, for upstreams that don't report their count."""
        size = sum(len(text.encode()) for text in self.texts)
        return max(1, -(-size // 4) + sum(len(ids) for ids in self.token_ids))


@dataclass(frozen=True)
class Embedded:
    vectors: list[bytes]
    """A vector for each input, in order: 32-bit floats, little end first."""
    tokens: int
    """The tokens that the model read."""
