"""The operator's actions on upstreams: add, change, list, check and remove. Secrets are stored and never shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aquilon.errors import Refusal
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams import store as stored
from aquilon.upstreams.check import Check
from aquilon.upstreams.check import check as check_upstream
from aquilon.upstreams.upstream import MAX_FALLBACKS, Upstream, checked_base_url


async def list_upstreams(database: Database, sealer: Sealer, principal: Principal) -> list[Upstream]:
    """The oldest first. Raises ApiError 403."""
    require_operator(principal)
    async with database.reading() as session:
        return await stored.upstreams(session, sealer)


async def get(database: Database, sealer: Sealer, principal: Principal, *, id_or_name: str) -> Upstream:
    """Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.reading() as session:
        upstream = await stored.upstream(session, sealer, id_or_name)
    if upstream is None:
        raise no_such("upstream", id_or_name)
    return upstream


async def add(
    database: Database, sealer: Sealer, principal: Principal, *, upstream: Upstream, private: bool | None = None
) -> Upstream:
    """``private``: whether the host may be in a private network; None allows it if the host is in one now.

    Raises ApiError 403, ValueError for settings that are not valid, SealError if a secret can't be sealed.
    """
    require_operator(principal)
    placed = await _with_private(replace(upstream, id="", base_url=checked_base_url(upstream.base_url)), private)
    async with database.writing(alone=True) as session:
        added = await stored.store(session, sealer, placed)
        await audit.record(
            session, principal, "upstream.created", object_id=added.id, object_name=added.name, **_audited(added)
        )
        return added


async def change(
    database: Database,
    sealer: Sealer,
    principal: Principal,
    *,
    id_or_name: str,
    changes: Mapping[str, Any],
    private: bool | None = None,
) -> Upstream:
    """``changes``: fields of an `Upstream`; a new scheme, host or port needs all secrets among them.

    Raises as `add`, and ApiError 404.
    """
    before = await get(database, sealer, principal, id_or_name=id_or_name)
    after = replace(before, **changes)
    if before.problem and not {"api_key", "headers"} & set(changes):
        raise Refusal(
            f"{before.problem}. Its other settings can be changed only together with its key",
            code="upstream_secrets_unreadable",
        )
    if private is not None or "base_url" in changes:
        after = await _with_private(replace(after, base_url=checked_base_url(after.base_url)), private)
        _require_new_secrets(before, after, changes)
    async with database.writing(alone=True) as session:
        if await stored.upstream(session, sealer, before.id) is None:
            raise no_such("upstream", id_or_name)
        changed = await stored.store(session, sealer, after)
        key = {"new_key": True} if "api_key" in changes else {}
        await audit.record(
            session,
            principal,
            "upstream.changed",
            object_id=changed.id,
            object_name=changed.name,
            **_audited(changed),
            **key,
        )
        return changed


async def remove(database: Database, sealer: Sealer, principal: Principal, *, id_or_name: str) -> Upstream:
    """Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.writing(alone=True) as session:
        upstream = await stored.upstream(session, sealer, id_or_name)
        if upstream is None:
            raise no_such("upstream", id_or_name)
        await stored.remove(session, upstream.id)
        await audit.record(session, principal, "upstream.removed", object_id=upstream.id, object_name=upstream.name)
        return upstream


async def check(database: Database, sealer: Sealer, principal: Principal, *, id_or_name: str) -> tuple[Upstream, Check]:
    """Ask an upstream for its models. Raises ApiError 403 or 404."""
    upstream = await get(database, sealer, principal, id_or_name=id_or_name)
    return upstream, await check_upstream(upstream)


async def list_fallbacks(database: Database, principal: Principal) -> dict[str, tuple[str, ...]]:
    """The fall-backs of each model, in the order in which they are asked. Raises ApiError 403."""
    require_operator(principal)
    async with database.reading() as session:
        return await stored.fallbacks(session)


async def set_fallbacks(database: Database, principal: Principal, *, model: str, models: tuple[str, ...]) -> None:
    """Set the fall-backs of a model; an empty tuple removes them. Raises ApiError 403, ValueError."""
    require_operator(principal)
    if len(models) > MAX_FALLBACKS or len(set(models)) < len(models) or model in models:
        raise Refusal(
            f"A model has up to {MAX_FALLBACKS} different fall-backs, and not itself; "
            f"'{model[:100]}' would have {', '.join(models)[:300]}",
            code="fallbacks_invalid",
            values={"most": MAX_FALLBACKS},
        )
    if not all(0 < len(name) <= 256 and name.isprintable() for name in (model, *models)):
        raise Refusal(
            "A model's name has 1 to 256 printable characters", code="model_name_invalid", values={"most": 256}
        )
    async with database.writing(alone=True) as session:
        await stored.set_fallbacks(session, model, models)
        await audit.record(session, principal, "fallbacks.set", object_id=model, object_name=model, models=list(models))


def _require_new_secrets(before: Upstream, after: Upstream, changes: Mapping[str, Any]) -> None:
    """Raises ValueError if secrets that were given for one server would be sent to another."""
    if before.origin == after.origin:
        return
    kept = [name for name in ("api_key", "headers") if getattr(before, name) and name not in changes]
    if kept:
        raise Refusal(
            f"'{before.name}' moves from {before.origin} to {after.origin}, and its secrets were given for "
            f"{before.origin}: send {' and '.join(kept)} with the change, null or empty if the new server needs none",
            code="upstream_moves",
            values={"from": before.origin, "to": after.origin},
        )


async def _with_private(upstream: Upstream, private: bool | None) -> Upstream:
    if private is None:
        from aquilon.upstreams.addresses import leads_to_private

        private = await leads_to_private(upstream.host)
    return replace(upstream, private=private)


def _audited(upstream: Upstream) -> dict[str, Any]:
    """The fields of an upstream that the audit log records."""
    return {
        "kind": upstream.kind,
        "base_url": upstream.base_url,
        "private": upstream.private,
        "enabled": upstream.enabled,
        "headers": sorted(upstream.headers),
        "models": [model.name for model in upstream.models],
    }
