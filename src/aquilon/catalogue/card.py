"""What is known of a model without loading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from aquilon.catalogue.model_notes import Access, ModelNote, default_access
from aquilon.checkpoints.store import StoredModel

OWN = "aquilon"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Sizes are bytes, contexts are tokens, times unix seconds."""

    name: str
    source: str = ""
    created: int
    parameters: int = 0
    """0 where nobody says."""
    max_context: int
    size_bytes: int = 0
    """On this machine."""
    chat: bool = False
    completions: bool = True
    """Whether it continues a text."""
    fim: bool = False
    function_calling: bool = False
    vision: bool = False
    reasoning: bool = False
    embeddings: bool = False
    license: str = ""
    languages: tuple[str, ...] = ()
    description: str = ""
    aliases: tuple[str, ...] = ()
    provider: str = OWN
    """Who computes its answers: this server, or an upstream by its name."""
    access: Access = "commercial"
    default_temperature: float | None = None
    """What the operator says; None is the checkpoint's own."""
    deprecated_at: int | None = None
    retires_at: int | None = None
    replacement: str | None = None

    @property
    def local(self) -> bool:
        """Whether what is asked of it stays on this machine."""
        return self.provider == OWN

    def noted(self, note: ModelNote | None) -> ModelCard:
        """The card with what the operator says of the model."""
        if note is None:
            return self
        said = {
            name: value
            for name in ("access", "description", "license", "default_temperature")
            if (value := getattr(note, name)) is not None
        }
        if note.access == "open" and not isinstance(self, LocalModel):
            del said["access"]  # there are no files to download
        return replace(
            self, **said, deprecated_at=note.deprecated_at, retires_at=note.retires_at, replacement=note.replacement
        )


@dataclass(frozen=True, kw_only=True)
class LocalModel(ModelCard):
    """A model in this server's store, which its own engine computes."""

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
        )


class CardSource(Protocol):
    """Whoever provides models beside the store: upstreams, the embedding model."""

    def cards(self) -> Sequence[ModelCard]:
        """From memory, in order."""
