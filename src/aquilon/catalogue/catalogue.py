"""The models that this server offers: their names and what they can do.

Models come from the model store and from sources such as upstreams. The operator's
aliases and notes apply to both.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aquilon.catalogue.aliases import Alias
from aquilon.catalogue.annotations import Annotations
from aquilon.catalogue.card import CardSource, LocalModel, ModelCard
from aquilon.checkpoints.arrival import completed
from aquilon.checkpoints.store import ModelStore
from aquilon.errors import ApiError, invalid, not_found
from aquilon.people.identity import Principal


class Catalogue:
    """Reads the model store again when it has changed: a model pulled while the server runs is listed at once."""

    def __init__(
        self,
        store: ModelStore | None,
        annotations: Annotations,
        sources: Sequence[CardSource] = (),
        *,
        names: Sequence[str] = (),
        fine_tuned_folder: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``names`` are the models named on the command line, the default first. The store's other models follow.
        ``fine_tuned_folder`` has the files of fine-tuned models; without it there are none.

        Without a store the server is a gateway. Of models with the same name, the
        store's counts before those of ``sources``, and an earlier source's before a later one's.
        """
        self.store = store
        self.annotations = annotations
        self._sources = tuple(sources)
        self._names = tuple(names)
        self._fine_tuned_folder = fine_tuned_folder
        self._clock = clock
        self._stored: tuple[object, list[LocalModel]] = (None, [])
        self._merged: tuple[object, dict[str, ModelCard]] = (None, {})

    async def refresh(self, *, now: bool = False) -> None:
        """As `Annotations.refresh`."""
        await self.annotations.refresh(now=now)

    def cards(self) -> list[ModelCard]:
        """Every model, the default chat model first."""
        return list(self._all().values())

    def default_name(self) -> str:
        """The name of the model that answers where a client names none. Raises ApiError 400 without any model."""
        cards = self.cards()
        if not cards:
            raise invalid(
                "Send a 'model': this server has no model to use by default", param="model", code="model_missing"
            )
        return cards[0].name

    def named(self, name: str) -> LocalModel:
        """The stored model of exactly this name. Raises ApiError 404."""
        card = next((card for card in self._local() if card.name == name), None)
        if card is None:
            raise self._unknown(name, None)
        return card

    def get(self, name: str) -> ModelCard | None:
        """The model of exactly this name, retired or not, whoever it belongs to; None if there is none."""
        return self._all().get(name)

    def card(self, name: str, principal: Principal | None = None) -> ModelCard:
        """The model of this name or alias, for this caller.

        Raises ApiError: 404 with the names of the models here, 410 for a retired model,
        with its replacement.
        """
        cards = self._all()
        card = cards.get(name)
        if card is None:
            target = self.annotations.target(
                name,
                principal,
                is_theirs=lambda model: model in cards and (principal is None or _is_visible(cards[model], principal)),
            )
            if target is not None and target not in cards:
                raise not_found(
                    f"'{name[:200]}' stands for the model '{target}', which isn't here any more",
                    param="model",
                    code="model_not_found",
                    values={"name": name[:200]},
                )
            card = cards.get(target or "") or cards.get(self.annotations.catch_all or "")
        if card is None or (principal is not None and not _is_visible(card, principal)):
            raise self._unknown(name, principal)
        if self.is_retired(card):
            raise _retired(card)
        return card

    def embedding_card(self, name: str, principal: Principal) -> ModelCard:
        """The model for an embedding: as ``card``, but an unknown name goes to the first model that embeds.

        Raises ApiError 404 or 410.
        """
        return self._able_card(name, principal, lambda card: card.embeddings)

    def rerank_card(self, name: str, principal: Principal) -> ModelCard:
        """The same for reranking, which embedding models can do too; an unknown name goes to a reranker if one is here.

        Raises ApiError 404 or 410.
        """
        card = self._able_card(name, principal, lambda card: card.rerank)
        return card if card.rerank else self.embedding_card(name, principal)

    def _able_card(self, name: str, principal: Principal, is_able: Callable[[ModelCard], bool]) -> ModelCard:
        card = self.card(name, principal)
        if not is_able(card) and name != card.name and self.annotations.target(name, principal) is None:
            return next((other for other in self.cards() if is_able(other) and not self.is_retired(other)), card)
        return card

    def is_retired(self, card: ModelCard) -> bool:
        return card.retires_at is not None and self._clock() >= card.retires_at

    def _all(self) -> dict[str, ModelCard]:
        """All cards by name, in order, with the operator's notes applied."""
        own = self._local()
        others = [list(source.cards()) for source in self._sources]
        state = id(own), others, self.annotations.version
        if state != self._merged[0]:
            cards = [*own, *(card for cards in others for card in cards), *self._fine_tuned(own)]
            self._merged = state, self._merge(cards, self.annotations.aliases())
        return self._merged[1]

    def _merge(self, cards: Sequence[ModelCard], aliases: Sequence[Alias]) -> dict[str, ModelCard]:
        merged: dict[str, ModelCard] = {}
        for card in cards:
            if card.name not in merged:
                names = (alias.name for alias in aliases if alias.target == card.name)
                merged[card.name] = replace(card, aliases=tuple(names)).noted(self.annotations.note(card.name))
        shared = {name: card for name, card in merged.items() if card.organization_id is None}
        default = next((name for name, card in shared.items() if card.chat and not self.is_retired(card)), None)
        return merged if default is None else {default: merged[default], **merged}

    def _fine_tuned(self, own: Sequence[LocalModel]) -> Iterator[LocalModel]:
        """Those whose files, and whose base's, are on this machine."""
        bases = {card.name: card for card in own}
        for model in self.annotations.fine_tuned_models():
            folder, base = self._fine_tuned_folder, bases.get(model.base)
            if folder is not None and base is not None and (folder / model.folder).is_dir():
                yield base.fine_tuned(model, folder)

    def _local(self) -> list[LocalModel]:
        if self.store is None or not self.store.folder.is_dir():
            if self._stored[1]:
                self._stored = None, []
            return self._stored[1]
        state = self.store.folder.stat().st_mtime_ns, sorted(os.listdir(self.store.folder))
        if state != self._stored[0]:  # a rename in this folder adds or removes a model
            stored = {model.name: model for model in self.store.list()}
            first = [name for name in self._names if name in stored]
            ordered = [*first, *(name for name in stored if name not in first)]
            self._stored = state, [LocalModel.of(completed(self.store, stored[name])) for name in ordered]
        return self._stored[1]

    def _unknown(self, name: str, principal: Principal | None) -> ApiError:
        available = [
            f"'{card.name}'"
            for card in self.cards()
            if not self.is_retired(card)
            and (card.organization_id is None if principal is None else card.is_for(principal))
        ]
        names = ", ".join(available) or "none yet: pull one with `aquilon pull`"
        return not_found(
            f"The model '{name[:200]}' does not exist; this server has {names}",
            param="model",
            code="model_not_found",
            values={"name": name[:200]},
        )


def _is_visible(card: ModelCard, principal: Principal) -> bool:
    """Whether the caller may know of the model, even if the key doesn't allow its use."""
    owner = card.organization_id
    return card.name not in principal.hidden_models and (owner is None or owner == principal.organization_id)


def _retired(card: ModelCard) -> ApiError:
    day = datetime.fromtimestamp(card.retires_at or 0, UTC).strftime("%Y-%m-%d")
    instead = f": use '{card.replacement}' in its place" if card.replacement else ""
    return ApiError(
        410,
        "not_found_error",
        f"The model '{card.name}' retired on {day}{instead}",
        param="model",
        code="model_retired",
        values={"name": card.name},
    )
