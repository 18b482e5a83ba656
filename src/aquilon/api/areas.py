"""Which routes are loaded at the start, and which when one of their paths is first asked for.

Those of the start are what people who chat and look after their account need, and what programs ask for all the time.
The others take 8 MB, and a tenth of a start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aquilon.api import operations
from aquilon.api.catalogue import model_files
from aquilon.api.chat import access_rules, announcements, feedback, memories, memory_proposals
from aquilon.api.chat import settings as chat_settings
from aquilon.api.conversations import conversations, items, live, mistral, projects, transfer
from aquilon.api.conversations import retention as conversation_retention
from aquilon.api.conversations import search as conversation_search
from aquilon.api.generation import chat, models, responses, responses_compact, responses_websocket, stored_chat
from aquilon.api.money import person_quotas, prices
from aquilon.api.people import me, oidc, organization, organization_keys, sessions
from aquilon.api.routes import Routes

AT_START: tuple[Routes, ...] = tuple(
    module.routes
    for module in (
        chat,
        stored_chat,
        responses,
        responses_compact,
        responses_websocket,
        conversation_search,  # before `/v1/conversations/{conversation_id}`
        transfer,  # the same
        conversations,
        items,
        mistral,
        projects,
        live,
        feedback,
        memory_proposals,  # before `/v1/memories/{memory_id}`
        memories,
        model_files,
        models,
        sessions,
        me,
        oidc,
        organization,
        organization_keys,
        conversation_retention,
        chat_settings,
        access_rules,
        announcements,
        person_quotas,
        prices,
        operations,
    )
)
"""In the order in which they are matched, before those of any area."""


@dataclass(frozen=True)
class Area:
    """Routes that are loaded together."""

    paths: tuple[str, ...]
    """All paths of the area begin with one of them."""
    load: Callable[[], tuple[Routes, ...]]
    """Imports the routes' modules. Returns the routes in the order in which they are matched."""


def _generation() -> tuple[Routes, ...]:
    from aquilon.api.generation import agents, completions, embeddings, fim, infill, messages, moderations, rerank

    of_text = agents.routes, completions.routes, fim.routes, infill.routes, messages.routes
    return *of_text, embeddings.routes, rerank.routes, moderations.routes


def _tokens() -> tuple[Routes, ...]:
    from aquilon.api.generation import tokens

    return (tokens.routes,)


def _ollama() -> tuple[Routes, ...]:
    from aquilon.api.ollama import administration, chat, embed, generate, models

    return chat.routes, generate.routes, embed.routes, models.routes, administration.routes


def _jobs() -> tuple[Routes, ...]:
    from aquilon.api.jobs import files, fine_tuned_models, fine_tuning, mistral_batches, openai_batches

    batches = openai_batches.routes, mistral_batches.routes
    return files.routes, *batches, fine_tuning.routes, fine_tuned_models.routes


def _libraries() -> tuple[Routes, ...]:
    from aquilon.api.libraries import mistral_documents, mistral_libraries, vector_store_files, vector_stores

    of_openai = vector_stores.routes, vector_store_files.routes
    return *of_openai, mistral_libraries.routes, mistral_documents.routes


def _assistants() -> tuple[Routes, ...]:
    from aquilon.api.chat import assistants

    return (assistants.routes,)


def _beside_chat() -> tuple[Routes, ...]:
    from aquilon.api.chat import comparisons, prompts, shares

    return shares.routes, comparisons.routes, prompts.routes


def _server() -> tuple[Routes, ...]:
    from aquilon.api.catalogue import aliases, server_models, upstreams
    from aquilon.api.people import identity_providers, server_organizations

    models = server_models.routes, upstreams.routes, aliases.routes
    return *models, server_organizations.routes, identity_providers.routes


def _joining() -> tuple[Routes, ...]:
    from aquilon.api.people import invitations, waiting_list

    return invitations.routes, waiting_list.routes


def _money() -> tuple[Routes, ...]:
    from aquilon.api.money import budgets, limits, requests, statements, usage_report

    return budgets.routes, limits.routes, statements.routes, usage_report.routes, requests.routes


_GENERATION = (
    *("/v1/agents/completions", "/v1/completions", "/v1/fim/", "/infill", "/v1/messages", "/v1/embeddings"),
    *("/rerank", "/v1/rerank", "/v2/rerank", "/v1/moderations", "/v1/chat/moderations"),
)
_JOINING = ("/auth/invitations", "/auth/join", "/auth/waiting-list")
_JOINING_BY_ADMINISTRATORS = ("/v1/organization/invitations", "/v1/organization/waiting-list")
_OF_ORGANIZATION = tuple(
    f"/v1/organization/{name}" for name in ("budgets", "limits", "statements", "usage", "requests")
)

AREAS = (
    Area(_GENERATION, _generation),  # its `/v1/agents/completions` before `/v1/agents/{agent_id}`
    Area(("/tokenize", "/tokenizer_info", "/detokenize"), _tokens),
    Area(("/api/",), _ollama),
    Area(("/v1/files", "/v1/batches", "/v1/batch/", "/v1/fine_tuning/"), _jobs),
    Area(("/v1/vector_stores", "/v1/libraries"), _libraries),
    Area(("/v1/agents",), _assistants),
    Area(("/v1/shares", "/v1/comparisons", "/v1/prompts"), _beside_chat),
    Area(("/v1/server/",), _server),
    Area(_JOINING + _JOINING_BY_ADMINISTRATORS, _joining),
    Area(("/v1/usage", *_OF_ORGANIZATION), _money),
)
"""In the order in which their routes are matched."""
