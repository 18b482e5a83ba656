"""Builds `Services` from the settings, in one place."""

from __future__ import annotations

import asyncio

from aquilon.api.readiness import Readiness
from aquilon.api.services import Services
from aquilon.catalogue.administration.fine_tuned_models import FineTunedModels
from aquilon.catalogue.administration.server_models import ServerModels
from aquilon.catalogue.annotations import Annotations
from aquilon.catalogue.card import LocalModel, ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.catalogue.pulls import Pulls
from aquilon.catalogue.text_models import TextModels
from aquilon.chat.assistants import Assistants
from aquilon.chat.comparisons import Comparisons
from aquilon.chat.memories import Memories
from aquilon.chat.memory_proposals import MemoryProposals
from aquilon.chat.memory_use import MemoryUse
from aquilon.chat.personal_data import AssistantData, MemoryData
from aquilon.chat.prompts import Prompts
from aquilon.chat.settings import KnownChatSettings
from aquilon.chat.shares import Shares
from aquilon.chat.talk_data import TalkData
from aquilon.checkpoints.store import ModelStore
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.deletion import Deletion
from aquilon.conversations.documents import ConversationDocuments
from aquilon.conversations.erasure import Erasure
from aquilon.conversations.histories import Histories
from aquilon.conversations.personal_data import ConversationData
from aquilon.conversations.projects import Projects
from aquilon.conversations.runs import Runs
from aquilon.conversations.titles import Titles
from aquilon.conversations.transfer.imports.imports import Imports
from aquilon.embeddings.local import EmbeddingModel, LocalEmbeddings
from aquilon.embeddings.pipeline import EmbeddingBackend, EmbeddingPipeline
from aquilon.embeddings.reranking import RerankPipeline
from aquilon.embeddings.upstream import UpstreamEmbeddings, UpstreamReranker
from aquilon.engine.client import Engine
from aquilon.engine.options import EngineOptions
from aquilon.generation.local import LocalModels
from aquilon.generation.metrics import Metrics, UpstreamCollector
from aquilon.generation.moderation import Moderation
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.upstream import UpstreamModels
from aquilon.jobs.batches import Batches
from aquilon.jobs.files import Files
from aquilon.jobs.fine_tuning.jobs import FineTuningJobs
from aquilon.jobs.fine_tuning.runner import FineTuningRunner
from aquilon.jobs.metrics import JobMetrics
from aquilon.jobs.personal_data import JobData
from aquilon.jobs.runner import JobRunner
from aquilon.libraries.documents import Documents
from aquilon.libraries.embedding import Embedder
from aquilon.libraries.libraries import Libraries
from aquilon.libraries.personal_data import LibraryData
from aquilon.libraries.retrieval import Retrieval
from aquilon.libraries.runner import LibraryRunner
from aquilon.libraries.vectors import LoadedLibraries
from aquilon.money.admission import Admission
from aquilon.money.open_charges import OpenCharges
from aquilon.money.personal_data import UsageData
from aquilon.money.settlement import Settlement
from aquilon.money.training_payment import TrainingPayments
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.account_data import AccountData
from aquilon.people.administration.account_deletion import PersonalAccounts
from aquilon.people.administration.waiting_list import WaitingList
from aquilon.people.holders import KeyHolders, SessionHolders
from aquilon.people.openid import OpenIdProviders
from aquilon.people.password_hashes import Passwords
from aquilon.people.secrets import new_id
from aquilon.people.sign_in import SignIn
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams.registry import UpstreamModel, UpstreamRegistry


