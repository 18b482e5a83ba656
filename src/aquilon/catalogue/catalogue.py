"""The models that this server offers: what they are called, what they can do, and the text side of its own.

Its own come from the model store, others from sources such as upstreams; over both
lies what an operator says of them: aliases and notes.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.catalogue import store as models
from aquilon.catalogue.aliases import Alias
from aquilon.catalogue.model_notes import Access, ModelNote, default_access
from aquilon.checkpoints.arrival import completed
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.store import Hold, ModelStore, StoredModel
from aquilon.checkpoints.text import load_text
from aquilon.errors import ApiError, not_found
from aquilon.people.identity import Principal
from aquilon.storage import Database
from aquilon.storage.changes import Moment
from aquilon.text.model import TextModel

CATCH_ALL = "*"
DEFAULT_CHAT_TEMPERATURE = 0.7
"""Where a checkpoint recommends none."""
MAX_TEXTS = 4
"""Tokenizers kept in memory, some 20 to 60 MB each; the least recently used leaves."""
FRESH_SECONDS = 1.0
"""Aliases and notes that somebody changed on another machine count this soon while nobody tells of them."""
PATIENCE_SECONDS = 1.0
"""A slower database isn't waited for: what was known counts."""
OWN = "aquilon"

log = structlog.get_logger("aquilon.catalogue")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a model without loading it. Sizes are bytes, contexts are tokens, times unix seconds."""

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


@dataclass(frozen=True, kw_only=True)
class LocalModel(ModelCard):
    """A model in this server's store, which its own engine computes."""

    path: Path


class CardSource(Protocol):
    """Whoever provides models beside the store: upstreams, the embedding model."""

    def cards(self) -> Sequence[ModelCard]:
        """From memory, in order."""


@dataclass(frozen=True)
class LoadedText:
    """A model's tokenizer and template, and what its checkpoint says about generating."""

    text: TextModel
    max_context: int
    default_temperature: float


