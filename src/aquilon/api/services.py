"""What the routes work with: made once at start-up, handed to each request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from aquilon.catalogue.administration.server_models import ServerModels
from aquilon.catalogue.catalogue import Catalogue
from aquilon.catalogue.pulls import Pulls
from aquilon.embeddings import EmbeddingPipeline
from aquilon.embeddings.local import LocalEmbeddings
from aquilon.engine.client import Engine
from aquilon.generation.local import LocalModels
from aquilon.generation.metrics import Metrics
from aquilon.generation.moderation import Moderation
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.upstream import UpstreamModels
from aquilon.jobs.batches import Batches
from aquilon.jobs.files import Files
from aquilon.jobs.runner import JobRunner
from aquilon.money.admission import Admission
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.key_holders import KeyHolders
from aquilon.people.openid import OpenIdProviders
from aquilon.people.password_hashes import Passwords
from aquilon.people.session_holders import SessionHolders
from aquilon.people.sign_in import SignIn
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams.registry import UpstreamRegistry


@dataclass(frozen=True)
class Services:
    settings: Settings
    engine: Engine
    catalogue: Catalogue
    database: Database
    metrics: Metrics
    admission: Admission
    usage_writer: UsageWriter
    pipeline: Pipeline
    local_models: LocalModels
    upstream_models: UpstreamModels
    upstreams: UpstreamRegistry
    server_models: ServerModels
    pulls: Pulls
    embeddings: EmbeddingPipeline
    moderation: Moderation
    local_embeddings: LocalEmbeddings
    key_holders: KeyHolders
    session_holders: SessionHolders
    passwords: Passwords
    sign_in: SignIn
    openid: OpenIdProviders
    sealer: Sealer
    files: Files
    batches: Batches
    job_runner: JobRunner
    startup_models: tuple[str, ...]
    """Loaded at start-up: the server is not ready before they are."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when they were."""


def services(connection: HTTPConnection) -> Services:
    found = connection.app.state.services
    assert isinstance(found, Services)
    return found
