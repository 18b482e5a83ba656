"""Upstreams: the operator's to add, change, look at and remove. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams import store as stored
from aquilon.upstreams.check import Check
from aquilon.upstreams.check import check as look_at
from aquilon.upstreams.upstream import MAX_FALLBACKS, Upstream, checked_base_url


async def list_upstreams(database: Database, sealer: Sealer, principal: Principal) -> list[Upstream]:
    """The oldest first. Raises ApiError 403."""
    require_operator(principal)
    async with database.reading() as session:
        return await stored.upstreams(session, sealer)


async def get(database: Database, sealer: Sealer, principal: Principal, id_or_name: str) -> Upstream:
    """Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.reading() as session:
        found = await stored.upstream(session, sealer, id_or_name)
    if found is None:
        raise no_such("upstream", id_or_name)
    return found


async def add(
    database: Database, sealer: Sealer, principal: Principal, given: Upstream, *, private: bool | None = None
) -> Upstream:
    """``private``: whether its host may be in a private network; None finds out where it is now.

    Raises ApiError 403, ValueError for what won't do, SealError where a secret can't be sealed.
    """
    require_operator(principal)
    found = await _placed(replace(given, id="", base_url=checked_base_url(given.base_url)), private)
    async with database.writing(alone=True) as session:
        made = await stored.store(session, sealer, found)
        await audit.record(
            session, principal, "upstream.created", object_id=made.id, object_name=made.name, **_told(made)
        )
        return made


async def change(
    database: Database,
    sealer: Sealer,
    principal: Principal,
    id_or_name: str,
    changes: Mapping[str, Any],
    *,
    private: bool | None = None,
) -> Upstream:
    """``changes``: some of an `Upstream`'s fields; with another scheme, host or port all secrets are among them.

    Raises as `add`, and ApiError 404.
    """
    before = await get(database, sealer, principal, id_or_name)
    after = replace(before, **changes)
    if before.problem and not {"api_key", "headers"} & set(changes):
        raise ValueError(f"{before.problem}. Its other settings can be changed together with its key")
    if private is not None or "base_url" in changes:
        after = await _placed(replace(after, base_url=checked_base_url(after.base_url)), private)
        _require_secrets_anew(before, after, changes)
    async with database.writing(alone=True) as session:
        if await stored.upstream(session, sealer, before.id) is None:
            raise no_such("upstream", id_or_name)
        made = await stored.store(session, sealer, after)
        secrets = {"new_key": True} if "api_key" in changes else {}
        await audit.record(
            session, principal, "upstream.changed", object_id=made.id, object_name=made.name, **_told(made), **secrets
        )
        return made


async def remove(database: Database, sealer: Sealer, principal: Principal, id_or_name: str) -> Upstream:
    """Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.writing(alone=True) as session:
        found = await stored.upstream(session, sealer, id_or_name)
        if found is None:
            raise no_such("upstream", id_or_name)
        await stored.remove(session, found.id)
        await audit.record(session, principal, "upstream.removed", object_id=found.id, object_name=found.name)
        return found


async def check(database: Database, sealer: Sealer, principal: Principal, id_or_name: str) -> tuple[Upstream, Check]:
    """Ask an upstream for its models. Raises ApiError 403 or 404."""
    found = await get(database, sealer, principal, id_or_name)
    return found, await look_at(found)


async def list_fallbacks(database: Database, principal: Principal) -> dict[str, tuple[str, ...]]:
    """By model, in the order they are asked. Raises ApiError 403."""
    require_operator(principal)
    async with database.reading() as session:
        return await stored.fallbacks(session)


async def set_fallbacks(database: Database, principal: Principal, model: str, models: tuple[str, ...]) -> None:
    """The models that answer in a model's place; none removes them. Raises ApiError 403, ValueError."""
    require_operator(principal)
    if len(models) > MAX_FALLBACKS or len(set(models)) < len(models) or model in models:
        raise ValueError(f"A model has up to {MAX_FALLBACKS} fall-backs, each once, and never itself")
    if not all(0 < len(name) <= 256 and name.isprintable() for name in (model, *models)):
        raise ValueError("A model's name has 1 to 256 printable characters")
    async with database.writing(alone=True) as session:
        await stored.set_fallbacks(session, model, models)
        await audit.record(session, principal, "fallbacks.set", object_id=model, object_name=model, models=list(models))


def _require_secrets_anew(before: Upstream, after: Upstream, changes: Mapping[str, Any]) -> None:
    """What was given for one server isn't sent to another. Raises ValueError."""
    if before.origin == after.origin:
        return
    kept = [name for name in ("api_key", "headers") if getattr(before, name) and name not in changes]
    if kept:
        raise ValueError(
            f"'{before.name}' moves from {before.origin} to {after.origin}, and its secrets were given for the "
            f"former: send {' and '.join(kept)} with the change, null or empty where the new place needs none"
        )


async def _placed(given: Upstream, private: bool | None) -> Upstream:
    if private is None:
        from aquilon.upstreams.addresses import leads_to_private

        private = await leads_to_private(given.host)
    return replace(given, private=private)


def _told(upstream: Upstream) -> dict[str, Any]:
    return {
        "kind": upstream.kind,
        "base_url": upstream.base_url,
        "private": upstream.private,
        "enabled": upstream.enabled,
        "headers": sorted(upstream.headers),
        "models": [model.name for model in upstream.models],
    }