class Catalogue:
    """Reads the model store anew when asked, so that a model pulled while the server runs is there at once.

    Aliases and notes are read by ``refresh``; everything else answers from memory.
    """

    def __init__(
        self,
        store: ModelStore | None,
        *,
        names: Sequence[str],
        aliases: Mapping[str, str],
        database: Database | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``names``: the models named on the command line, the default first; the rest of the store follows them.

        Without a store there are no models of its own here. ``aliases`` are the
        settings'; one of the database with the same name counts in its place.
        """
        self.store = store
        self._names = tuple(names)
        self._settings_aliases = {name: target for name, target in aliases.items() if name != CATCH_ALL}
        self._catch_all = aliases.get(CATCH_ALL)
        self._database = database
        self._clock = clock
        self._sources: list[CardSource] = []
        self._texts: OrderedDict[tuple[str, int], asyncio.Task[LoadedText]] = OrderedDict()
        self._holds: dict[str, Hold] = {}
        self._stored: tuple[object, list[LocalModel]] = (None, [])
        self._aliases: dict[str, Alias] = {}
        self._switches: list[int] = []
        """When aliases will stand for something else."""
        self._notes: dict[str, ModelNote] = {}
        self._knowledge = 0
        self._read_at: Moment | None = None
        self._pause_until = 0.0
        """The database was away: it is asked again then."""
        self._reading: asyncio.Task[None] | None = None
        self._reading_since = Moment(b"", 0.0)
        self._merged: tuple[object, dict[str, ModelCard]] = (None, {})

    def include(self, source: CardSource) -> None:
        """Offer another source's models too; where names are equal, those of earlier sources count."""
        self._sources.append(source)

    async def refresh(self, *, now: bool = False) -> None:
        """Know what was said of models a second ago, or ``now``. While the database is away, what was known counts."""
        if self._database is None or (not now and self._is_fresh(self._database)):
            return
        moment = self._database.changes.now()
        if self._reading is None or self._reading.done() or now or moment.version != self._reading_since.version:
            self._reading, self._reading_since = asyncio.create_task(self._read(self._database, moment)), moment
        await asyncio.wait({self._reading}, timeout=PATIENCE_SECONDS)

    def _is_fresh(self, database: Database) -> bool:
        if self._read_at is not None and database.changes.none_since(self._read_at, unheard=FRESH_SECONDS):
            return True
        return time.monotonic() < self._pause_until

    async def _read(self, database: Database, moment: Moment) -> None:
        try:
            async with database.reading() as session:
                aliases = {alias.name: alias for alias in await models.aliases(session)}
                notes = await models.notes(session)
        except (DBAPIError, OSError) as error:
            log.warning("Aliases can't be read now", error=str(error))
            self._pause_until = moment.at + FRESH_SECONDS
        else:
            if self._read_at is not None and self._read_at.at > moment.at:
                return  # a later reading was quicker
            self._read_at = moment
            if (aliases, notes) != (self._aliases, self._notes):
                self._aliases, self._notes = aliases, notes
                self._switches = sorted(alias.switch_at for alias in aliases.values() if alias.switch_at is not None)
                self._knowledge += 1

    def cards(self) -> list[ModelCard]:
        """Every model, the default chat model first."""
        return list(self._all().values())

    def aliases(self) -> list[Alias]:
        """Those of the settings and of the database, by name, as they are now."""
        moment = int(self._clock())
        found = {name: Alias(name=name, target=target) for name, target in self._settings_aliases.items()}
        found |= {name: alias.at(moment) for name, alias in self._aliases.items()}
        return [found[name] for name in sorted(found)]

    def is_set_here(self, alias: str) -> bool:
        """Whether an alias is the database's own; the settings' can't be changed while the server runs."""
        return alias in self._aliases

    def named(self, name: str) -> LocalModel:
        """The stored model of exactly this name. Raises ApiError 404."""
        found = next((card for card in self._local() if card.name == name), None)
        if found is None:
            raise self._unknown(name, None)
        return found

    def get(self, name: str) -> ModelCard | None:
        """The model of exactly this name, in use or retired."""
        return self._all().get(name)

    def card(self, asked: str, principal: Principal | None = None) -> ModelCard:
        """The model that a name or alias stands for, for this caller.

        Raises ApiError: 404 with the names that would do, 410 for a model that has
        retired, with the one to use in its place.
        """
        cards = self._all()
        found = cards.get(asked)
        if found is None:
            target = self._target(asked, principal)
            if target is not None and target not in cards:
                raise not_found(
                    f"'{asked[:200]}' stands for the model '{target}', which isn't here any more",
                    param="model",
                    code="model_not_found",
                )
            found = cards.get(target or "") or cards.get(self._catch_all or "")
        if found is None:
            raise self._unknown(asked, principal)
        if self.is_retired(found):
            raise _retired(found)
        return found

    def embedding_card(self, asked: str, principal: Principal) -> ModelCard:
        """The same for an embedding: where all other names go to a model that generates, the first that embeds answers.

        Raises ApiError 404 or 410.
        """
        card = self.card(asked, principal)
        if not card.embeddings and asked != card.name and self._target(asked, principal) is None:
            return next((other for other in self.cards() if other.embeddings and not self.is_retired(other)), card)
        return card

    def notices(self, name: str) -> dict[str, str]:
        """The headers that tell of a model's end: RFC 9745's, RFC 8594's, and a link to what takes its place."""
        card = self.get(name)
        if card is None or card.retires_at is None:
            return {}
        headers = {"sunset": formatdate(card.retires_at, usegmt=True)}
        if card.deprecated_at is not None:
            headers["deprecation"] = f"@{card.deprecated_at}"
        if card.replacement is not None:
            headers["link"] = f'</v1/models/{quote(card.replacement)}>; rel="successor-version"'
        return headers

    def is_retired(self, card: ModelCard) -> bool:
        return card.retires_at is not None and self._clock() >= card.retires_at

    def default_temperature(self, card: ModelCard) -> float | None:
        """What a chat gets that asks for none; None until the model was used once."""
        if card.default_temperature is not None:
            return card.default_temperature
        task = self._texts.get((card.name, card.created))
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result().default_temperature

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

    def release(self, name: str) -> None:
        """Let go of a stored model's files, so that they can be removed or replaced."""
        for key in [key for key in self._texts if key[0] == name]:
            del self._texts[key]
        hold = self._holds.pop(name, None)
        if hold is not None:
            hold.release()

    def _target(self, asked: str, principal: Principal | None) -> str | None:
        alias = self._aliases.get(asked)
        if alias is None:
            return self._settings_aliases.get(asked)
        caller = "" if principal is None else principal.api_key_id or principal.user_id
        return alias.model(int(self._clock()), caller)

    def _all(self) -> dict[str, ModelCard]:
        """By name, in order, with what the operator says of each."""
        own = self._local()
        others = [list(source.cards()) for source in self._sources]
        state = id(own), others, self._knowledge, bisect_right(self._switches, int(self._clock()))
        if state != self._merged[0]:
            self._merged = state, self._merge([*own, *(card for cards in others for card in cards)], self.aliases())
        return self._merged[1]

    def _merge(self, cards: Sequence[ModelCard], aliases: Sequence[Alias]) -> dict[str, ModelCard]:
        found: dict[str, ModelCard] = {}
        for card in cards:
            if card.name not in found:
                names = (alias.name for alias in aliases if alias.target == card.name)
                found[card.name] = _noted(replace(card, aliases=tuple(names)), self._notes.get(card.name))
        default = next((name for name, card in found.items() if card.chat and not self.is_retired(card)), None)
        return found if default is None else {default: found[default], **found}

    def _local(self) -> list[LocalModel]:
        if self.store is None or not self.store.folder.is_dir():
            if self._stored[1]:
                self._stored = None, []
            return self._stored[1]
        state = self.store.folder.stat().st_mtime_ns, sorted(os.listdir(self.store.folder))
        if state != self._stored[0]:  # a model appears and goes by a rename in this folder
            stored = {model.name: model for model in self.store.list()}
            first = [name for name in self._names if name in stored]
            ordered = [*first, *(name for name in stored if name not in first)]
            self._stored = state, [_card(completed(self.store, stored[name])) for name in ordered]
        return self._stored[1]

    def _unknown(self, asked: str, principal: Principal | None) -> ApiError:
        allowed = None if principal is None else principal.allowed_models
        here = [
            f"'{card.name}'"
            for card in self.cards()
            if not self.is_retired(card) and (allowed is None or not allowed.isdisjoint((card.name, *card.aliases)))
        ]
        names = ", ".join(here) or "none yet: pull one with `aquilon pull`"
        return not_found(
            f"The model '{asked[:200]}' does not exist; this server has {names}", param="model", code="model_not_found"
        )

    def _load(self, card: LocalModel) -> LoadedText:
        if self.store is not None and card.name not in self._holds:
            hold = self.store.hold(card.name)
            try:
                self.store.check(card.name)
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


def _card(model: StoredModel) -> LocalModel:
    return LocalModel(
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


def _noted(card: ModelCard, note: ModelNote | None) -> ModelCard:
    if note is None:
        return card
    said = {
        name: value
        for name in ("access", "description", "license", "default_temperature")
        if (value := getattr(note, name)) is not None
    }
    if note.access == "open" and not isinstance(card, LocalModel):
        del said["access"]  # there are no files to download
    return replace(
        card, **said, deprecated_at=note.deprecated_at, retires_at=note.retires_at, replacement=note.replacement
    )


def _retired(card: ModelCard) -> ApiError:
    day = datetime.fromtimestamp(card.retires_at or 0, UTC).strftime("%Y-%m-%d")
    instead = f": use '{card.replacement}' in its place" if card.replacement else ""
    return ApiError(
        410,
        "not_found_error",
        f"The model '{card.name}' retired on {day}{instead}",
        param="model",
        code="model_retired",
    )
