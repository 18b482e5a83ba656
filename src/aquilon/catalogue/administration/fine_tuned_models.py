"""What an organization does with its fine-tuned models: name, archive and delete them."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aquilon.catalogue import store
from aquilon.catalogue.catalogue import Catalogue
from aquilon.catalogue.tables import FineTunedModel
from aquilon.catalogue.text_models import TextModels
from aquilon.engine.client import Engine
from aquilon.errors import ApiError, not_found
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import audit
from aquilon.storage import Database


@dataclass(kw_only=True)
class FineTunedModels:
    """Every method raises ApiError: 403 without the right, 404 for a name that none of the organization's has."""

    engine: Engine
    catalogue: Catalogue
    texts: TextModels
    database: Database
    folder: Path
    """Has one folder for each model."""

    async def get(self, principal: Principal, name: str) -> FineTunedModel:
        _require(principal)
        async with self.database.reading() as session:
            model = await store.fine_tuned_model(session, Scope.of_organization(principal), name)
        if model is None:
            raise _unknown(name)
        return model

    async def change(self, principal: Principal, name: str, *, action: str, **values: Any) -> FineTunedModel:
        """Change title, description or archived. An archived model answers as an unknown one does."""
        _require(principal)
        async with self.database.writing() as session:
            model = await store.fine_tuned_model(session, Scope.of_organization(principal), name)
            if model is None:
                raise _unknown(name)
            for field, value in values.items():
                setattr(model, field, value)
            await session.flush()
            await audit.record(session, principal, action, object_id=model.job_id, object_name=name, **values)
        await self.catalogue.refresh(now=True)
        if model.archived:
            await self._unload(name)
        return model

    async def delete(self, principal: Principal, name: str) -> None:
        """Delete a model with its files. Raises ApiError 409 while an alias stands for it."""
        model = await self.get(principal, name)
        await self.catalogue.refresh(now=True)
        annotations = self.catalogue.annotations
        for alias in annotations.aliases():
            if name in (alias.target, alias.share_target, alias.switch_target):
                raise ApiError(
                    409,
                    "invalid_request_error",
                    f"The alias '{alias.name}' stands for '{name}': point it to another model first",
                    param="model",
                    code="model_has_alias",
                    values={"name": alias.name, "model": name},
                )
        async with self.database.writing() as session:
            if not await store.remove_fine_tuned_model(session, Scope.of_organization(principal), name):
                raise _unknown(name)
            await audit.record(session, principal, "fine_tuned_model.deleted", object_id=model.job_id, object_name=name)
        await self.catalogue.refresh(now=True)
        await self._unload(name)
        await asyncio.to_thread(shutil.rmtree, self.folder / model.folder, ignore_errors=True)

    async def _unload(self, name: str) -> None:
        """Take the model out of memory; requests that run with it end first."""
        self.texts.release(name)
        self.engine.forget(name)
        unloading = asyncio.ensure_future(self.engine.unload(name))
        await asyncio.wait({unloading}, timeout=2.0)


def _unknown(name: str) -> ApiError:
    return not_found(
        f"There is no fine-tuned model '{name[:200]}'",
        param="model",
        code="model_not_found",
        values={"name": name[:200]},
    )


def _require(principal: Principal) -> None:
    require(principal, "fine_tuning.use", principal.workspace_role)
