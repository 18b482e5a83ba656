"""The models that this server offers: what they are called, what they can do, and the text side of each."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.store import Hold, ModelStore, StoredModel
from aquilon.checkpoints.text import load_text
from aquilon.platform.domain.errors import ApiError, not_found
from aquilon.text.model import TextModel

CATCH_ALL = "*"
DEFAULT_CHAT_TEMPERATURE = 0.7
"""Where a checkpoint recommends none."""
MAX_TEXTS = 4
"""Tokenizers kept in memory, some 20 to 60 MB each; the least recently used leaves."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a model without loading it. Sizes are bytes, contexts are tokens, times unix seconds."""

    name: str
    source: str
    created: int
    parameters: int
    max_context: int
    size_bytes: int
    chat: bool
    license: str
    languages: tuple[str, ...]
    description: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LocalModel(ModelCard):
    """A model in this server's store, which its own engine computes."""

    path: Path


@dataclass(frozen=True)
class LoadedText:
    """A model's tokenizer and template, and what its checkpoint says about generating."""

    text: TextModel
    max_context: int
    default_temperature: float


class Catalogue:
    """Reads the model store anew when asked, so that a model pulled while the server runs is there at once."""

    def __init__(self, store: ModelStore | None, *, names: Sequence[str], aliases: Mapping[str, str]) -> None:
        """``names``: the models named on the command line, the default first; the rest of the store follows them.

        Without a store there are no models here.
        """
        self._store = store
        self._names = tuple(names)
        self._aliases = dict(aliases)
        self._texts: OrderedDict[tuple[str, int], asyncio.Task[LoadedText]] = OrderedDict()
        self._holds: dict[str, Hold] = {}
        self._cards: tuple[object, list[LocalModel]] = (None, [])

    def cards(self) -> list[LocalModel]:
        """Every model, the default chat model first."""
        if self._store is None or not self._store.folder.is_dir():
            return []
        state = self._store.folder.stat().st_mtime_ns, sorted(os.listdir(self._store.folder))
        if state != self._cards[0]:  # a model appears and goes by a rename in this folder
            self._cards = state, self._read_cards(self._store)
        return self._cards[1]

    def named(self, name: str) -> LocalModel:
        """The model of exactly this name. Raises ApiError 404."""
        found = next((card for card in self.cards() if card.name == name), None)
        if found is None:
            raise self._unknown(name)
        return found

    def default_temperature(self, card: ModelCard) -> float | None:
        """What a chat gets that asks for none; None until the model was used once."""
        task = self._texts.get((card.name, card.created))
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result().default_temperature

    def _read_cards(self, store: ModelStore) -> list[LocalModel]:
        stored = {model.name: model for model in store.list()}
        first = [name for name in self._names if name in stored]
        ordered = [*first, *(name for name in stored if name not in first)]
        cards = [self._card(stored[name]) for name in ordered]
        default = next((card for card in cards if card.chat), None)
        return cards if default is None else [default, *(card for card in cards if card is not default)]

    def card(self, asked: str) -> LocalModel:
        """The model that a client's name or alias stands for. Raises ApiError 404 with the names that would do."""
        cards = {card.name: card for card in self.cards()}
        for name in (asked, self._aliases.get(asked), self._aliases.get(CATCH_ALL)):
            if name is not None and name in cards:
                return cards[name]
        raise self._unknown(asked)

    def _unknown(self, asked: str) -> ApiError:
        names = ", ".join(f"'{card.name}'" for card in self.cards()) or "none yet: pull one with `aquilon pull`"
        return not_found(
            f"The model '{asked[:200]}' does not exist; this server has {names}", param="model", code="model_not_found"
        )

    async def text(self, card: LocalModel) -> LoadedText:
        """The model's tokenizer and template, read once; from then on the store keeps the model's files.

        Raises ValueError, naming the file, where the checkpoint is damaged.
        """
        key = (card.name, card.created)
        task = self._texts.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            for stale in [other for other in self._texts if other[0] == card.name]:
                del self._texts[stale]
            task = self._texts[key] = asyncio.create_task(asyncio.to_thread(self._load, card))
        self._texts.move_to_end(key)
        if len(self._texts) > MAX_TEXTS:
            self._texts.popitem(last=False)
        return await asyncio.shield(task)

    def _card(self, model: StoredModel) -> LocalModel:
        return LocalModel(
            name=model.name,
            path=model.path,
            source=model.source,
            created=int(datetime.fromisoformat(model.pulled_at).timestamp()),
            parameters=model.parameters,
            max_context=model.max_context,
            size_bytes=model.bytes,
            chat=model.chat,
            license=model.license,
            languages=tuple(model.languages),
            description=model.description,
            aliases=tuple(alias for alias, name in self._aliases.items() if name == model.name and alias != CATCH_ALL),
        )

    def _load(self, card: LocalModel) -> LoadedText:
        if self._store is not None and card.name not in self._holds:
            hold = self._store.hold(card.name)
            try:
                self._store.check(card.name)
            except ValueError:
                hold.release()  # a damaged model may be pulled again while the server runs
                raise
            self._holds[card.name] = hold
        checkpoint = open_checkpoint(card.path)
        temperature = checkpoint.default_temperature
        return LoadedText(
            text=load_text(checkpoint),
            max_context=checkpoint.architecture.max_context,
            default_temperature=DEFAULT_CHAT_TEMPERATURE if temperature is None else temperature,
        )
