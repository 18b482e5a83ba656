"""What the routes work with: made once at start-up, handed to each request."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from aquilon.engine.client import Engine
from aquilon.platform.administration.server_models import ServerModels
from aquilon.platform.admission.admission import Admission
from aquilon.platform.auth.key_holders import KeyHolders
from aquilon.platform.auth.openid import OpenIdProviders
from aquilon.platform.auth.passwords import Passwords
from aquilon.platform.auth.session_holders import SessionHolders
from aquilon.platform.auth.sign_in import SignIn
from aquilon.platform.catalogue import Catalogue
from aquilon.platform.embeddings import EmbeddingPipeline
from aquilon.platform.embeddings.local import LocalEmbeddings
from aquilon.platform.generation.local import LocalModels
from aquilon.platform.generation.pipeline import Pipeline
from aquilon.platform.generation.upstream import UpstreamModels
from aquilon.platform.generation.usage_writer import UsageWriter
from aquilon.platform.jobs.batches import Batches
from aquilon.platform.jobs.files import Files
from aquilon.platform.jobs.runner import JobRunner
from aquilon.platform.metrics import Metrics
from aquilon.platform.moderation.moderation import Moderation
from aquilon.platform.pulls import Pulls
from aquilon.platform.readiness import Readiness
from aquilon.platform.storage import Database
from aquilon.platform.storage.sealing import Sealer
from aquilon.platform.upstreams.registry import UpstreamRegistry
from aquilon.settings import Settings


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
    readiness: Readiness
    startup_models: tuple[str, ...]
    """Loaded at start-up: the server is not ready before they are."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when they were."""
    large_bodies: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "aquilon-bodies"))
    """One thread: several would hold the interpreter in turns, and the event loop would wait for all of them."""


def services(connection: HTTPConnection) -> Services:
    found = connection.app.state.services
    assert isinstance(found, Services)
    return found
