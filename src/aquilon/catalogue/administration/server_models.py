"""Loading, unloading and removing the server's models, for its operator."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from aquilon.catalogue.card import LocalModel, ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.catalogue.text_models import TextModels
from aquilon.checkpoints.store import ModelBusy, StoreError
from aquilon.engine.client import Engine, EngineError
from aquilon.errors import ApiError, invalid, not_found
from aquilon.log import get_logger
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database
from aquilon.wording import counted

_UNLOAD_SECONDS = 2.0
"""How long an unload is awaited. An idle model is unloaded by then, a busy one after its last answer."""

log = get_logger("aquilon.models")


@dataclass(kw_only=True)
class ServerModels:
    """Every method raises ApiError: 403 unless the caller operates the server, 404 for an unknown model."""

    engine: Engine
    catalogue: Catalogue
    texts: TextModels
    database: Database
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def load(self, principal: Principal, name: str) -> LocalModel:
        """Start to load a model; the engine's state of the model shows the progress."""
        card = self._local(principal, name)
        await self._record(principal, "model.loaded", name)
        self._start(self._load(card))
        return card

    async def unload(self, principal: Principal, name: str) -> LocalModel:
        """Unload a model as soon as no request uses it. Its next request loads it again."""
        card = self._local(principal, name)
        await self._record(principal, "model.unloaded", name)
        await asyncio.wait({self._start(self.engine.unload(name))}, timeout=_UNLOAD_SECONDS)
        return card

    async def remove(self, principal: Principal, name: str) -> int:
        """Remove a model's files; returns the bytes freed. Raises ApiError 409 if it is in memory or in use."""
        require_operator(principal)
        store = self.catalogue.store
        if store is None:
            raise invalid("This server runs as a gateway only: it keeps no models of its own", code="gateway_only")
        state = self.engine.states.get(name)
        if state is not None and state.state in ("loading", "ready"):
            raise _busy(f"'{name}' is in memory: unload it first, then remove it")
        await self.catalogue.refresh(now=True)
        if adapters := [
            card.name for card in self.catalogue.cards() if isinstance(card, LocalModel) and card.base == name
        ]:
            raise ApiError(
                409,
                "invalid_request_error",
                f"'{name}' is the base of {counted(len(adapters), 'fine-tuned model')}, such as '{adapters[0]}': "
                "they answer only with its files. Delete them first",
                param="model",
                code="model_has_fine_tuned",
                values={"model": name, "count": len(adapters)},
            )
        try:
            self.texts.release(name)
            self.engine.forget(name)
            freed = await asyncio.to_thread(store.remove, name)
        except ModelBusy as error:
            raise _busy(str(error)) from error
        except StoreError as error:
            raise not_found(str(error), param="model", code="model_not_found", values={"name": name[:100]}) from error
        self.engine.states.pop(name, None)  # the state of a failed load
        await self._record(principal, "model.removed", name, bytes=freed)
        return freed

    def _local(self, principal: Principal, name: str) -> LocalModel:
        require_operator(principal)
        card: ModelCard | None = self.catalogue.get(name)
        if card is None:
            raise not_found(
                f"There is no model '{name[:100]}'", param="model", code="model_not_found", values={"name": name[:100]}
            )
        if not isinstance(card, LocalModel):
            where = "in a separate process, which starts and ends by itself" if card.local else f"at {card.provider}"
            raise invalid(
                f"The engine can't load '{name}': it runs {where}",
                param="model",
                code="model_not_loadable",
                values={"name": name},
            )
        return card

    async def _load(self, card: LocalModel) -> None:
        try:
            await self.texts.get(card)
            await self.engine.load(card.name, card.path)
        except (EngineError, ValueError, OSError) as error:
            log.warning("A model can't be loaded", model=card.name, error=str(error))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _record(self, principal: Principal, action: str, name: str, **detail: int) -> None:
        async with self.database.writing() as session:
            await audit.record(session, principal, action, object_id=name, object_name=name, **detail)


def _busy(message: str) -> ApiError:
    return ApiError(409, "invalid_request_error", message, param="model", code="model_in_use")
