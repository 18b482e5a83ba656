"""Model cards: what is known of a model without loading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from aquilon.catalogue.model_notes import Access, ModelNote, default_access
from aquilon.catalogue.tables import FineTunedModel
from aquilon.checkpoints.store import StoredModel
from aquilon.evaluation.scorecard import Scorecard, read_scorecard
from aquilon.people.identity import Principal

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
    organization_id: str | None = None
    """The organization that a fine-tuned model belongs to: no other one sees it. None for the server's models."""
    scorecard: Scorecard | None = None
    """None for a model that wasn't measured here."""

    def is_for(self, principal: Principal, *names: str) -> bool:
        """Whether the caller may use the model, by its own name or another one under which the key allows it."""
        if self.organization_id not in (None, principal.organization_id):
            return False
        return principal.may_use(self.name, *self.aliases, *names)

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
            for name in ("access", "description", "license", "languages", "default_temperature")
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
    base: str | None = None
    """The store's model that it was fine-tuned from."""
    adapter_of: str | None = None
    """The base of an adapter in the store."""
    job_id: str | None = None
    """The fine-tuning job that made it."""
    title: str | None = None
    """A name to show, which a fine-tuned model's organization gives."""

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
            adapter_of=Path(model.base).name or None,
        )

    @property
    def stored_as(self) -> str:
        """The store's name of the model whose files it needs: its own or its base's."""
        return self.base or self.name

    def fine_tuned(self, model: FineTunedModel, folder: Path) -> LocalModel:
        """The card of a model that was fine-tuned from this one. ``folder`` holds all of them."""
        return replace(
            self,
            name=model.name,
            path=folder / model.folder,
            source=self.name,
            created=model.created_at,
            size_bytes=model.size_bytes,
            fim=False,
            description=model.description or "",
            aliases=(),
            access="commercial",
            default_temperature=None,
            deprecated_at=None,
            retires_at=None,
            replacement=None,
            organization_id=model.organization_id,
            base=self.name,
            adapter_of=None,
            job_id=model.job_id,
            title=model.title,
            scorecard=read_scorecard(folder / model.folder),
        )


class CardSource(Protocol):
    """A source of models beside the store: upstreams, or the embedding model."""

    def cards(self) -> Sequence[ModelCard]:
        """The cards in order, from memory."""
