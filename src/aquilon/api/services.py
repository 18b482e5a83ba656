"""The objects that the routes work with: built once at start-up, shared by all requests."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from aquilon.api.readiness import Readiness
from aquilon.catalogue.administration.fine_tuned_models import FineTunedModels
from aquilon.catalogue.administration.server_models import ServerModels
from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.catalogue import Catalogue
from aquilon.catalogue.pulls import Pulls
from aquilon.catalogue.text_models import TextModels
from aquilon.chat.assistants import Assistants
from aquilon.chat.comparisons import Comparisons
from aquilon.chat.memories import Memories
from aquilon.chat.memory_proposals import MemoryProposals
from aquilon.chat.memory_use import MemoryUse
from aquilon.chat.prompts import Prompts
from aquilon.chat.settings import KnownChatSettings
from aquilon.chat.shares import Shares
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.projects import Projects
from aquilon.conversations.runs import Runs
from aquilon.conversations.titles import Titles
from aquilon.conversations.transfer.imports.imports import Imports
from aquilon.embeddings.local import LocalEmbeddings
from aquilon.embeddings.pipeline import EmbeddingPipeline
from aquilon.embeddings.reranking import RerankPipeline
from aquilon.engine.client import Engine
from aquilon.generation.local import LocalModels
from aquilon.generation.metrics import Metrics
from aquilon.generation.moderation import Moderation
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.upstream import UpstreamModels
from aquilon.jobs.batches import Batches
from aquilon.jobs.files import Files
from aquilon.jobs.fine_tuning.jobs import FineTuningJobs
from aquilon.jobs.fine_tuning.runner import FineTuningRunner
from aquilon.jobs.runner import JobRunner
from aquilon.libraries.documents import Documents
from aquilon.libraries.embedding import Embedder
from aquilon.libraries.libraries import Libraries
from aquilon.libraries.retrieval import Retrieval
from aquilon.libraries.runner import LibraryRunner
from aquilon.money.admission import Admission
from aquilon.money.open_charges import OpenCharges
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.administration.account_deletion import PersonalAccounts
from aquilon.people.administration.waiting_list import WaitingList
from aquilon.people.holders import KeyHolders, SessionHolders
from aquilon.people.openid import OpenIdProviders
from aquilon.people.password_hashes import Passwords
from aquilon.people.sign_in import SignIn
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams.registry import UpstreamRegistry


@dataclass(frozen=True, kw_only=True)
class Services:
    settings: Settings
    engine: Engine
    catalogue: Catalogue
    texts: TextModels
    database: Database
    metrics: Metrics
    admission: Admission
    usage_writer: UsageWriter
    pipeline: Pipeline
    conversations: Conversations
    titles: Titles
    projects: Projects
    prompts: Prompts
    runs: Runs
    assistants: Assistants
    shares: Shares
    imports: Imports
    comparisons: Comparisons
    open_charges: OpenCharges
    local_models: LocalModels
    upstream_models: UpstreamModels
    upstreams: UpstreamRegistry
    server_models: ServerModels
    pulls: Pulls
    embeddings: EmbeddingPipeline
    reranking: RerankPipeline
    moderation: Moderation
    local_embeddings: LocalEmbeddings
    key_holders: KeyHolders
    session_holders: SessionHolders
    passwords: Passwords
    sign_in: SignIn
    openid: OpenIdProviders
    waiting_list: WaitingList
    personal_accounts: PersonalAccounts
    chat_settings: KnownChatSettings
    memories: Memories
    memory_use: MemoryUse
    memory_proposals: MemoryProposals
    sealer: Sealer
    files: Files
    batches: Batches
    job_runner: JobRunner
    fine_tuning_jobs: FineTuningJobs
    fine_tuning_runner: FineTuningRunner
    fine_tuned_models: FineTunedModels
    libraries: Libraries
    documents: Documents
    retrieval: Retrieval
    embedder: Embedder
    library_runner: LibraryRunner
    readiness: Readiness
    startup_models: tuple[LocalModel, ...]
    """The models to load at start-up: the server is ready when they are loaded."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when all `startup_models` are loaded."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to end: what would go on by itself ends then."""
    large_bodies: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "aquilon-bodies"))
    """Has one thread: several would share the interpreter's lock, and the event loop would wait for all of them."""


def services(connection: HTTPConnection) -> Services:
    state = connection.app.state.services
    assert isinstance(state, Services)
    return state
