"""Model cards: what is known of a model without loading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from aquilon.catalogue.model_notes import Access, ModelNote, default_access
from aquilon.checkpoints.store import StoredModel
from aquilon.evaluation.scorecard import Scorecard, read_scorecard

OWN = "aquilon"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Sizes are bytes, contexts are tokens, times unix seconds."""

    name: str
    source: str = ""
    created: int
    parameters: int = 0
    """0 if unknown."""
    max_context: int
    size_bytes: int = 0
    """The model's size on this machine's disk; 0 if it isn't stored here."""
    chat: bool = False
    completions: bool = True
    """Whether the model continues texts."""
    fim: bool = False
    function_calling: bool = False
    vision: bool = False
    reasoning: bool = False
    embeddings: bool = False
    rerank: bool = False
    """Whether the model is a reranker: it reads a query and a document together."""
    license: str = ""
    languages: tuple[str, ...] = ()
    description: str = ""
    aliases: tuple[str, ...] = ()
    provider: str = OWN
    """The name of the upstream that computes the answers, or ``aquilon`` for this server."""
    access: Access = "commercial"
    default_temperature: float | None = None
    """Set by the operator; None means the checkpoint's default."""
    deprecated_at: int | None = None
    retires_at: int | None = None
    replacement: str | None = None
    scorecard: Scorecard | None = None
    """None for a model that wasn't measured here."""

    @property
    def local(self) -> bool:
        """Whether requests to the model stay on this machine."""
        return self.provider == OWN

    def noted(self, note: ModelNote | None) -> ModelCard:
        """The card with the operator's note applied."""
        if note is None:
            return self
        noted = {
            name: value
            for name in ("access", "description", "license", "default_temperature")
            if (value := getattr(note, name)) is not None
        }
        if note.access == "open" and not isinstance(self, LocalModel):
            del noted["access"]  # there are no files to download
        return replace(
            self, **noted, deprecated_at=note.deprecated_at, retires_at=note.retires_at, replacement=note.replacement
        )


@dataclass(frozen=True, kw_only=True)
class LocalModel(ModelCard):
    """A model in this server's store, computed by its engine."""

    path: Path

    @classmethod
    def of(cls, model: StoredModel) -> LocalModel:
        return cls(
            name=model.name,
            path=model.path,
            source=model.source,
            created=int(datetime.fromisoformat(model.pulled_at).timestamp()),
            parameters=model.parameters,
            max_context=model.max_context,
            size_bytes=model.bytes,
            chat=model.chat,
            fim=bool(model.fim),
            function_calling=model.chat,
            reasoning=bool(model.reasoning),
            license=model.license,
            languages=tuple(model.languages),
            description=model.description,
            access=default_access(model.license, model.source),
            scorecard=read_scorecard(model.path),
        )


class CardSource(Protocol):
    """A source of models beside the store: upstreams, or the embedding model."""

    def cards(self) -> Sequence[ModelCard]:
        """The cards in order, from memory."""
