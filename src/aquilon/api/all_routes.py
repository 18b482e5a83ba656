"""Every route of the API, in the order in which they are matched and described."""

from __future__ import annotations

from aquilon.api import operations
from aquilon.api.catalogue import aliases, model_files, server_models, upstreams
from aquilon.api.chat import (
    access_rules,
    announcements,
    assistants,
    comparisons,
    feedback,
    memories,
    memory_proposals,
    prompts,
    shares,
)
from aquilon.api.chat import settings as chat_settings
from aquilon.api.conversations import conversations, items, live, mistral, projects, transfer
from aquilon.api.conversations import retention as conversation_retention
from aquilon.api.conversations import search as conversation_search
from aquilon.api.generation import (
    agents,
    chat,
    completions,
    embeddings,
    fim,
    infill,
    messages,
    models,
    moderations,
    rerank,
    responses,
    responses_compact,
    responses_websocket,
    stored_chat,
    tokens,
)
from aquilon.api.jobs import files, fine_tuned_models, fine_tuning, mistral_batches, openai_batches
from aquilon.api.libraries import mistral_documents, mistral_libraries, vector_store_files, vector_stores
from aquilon.api.money import budgets, limits, person_quotas, prices, requests, statements, usage_report
from aquilon.api.ollama import administration as ollama_administration
from aquilon.api.ollama import chat as ollama_chat
from aquilon.api.ollama import embed as ollama_embed
from aquilon.api.ollama import generate as ollama_generate
from aquilon.api.ollama import models as ollama_models
from aquilon.api.people import (
    identity_providers,
    invitations,
    me,
    oidc,
    organization,
    organization_keys,
    server_organizations,
    sessions,
    waiting_list,
)
from aquilon.api.routes import Routes

ROUTES: tuple[Routes, ...] = tuple(
    module.routes
    for module in (
        chat,
        stored_chat,
        agents,
        completions,
        fim,
        infill,
        files,
        openai_batches,
        mistral_batches,
        fine_tuning,
        fine_tuned_models,
        responses,
        responses_compact,
        conversation_search,  # before `/v1/conversations/{conversation_id}`
        transfer,  # the same
        conversations,
        items,
        mistral,
        projects,
        assistants,
        live,
        feedback,
        shares,
        memory_proposals,  # before `/v1/memories/{memory_id}`
        memories,
        comparisons,
        prompts,
        responses_websocket,
        vector_stores,
        vector_store_files,
        mistral_libraries,
        mistral_documents,
        messages,
        embeddings,
        rerank,
        moderations,
        model_files,
        models,
        server_models,
        upstreams,
        aliases,
        tokens,
        ollama_chat,
        ollama_generate,
        ollama_embed,
        ollama_models,
        ollama_administration,
        sessions,
        me,
        oidc,
        invitations,
        waiting_list,
        server_organizations,
        identity_providers,
        organization,
        organization_keys,
        conversation_retention,
        chat_settings,
        access_rules,
        announcements,
        budgets,
        limits,
        person_quotas,
        prices,
        statements,
        usage_report,
        requests,
        operations,
    )
)
