"""Upstreams as they are stored, their secrets sealed."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import cast

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

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
    checked_secret,
)

_ONLY = 1


async def version(session: AsyncSession) -> str:
    """Another text after each change."""
    return await session.scalar(select(UpstreamsVersion.version).where(UpstreamsVersion.id == _ONLY)) or ""


async def upstreams(session: AsyncSession, sealer: Sealer) -> list[Upstream]:
    """The oldest first. One whose secrets can't be opened says so in ``problem``."""
    models = defaultdict(list)
    for row in await session.scalars(select(StoredUpstreamModel).order_by(StoredUpstreamModel.name)):
        models[row.upstream_id].append(_model(row))
    query = select(StoredUpstream).order_by(StoredUpstream.created_at, StoredUpstream.id)
    return [_upstream(row, tuple(models[row.id]), sealer) for row in await session.scalars(query)]


async def upstream(session: AsyncSession, sealer: Sealer, id_or_name: str) -> Upstream | None:
    found = await upstreams(session, sealer)
    return next((one for one in found if one.id == id_or_name), None) or next(
        (one for one in found if one.name == id_or_name), None
    )


async def fallbacks(session: AsyncSession) -> dict[str, tuple[str, ...]]:
    """The models that answer in a model's place, by its name."""
    rows = await session.scalars(select(StoredFallback).order_by(StoredFallback.model))
    return {row.model: tuple(row.models) for row in rows}


async def store(session: AsyncSession, sealer: Sealer, given: Upstream) -> Upstream:
    """Add an upstream (with an empty id), or put it in place of the one with its id.

    Raises ValueError for what won't do, SealError where its secrets can't be sealed.
    """
    name = checked_name(given.name, "upstream")
    taken = await session.scalar(select(StoredUpstream.id).where(StoredUpstream.name == name))
    if taken is not None and taken != given.id:
        raise ValueError(f"There is an upstream '{name}' already: take another name")
    names = [model.name for model in given.models]
    if doubled := next((each for each in names if names.count(each) > 1), None):
        raise ValueError(f"The upstream '{name}' has the model '{doubled}' twice")
    row = await session.get(StoredUpstream, given.id) if given.id else None
    if row is None:
        row = StoredUpstream(id=new_id("upstream"), created_at=int(time.time()))
        session.add(row)
    row.name = name
    row.kind = given.kind
    row.base_url = checked_base_url(given.base_url)
    row.api_version = checked_api_version(given.kind, given.api_version)
    row.sealed_key = None if given.api_key is None else sealer.seal(checked_secret(given.api_key))
    headers = msgspec.json.encode(checked_headers(given.headers)).decode()
    row.sealed_headers = sealer.seal(headers) if given.headers else None
    row.private = given.private
    row.connect_seconds = given.timeouts.connect
    row.first_token_seconds = given.timeouts.first_token
    row.between_seconds = given.timeouts.between
    row.total_seconds = given.timeouts.total
    row.enabled = given.enabled
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
        for model in given.models
    )
    await _changed(session)
    return _upstream(row, given.models, sealer)


async def remove(session: AsyncSession, upstream_id: str) -> None:
    await session.execute(delete(StoredUpstreamModel).where(StoredUpstreamModel.upstream_id == upstream_id))
    await session.execute(delete(StoredUpstream).where(StoredUpstream.id == upstream_id))
    await _changed(session)


async def set_fallbacks(session: AsyncSession, model: str, models: tuple[str, ...]) -> None:
    """An empty tuple removes them."""
    await session.execute(delete(StoredFallback).where(StoredFallback.model == model))
    if models:
        session.add(StoredFallback(model=model, models=list(models)))
    await _changed(session)


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
        timeouts=Timeouts(row.connect_seconds, row.first_token_seconds, row.between_seconds, row.total_seconds),
        enabled=row.enabled,
        created_at=row.created_at,
        models=models,
        problem=problem,
    )


def _model(row: StoredUpstreamModel) -> ProvidedModel:
    capabilities = cast("frozenset[Capability]", frozenset(row.capabilities))
    return ProvidedModel(row.name, row.remote, row.max_context, capabilities, row.weight)
