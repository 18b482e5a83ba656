"""Aliases: the organization that runs the server sets them, and each change is on the audit log."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.catalogue import store as models
from aquilon.catalogue.aliases import Alias, checked_alias, is_alias
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.look_alikes import look_alike
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an alias shall be. ``share`` is a model and percent of the callers, ``switch`` a model and a moment."""

    name: str
    target: str
    share: tuple[str, int] | None = None
    switch: tuple[str, int] | None = None


async def set_alias(database: Database, principal: Principal, wish: Wish, known: Collection[str]) -> Alias:
    """Make an alias, or let one stand for something else; ``known`` are the names of all models.

    Raises ApiError 403, ValueError for a name that is a model's, and for a target that isn't.
    """
    require_operator(principal)
    name, now = checked_alias(wish.name), int(time.time())
    if name in known:
        raise ValueError(f"'{name}' is a model's own name: it can't stand for another")
    async with database.writing(alone=True) as session:
        others = {alias.name: alias for alias in await models.aliases(session)}
        if name not in others and (twin := look_alike(name, (*known, *others))) is not None:
            raise ValueError(f"'{name}' is taken for '{twin}', which is there already: take another name")
        for target in filter(None, (wish.target, wish.share and wish.share[0], wish.switch and wish.switch[0])):
            _require_model(name, target, known, others)
        for other in others.values():
            if name in (other.target, other.share_target, other.switch_target):
                raise ValueError(f"The alias '{other.name}' stands for a model '{name}': a chain of aliases isn't kept")
        former = others.get(name)
        alias = Alias(name=name, target=wish.target) if former is None else former.pointed_to(wish.target, now)
        if wish.share is not None:
            alias = alias.sharing(*wish.share)
        if wish.switch is not None:
            alias = alias.switching(*wish.switch, now)
        await models.set_alias(session, alias)
        await _record(session, principal, "model_alias.set", alias)
    return alias


async def roll_back(database: Database, principal: Principal, name: str) -> Alias:
    """Undo the sharing or the plan of an alias, else let it stand for its former target again.

    Raises ApiError 403 or 404, ValueError where there is nothing to roll back to.
    """
    require_operator(principal)
    async with database.writing(alone=True) as session:
        found = await models.alias(session, name) if is_alias(name) else None
        if found is None:
            raise no_such("alias", name)
        alias = found.rolled_back(int(time.time()))
        await models.set_alias(session, alias)
        await _record(session, principal, "model_alias.rolled_back", alias)
    return alias


async def remove(database: Database, principal: Principal, name: str) -> None:
    """Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.writing(alone=True) as session:
        if not is_alias(name) or not await models.remove_alias(session, name):
            raise no_such("alias", name)
        await audit.record(session, principal, "model_alias.removed", object_id=name, object_name=name)


def _require_model(name: str, target: str, known: Collection[str], aliases: Collection[str]) -> None:
    if target in known:
        return
    if target == name:
        raise ValueError(f"'{name}' can't stand for itself")
    if target in aliases:
        raise ValueError(f"'{target[:100]}' is an alias itself: let '{name}' stand for a model")
    models_here = ", ".join(f"'{model}'" for model in sorted(known)) or "none yet"
    raise ValueError(f"There is no model '{target[:100]}' for '{name}' to stand for; this server has {models_here}")


async def _record(session: AsyncSession, principal: Principal, action: str, alias: Alias) -> None:
    told = {key: value for key, value in asdict(alias).items() if key != "name" and value}
    await audit.record(session, principal, action, object_id=alias.name, object_name=alias.name, **told)
