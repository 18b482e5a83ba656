"""Setting, rolling back and removing aliases. Only the organization that runs the server may."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.catalogue import store
from aquilon.catalogue.aliases import Alias, checked_alias, is_alias
from aquilon.errors import Refusal
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.look_alikes import look_alike
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database


@dataclass(frozen=True, kw_only=True)
class AliasDefinition:
    """An alias to set. ``share`` is a model and a percentage of the callers, ``switch`` a model and a moment."""

    name: str
    target: str
    share: tuple[str, int] | None = None
    switch: tuple[str, int] | None = None


async def set_alias(
    database: Database, principal: Principal, definition: AliasDefinition, *, models: Collection[str]
) -> Alias:
    """Create or change an alias; ``models`` are the names of all models.

    Raises ApiError 403, ValueError if its name is a model's or its target isn't a model.
    """
    require_operator(principal)
    name, now = checked_alias(definition.name), int(time.time())
    if name in models:
        raise Refusal(
            f"'{name}' is a model's own name, so it can't be an alias", code="alias_is_model", values={"name": name}
        )
    async with database.writing(alone=True) as session:
        others = {alias.name: alias for alias in await store.aliases(session)}
        if name not in others and (twin := look_alike(name, (*models, *others))) is not None:
            raise Refusal(
                f"'{name}' looks like '{twin}', which exists already: choose another name",
                code="name_looks_like",
                values={"name": name, "other": twin},
            )
        for target in filter(
            None,
            (definition.target, definition.share and definition.share[0], definition.switch and definition.switch[0]),
        ):
            _require_model(target, name, models=models, aliases=others)
        for other in others.values():
            if name in (other.target, other.share_target, other.switch_target):
                raise Refusal(
                    f"The alias '{other.name}' stands for the model '{name}': an alias can't stand for an alias",
                    code="alias_of_alias",
                    values={"name": other.name, "target": name},
                )
        former = others.get(name)
        alias = (
            Alias(name=name, target=definition.target) if former is None else former.pointed_to(definition.target, now)
        )
        if definition.share is not None:
            alias = alias.sharing(*definition.share)
        if definition.switch is not None:
            alias = alias.switching(*definition.switch, now)
        await store.set_alias(session, alias)
        await _record(session, principal, "model_alias.set", alias=alias)
    return alias


async def roll_back(database: Database, principal: Principal, name: str) -> Alias:
    """End the sharing or planned switch of an alias; without them, return to its former target.

    Raises ApiError 403 or 404, ValueError if there is nothing to roll back to.
    """
    require_operator(principal)
    async with database.writing(alone=True) as session:
        former = await store.alias(session, name) if is_alias(name) else None
        if former is None:
            raise no_such("alias", name)
        alias = former.rolled_back(int(time.time()))
        await store.set_alias(session, alias)
        await _record(session, principal, "model_alias.rolled_back", alias=alias)
    return alias


async def remove(database: Database, principal: Principal, name: str) -> None:
    """Remove an alias. Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.writing(alone=True) as session:
        if not is_alias(name) or not await store.remove_alias(session, name):
            raise no_such("alias", name)
        await audit.record(session, principal, "model_alias.removed", object_id=name, object_name=name)


def _require_model(target: str, name: str, *, models: Collection[str], aliases: Collection[str]) -> None:
    if target in models:
        return
    if target == name:
        raise Refusal(f"'{name}' can't stand for itself", code="alias_of_itself", values={"name": name})
    if target in aliases:
        raise Refusal(
            f"'{target[:100]}' is an alias itself: let '{name}' stand for a model",
            code="alias_of_alias",
            values={"name": name, "target": target[:100]},
        )
    models_here = ", ".join(f"'{model}'" for model in sorted(models)) or "none yet"
    raise Refusal(
        f"There is no model '{target[:100]}' for '{name}' to stand for; this server has {models_here}",
        code="alias_target_unknown",
        values={"name": name, "target": target[:100]},
    )


async def _record(session: AsyncSession, principal: Principal, action: str, *, alias: Alias) -> None:
    detail = {key: value for key, value in asdict(alias).items() if key != "name" and value}
    await audit.record(session, principal, action, object_id=alias.name, object_name=alias.name, **detail)
