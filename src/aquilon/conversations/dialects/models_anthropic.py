"""Models' cards in Anthropic's shape."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from aquilon.catalogue.card import ModelCard

MOST_MODELS = 1000
"""Of one page."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "model"
    id: str
    display_name: str
    created_at: str
    """Times are in the format of RFC 3339."""
    lifecycle: str
    """``active``, or ``deprecated`` for a model with a date of retirement."""
    deprecated_at: str | None = None
    retires_at: str | None = None
    max_input_tokens: int
    max_tokens: int
    capabilities: None = None
    line: None = None


class ModelsPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[ModelInfo]
    first_id: str | None
    last_id: str | None
    has_more: bool


def models_page(cards: Sequence[ModelCard], *, after_id: str | None, before_id: str | None, limit: int) -> ModelsPage:
    """The models after the one with the id ``after_id`` or before the one with ``before_id``; else the first.

    An id that is unknown counts as left out.
    """
    names = [card.name for card in cards]
    if before_id in names:
        end = names.index(before_id)
        begin = max(0, end - limit)
        has_more = begin > 0
    else:
        begin = names.index(after_id) + 1 if after_id in names else 0
        end = begin + limit
        has_more = end < len(cards)
    data = [model_info(card) for card in cards[begin:end]]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return ModelsPage(data=data, first_id=first, last_id=last, has_more=has_more)


def model_info(card: ModelCard) -> ModelInfo:
    return ModelInfo(
        id=card.name,
        display_name=card.name,
        created_at=_time(card.created),
        lifecycle="active" if card.retires_at is None and card.deprecated_at is None else "deprecated",
        deprecated_at=None if card.deprecated_at is None else _time(card.deprecated_at),
        retires_at=None if card.retires_at is None else _time(card.retires_at),
        max_input_tokens=card.max_context,
        max_tokens=card.max_context,
    )


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
