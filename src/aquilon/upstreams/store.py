"""Stores upstreams in the database, with sealed secrets."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import cast

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.catalogue.tables import StoredAlias
from aquilon.errors import Refusal
from aquilon.people.look_alikes import look_alike
from aquilon.people.names import checked_name
from aquilon.people.secrets import new_id
from aquilon.storage.sealing import Sealer, SealError
from aquilon.upstreams.tables import StoredFallback, StoredUpstream, StoredUpstreamModel, UpstreamsVersion
from aquilon.upstreams.upstream import (
    Capability,
    ProvidedModel,
    Timeouts,
    Upstream,
    UpstreamKind,
    checked_api_version,
    checked_base_url,
    checked_headers,
    checked_models,
    checked_secret,
)

_ONLY = 1


async def version(session: AsyncSession) -> str:
    """A text that is different after each change."""
    return await session.scalar(select(UpstreamsVersion.version).where(UpstreamsVersion.id == _ONLY)) or ""


async def upstreams(session: AsyncSession, sealer: Sealer) -> list[Upstream]:
    """All upstreams, the oldest first. If an upstream's secrets can't be opened, its ``problem`` says why."""
    models = defaultdict(list)
    for row in await session.scalars(select(StoredUpstreamModel).order_by(StoredUpstreamModel.name)):
        models[row.upstream_id].append(_model(row))
    query = select(StoredUpstream).order_by(StoredUpstream.created_at, StoredUpstream.id)
    return [_upstream(row, tuple(models[row.id]), sealer) for row in await session.scalars(query)]


async def upstream(session: AsyncSession, sealer: Sealer, id_or_name: str) -> Upstream | None:
    candidates = await upstreams(session, sealer)
    by_id = (candidate for candidate in candidates if candidate.id == id_or_name)
    by_name = (candidate for candidate in candidates if candidate.name == id_or_name)
    return next(by_id, None) or next(by_name, None)


async def fallbacks(session: AsyncSession) -> dict[str, tuple[str, ...]]:
    """The fall-backs of each model, by its name."""
    rows = await session.scalars(select(StoredFallback).order_by(StoredFallback.model))
    return {row.model: tuple(row.models) for row in rows}


async def store(session: AsyncSession, sealer: Sealer, configured: Upstream) -> Upstream:
    """Add an upstream (with an empty id), or replace the one with its id.

    Raises ValueError for settings that are not valid, SealError if its secrets can't be sealed.
    """
    name = checked_name(configured.name, "upstream")
    same_name_id = await session.scalar(select(StoredUpstream.id).where(StoredUpstream.name == name))
    if same_name_id is not None and same_name_id != configured.id:
        raise Refusal(
            f"There is an upstream '{name}' already: take another name", code="name_taken", values={"name": name}
        )
    names = [model.name for model in configured.models]
    if doubled := next((model_name for model_name in names if names.count(model_name) > 1), None):
        raise Refusal(
            f"The upstream '{name}' has the model '{doubled}' twice", code="model_twice", values={"name": doubled}
        )
    await _require_distinct_names(session, configured)
    row = await session.get(StoredUpstream, configured.id) if configured.id else None
    if row is None:
        row = StoredUpstream(id=new_id("upstream"), created_at=int(time.time()))
        session.add(row)
    row.name = name
    row.kind = configured.kind
    row.base_url = checked_base_url(configured.base_url)
    row.api_version = checked_api_version(configured.kind, configured.api_version)
    row.sealed_key = None if configured.api_key is None else sealer.seal(checked_secret(configured.api_key))
    headers = msgspec.json.encode(checked_headers(configured.headers)).decode()
    row.sealed_headers = sealer.seal(headers) if configured.headers else None
    row.private = configured.private
    row.connect_seconds = configured.timeouts.connect
    row.first_token_seconds = configured.timeouts.first_token
    row.between_seconds = configured.timeouts.between
    row.total_seconds = configured.timeouts.total
    row.enabled = configured.enabled
    await session.flush()
    await session.execute(delete(StoredUpstreamModel).where(StoredUpstreamModel.upstream_id == row.id))
    session.add_all(
        StoredUpstreamModel(
            upstream_id=row.id,
            name=model.name,
            remote=model.remote,
            max_context=model.max_context,
            capabilities=sorted(model.capabilities),
            weight=model.weight,
        )
        for model in checked_models(configured.kind, configured.models)
    )
    await _changed(session)
    return _upstream(row, configured.models, sealer)


async def remove(session: AsyncSession, upstream_id: str) -> None:
    await session.execute(delete(StoredUpstreamModel).where(StoredUpstreamModel.upstream_id == upstream_id))
    await session.execute(delete(StoredUpstream).where(StoredUpstream.id == upstream_id))
    await _changed(session)


async def set_fallbacks(session: AsyncSession, model: str, models: tuple[str, ...]) -> None:
    """Set a model's fall-backs; an empty tuple removes them."""
    await session.execute(delete(StoredFallback).where(StoredFallback.model == model))
    if models:
        session.add(StoredFallback(model=model, models=list(models)))
    await _changed(session)


async def _require_distinct_names(session: AsyncSession, configured: Upstream) -> None:
    """Raises ValueError if a new model's name looks like that of another upstream's model or of an alias.

    Names of one upstream may look alike: they are as its server has them.
    """
    stored = set(await session.scalars(select(StoredUpstreamModel.name)))
    elsewhere = select(StoredUpstreamModel.name).where(StoredUpstreamModel.upstream_id != configured.id)
    taken = {*await session.scalars(elsewhere), *await session.scalars(select(StoredAlias.name))}
    for model in configured.models:
        if model.name not in stored and (other := look_alike(model.name, taken - {model.name})) is not None:
            raise Refusal(
                f"The model name '{model.name}' looks like '{other}', which exists already: choose another name",
                code="name_looks_like",
                values={"name": model.name, "other": other},
            )


async def _changed(session: AsyncSession) -> None:
    row = await session.get(UpstreamsVersion, _ONLY)
    if row is None:
        session.add(UpstreamsVersion(id=_ONLY, version=new_id("version")))
    else:
        row.version = new_id("version")
    await session.flush()


def _upstream(row: StoredUpstream, models: tuple[ProvidedModel, ...], sealer: Sealer) -> Upstream:
    key, headers, problem = None, {}, ""
    try:
        key = None if row.sealed_key is None else sealer.open(row.sealed_key)
        if row.sealed_headers is not None:
            headers = msgspec.json.decode(sealer.open(row.sealed_headers), type=dict[str, str])
    except (SealError, msgspec.MsgspecError) as error:
        problem = str(error)
    return Upstream(
        id=row.id,
        name=row.name,
        kind=cast(UpstreamKind, row.kind),
        base_url=row.base_url,
        api_key=key,
        headers=headers,
        api_version=row.api_version,
        private=row.private,
        timeouts=Timeouts(
            connect=row.connect_seconds,
            first_token=row.first_token_seconds,
            between=row.between_seconds,
            total=row.total_seconds,
        ),
        enabled=row.enabled,
        created_at=row.created_at,
        models=models,
        problem=problem,
    )


def _model(row: StoredUpstreamModel) -> ProvidedModel:
    capabilities = cast("frozenset[Capability]", frozenset(row.capabilities))
    return ProvidedModel(
        row.name, row.remote, max_context=row.max_context, capabilities=capabilities, weight=row.weight
    )
