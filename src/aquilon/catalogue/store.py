"""Queries over aliases, operators' notes on models, and fine-tuned models."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import cast

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.catalogue.aliases import Alias
from aquilon.catalogue.model_notes import Access, ModelNote
from aquilon.catalogue.tables import FineTunedModel, StoredAlias, StoredModelNote
from aquilon.people.scope import Everyone, Scope


async def aliases(session: AsyncSession) -> list[Alias]:
    """All aliases as stored, sorted by name. `Alias.at` applies a switch that is due."""
    return [_alias(row) for row in await session.scalars(select(StoredAlias).order_by(StoredAlias.name))]


async def alias(session: AsyncSession, name: str) -> Alias | None:
    row = await session.get(StoredAlias, name)
    return None if row is None else _alias(row)


async def set_alias(session: AsyncSession, alias: Alias) -> None:
    await session.merge(StoredAlias(**asdict(alias), changed_at=int(time.time())))
    await session.flush()


async def remove_alias(session: AsyncSession, name: str) -> bool:
    """Delete an alias; True if it existed."""
    removed = await session.scalar(delete(StoredAlias).where(StoredAlias.name == name).returning(StoredAlias.name))
    return removed is not None


async def notes(session: AsyncSession) -> dict[str, ModelNote]:
    """All notes by the model's name."""
    return {row.model: _note(row) for row in await session.scalars(select(StoredModelNote))}


async def note(session: AsyncSession, model: str) -> ModelNote:
    """The note on a model; an empty one if there is none."""
    row = await session.get(StoredModelNote, model)
    return ModelNote(model=model) if row is None else _note(row)


async def set_note(session: AsyncSession, note: ModelNote) -> None:
    values = asdict(note) | {"languages": None if note.languages is None else list(note.languages)}
    await session.merge(StoredModelNote(**values, changed_at=int(time.time())))
    await session.flush()


async def fine_tuned_models(session: AsyncSession) -> list[FineTunedModel]:
    """Those of all organizations, sorted by age."""
    oldest_first = Everyone.select(FineTunedModel).order_by(FineTunedModel.created_at, FineTunedModel.name)
    return list(await session.scalars(oldest_first))


async def fine_tuned_model(session: AsyncSession, scope: Scope, name: str) -> FineTunedModel | None:
    return await session.scalar(scope.select(FineTunedModel).where(FineTunedModel.name == name))


async def fine_tuned_on(session: AsyncSession, scope: Scope, file_id: str) -> list[str]:
    """The names of the organization's models that learnt from a file."""
    models = await session.scalars(scope.select(FineTunedModel).order_by(FineTunedModel.created_at))
    return [model.name for model in models if file_id in model.trained_on]


async def add_fine_tuned_model(session: AsyncSession, model: FineTunedModel) -> None:
    await session.merge(model)
    await session.flush()


async def remove_fine_tuned_model(session: AsyncSession, scope: Scope, name: str) -> bool:
    """Delete a fine-tuned model's row; True if it existed."""
    removal = scope.delete(FineTunedModel).where(FineTunedModel.name == name).returning(FineTunedModel.name)
    return (await session.execute(removal)).first() is not None


def _alias(row: StoredAlias) -> Alias:
    return Alias(
        name=row.name,
        target=row.target,
        former=row.former,
        share_target=row.share_target,
        share_percent=row.share_percent,
        switch_target=row.switch_target,
        switch_at=row.switch_at,
    )


def _note(row: StoredModelNote) -> ModelNote:
    return ModelNote(
        model=row.model,
        access=cast("Access | None", row.access),
        description=row.description,
        license=row.license,
        languages=None if row.languages is None else tuple(row.languages),
        default_temperature=row.default_temperature,
        deprecated_at=row.deprecated_at,
        retires_at=row.retires_at,
        replacement=row.replacement,
    )