def build_services(settings: Settings, database: Database) -> Services:
    """Builds the services; the server starts the engine, the jobs and the refreshing of upstreams.

    Raises ValueError for settings that contradict each other, ApiError 404 for a model in the settings
    that isn't in the store.
    """
    store = None if settings.is_gateway else ModelStore(settings.models_folder)
    engine = Engine(
        EngineOptions(
            dtype=settings.dtype, quantize=settings.quantize, memory=settings.memory, log_level=settings.log_level
        )
    )
    sealer = Sealer.of(settings)
    upstreams = UpstreamRegistry(database, sealer)
    local_embeddings = LocalEmbeddings()
    annotations = Annotations(database, settings_aliases=settings.model_aliases)
    catalogue = Catalogue(
        store,
        annotations,
        (upstreams, local_embeddings),
        names=settings.served_models,
        fine_tuned_folder=settings.fine_tuned_folder,
    )
    startup_models = tuple(catalogue.named(name) for name in settings.served_models)
    texts = TextModels(store)
    metrics = Metrics(engine)
    metrics.registry.register(UpstreamCollector(upstreams))
    admission = Admission(database, settings.redis_url)
    usage_writer = UsageWriter(database, admission.shared)
    settlement = Settlement(admission, usage_writer)
    moderation = Moderation(settings, upstreams)
    local_models = LocalModels(
        engine,
        catalogue,
        texts=texts,
        metrics=metrics,
        max_waiting=settings.max_waiting,
        default_max_tokens=settings.default_max_tokens,
    )
    upstream_models = UpstreamModels(upstreams, metrics, settings.default_max_tokens)
    embedders: dict[type[ModelCard], EmbeddingBackend] = {
        EmbeddingModel: local_embeddings,
        UpstreamModel: UpstreamEmbeddings(upstreams, metrics),
    }
    passwords = Passwords()
    new_work, new_documents, new_training = asyncio.Event(), asyncio.Event(), asyncio.Event()
    pipeline = Pipeline(
        catalogue,
        settlement,
        {LocalModel: local_models, UpstreamModel: upstream_models},
        moderation=moderation,
        fallbacks=upstreams.fallbacks,
    )
    histories = Histories()
    erasure = Erasure(database)
    erase = erasure.request
    files = Files(database, settings, on_deletion=erase)
    embeddings = EmbeddingPipeline(catalogue, settlement, embedders, fallbacks=upstreams.fallbacks)
    embedder, loaded = Embedder(catalogue, embeddings), LoadedLibraries()
    memories = Memories(database, embedder, on_deletion=erase)
    libraries = Libraries(database, files, loaded=loaded, on_deletion=erase)
    documents = ConversationDocuments(database, libraries)
    deletion = Deletion(database, histories, erasure=erasure, documents=documents)
    conversations = Conversations(database, histories, deletion)
    process_id = new_id("process") if admission.shared is None else admission.shared.process_id
    runs = Runs(database, pipeline, histories, process_id=process_id)
    open_charges = OpenCharges(database, process_id=process_id)
    sign_in = SignIn(database, passwords)
    return Services(
        settings=settings,
        engine=engine,
        catalogue=catalogue,
        texts=texts,
        database=database,
        metrics=metrics,
        admission=admission,
        usage_writer=usage_writer,
        pipeline=pipeline,
        conversations=conversations,
        titles=Titles(conversations, pipeline, catalogue),
        projects=Projects(database, documents=documents),
        prompts=Prompts(database, on_deletion=erase),
        runs=runs,
        assistants=Assistants(database),
        shares=Shares(database, conversations, allowed=settings.sharing),
        imports=Imports(database, conversations),
        comparisons=Comparisons(database, pipeline, conversations, open_charges=open_charges),
        open_charges=open_charges,
        local_models=local_models,
        upstream_models=upstream_models,
        upstreams=upstreams,
        server_models=ServerModels(engine=engine, catalogue=catalogue, texts=texts, database=database),
        pulls=Pulls(None if store is None else store.folder, settings.home / "pulls.json"),
        embeddings=embeddings,
        reranking=RerankPipeline(
            catalogue,
            settlement,
            rerankers={UpstreamModel: UpstreamReranker(upstreams, metrics)},
            embedders=embedders,
            fallbacks=upstreams.fallbacks,
        ),
        local_embeddings=local_embeddings,
        moderation=moderation,
        key_holders=KeyHolders(database),
        session_holders=SessionHolders(database),
        passwords=passwords,
        sign_in=sign_in,
        openid=OpenIdProviders(),
        waiting_list=WaitingList(database),
        personal_accounts=PersonalAccounts(
            database,
            sign_in,
            (
                TalkData(database),
                ConversationData(database, conversations, runs),
                MemoryData(database, memories),
                AssistantData(database),
                LibraryData(database, libraries),
                JobData(database, files, settings.fine_tuning_folder / "runs"),
                UsageData(database),
                AccountData(database),  # the last to be deleted
            ),
            erased=conversations.deletion.erasure.request,
        ),
        chat_settings=KnownChatSettings(database),
        memories=memories,
        memory_use=MemoryUse(database, embedder),
        memory_proposals=MemoryProposals(database, memories, pipeline, catalogue),
        sealer=sealer,
        files=files,
        batches=Batches(database, files, new_work=new_work),
        job_runner=JobRunner(
            database,
            settings,
            disk=files.disk,
            usage_writer=usage_writer,
            metrics=JobMetrics(metrics.registry),
            unfinished=lambda: local_models.unfinished,
            new_work=new_work,
        ),
        fine_tuning_jobs=FineTuningJobs(
            database,
            settings,
            files=files,
            catalogue=catalogue,
            terms=admission.terms,
            new_work=new_training,
        ),
        fine_tuning_runner=FineTuningRunner(
            database,
            settings,
            disk=files.disk,
            catalogue=catalogue,
            payments=TrainingPayments(admission, usage_writer),
            new_work=new_training,
        ),
        fine_tuned_models=FineTunedModels(
            engine=engine,
            catalogue=catalogue,
            texts=texts,
            database=database,
            folder=settings.fine_tuned_folder,
        ),
        libraries=libraries,
        documents=Documents(database, files, new_work=new_documents, on_deletion=erase),
        embedder=embedder,
        retrieval=Retrieval(database, embedder, loaded),
        library_runner=LibraryRunner(database, disk=files.disk, embedder=embedder, new_work=new_documents),
        readiness=Readiness(settings, database=database, catalogue=catalogue, startup_models=startup_models),
        startup_models=startup_models,
    )
