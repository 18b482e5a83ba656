"""Tokenizers and chat templates of stored models, read once and kept while they are used."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aquilon.catalogue.card import LocalModel, ModelCard
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.store import Hold, ModelStore

if TYPE_CHECKING:
    from aquilon.text.model import TextModel

DEFAULT_CHAT_TEMPERATURE = 0.7
"""The temperature of a chat if the checkpoint recommends none."""
MAX_TEXTS = 4
"""The most tokenizers kept in memory, 20 to 60 MB each. The least recently used is dropped."""


@dataclass(frozen=True)
class LoadedText:
    """A model's tokenizer and template, and its checkpoint's context length and temperature."""

    text: TextModel
    max_context: int
    default_temperature: float


class TextModels:
    def __init__(self, store: ModelStore | None) -> None:
        self._store = store
        self._texts: OrderedDict[tuple[str, int], asyncio.Task[LoadedText]] = OrderedDict()
        self._holds: dict[str, Hold] = {}

    async def get(self, card: LocalModel) -> LoadedText:
        """The model's tokenizer and template, read once. From then on the store keeps the model's files.

        Raises ValueError, naming the file, if the checkpoint is damaged.
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

    def default_temperature(self, card: ModelCard) -> float | None:
        """The temperature of a chat that names none; None until the model was used once."""
        if card.default_temperature is not None:
            return card.default_temperature
        task = self._texts.get((card.name, card.created))
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result().default_temperature

    def release(self, name: str) -> None:
        """Release a stored model's files, so that they can be removed or replaced; forget a fine-tuned model."""
        for key in [key for key in self._texts if key[0] == name]:
            del self._texts[key]
        hold = self._holds.pop(name, None)
        if hold is not None:
            hold.release()

    def _load(self, card: LocalModel) -> LoadedText:
        if self._store is not None and card.stored_as not in self._holds:
            hold = self._store.hold(card.stored_as)
            try:
                self._store.check(card.stored_as)
            except ValueError:
                hold.release()  # so that the damaged model can be pulled again
                raise
            self._holds[card.stored_as] = hold
        from aquilon.checkpoints.text import load_text  # tokenizers and jinja2 take 7 MB: only where a model is local

        checkpoint = open_checkpoint(card.path)
        text = load_text(checkpoint)
        if text.template is not None:
            text.template.compile()  # in this thread, so that the first request doesn't do it on the event loop
        temperature = checkpoint.default_temperature
        return LoadedText(
            text=text,
            max_context=checkpoint.architecture.max_context,
            default_temperature=DEFAULT_CHAT_TEMPERATURE if temperature is None else temperature,
        )
