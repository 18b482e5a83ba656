"""The one embedding request that every API's requests are translated to, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Purpose = Literal["query", "passage"]
"""What a text is for: models that tell a question from the text that answers it embed the two differently."""

DataType = Literal["float", "int8", "uint8", "binary", "ubinary"]
DATA_TYPES: tuple[DataType, ...] = get_args(DataType)


@dataclass(frozen=True, kw_only=True)
class EmbeddingRequest:
    model: str
    """As the client named it: a model's name or an alias."""
    texts: tuple[str, ...] = ()
    token_ids: tuple[tuple[int, ...], ...] = ()
    """In place of texts, in the model's own vocabulary."""
    purpose: Purpose = "query"
    dimensions: int | None = None
    """None is all that the model has."""
    upstream_fields: dict[str, Any] = field(default_factory=dict)
    """The client's fields that mean something to an upstream alone, as they came."""
    hops: int = 0
    """As `Principal.hops`."""

    @property
    def inputs(self) -> int:
        return len(self.texts) or len(self.token_ids)

    @property
    def most_tokens(self) -> int:
        """No tokenizer makes more of a text than it has bytes, but for its frame."""
        return sum(len(text.encode()) + 8 for text in self.texts) + sum(len(ids) for ids in self.token_ids)

    @property
    def usual_tokens(self) -> int:
        """Counted where whoever embeds doesn't tell."""
        size = sum(len(text.encode()) for text in self.texts)
        return max(1, -(-size // 4) + sum(len(ids) for ids in self.token_ids))


@dataclass(frozen=True)
class Embedded:
    vectors: list[bytes]
    """One an input, in order: 32-bit floats, little end first."""
    tokens: int
    """That the model read."""
