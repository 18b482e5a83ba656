"""Every room of the API: a module with a ``router``, and the bodies that its routes read and write.

``REQUESTS`` are the pydantic models, ``ANSWERS`` the msgspec structs that `/openapi.json` describes.
"""

from __future__ import annotations

from types import ModuleType

from aquilon.api import operations
from aquilon.api.catalogue import aliases, model_files, server_models, upstreams
from aquilon.api.generation import chat, completions, embeddings, fim, models, moderations, responses, tokens, unstored
from aquilon.api.jobs import files
from aquilon.api.jobs import mistral_batches as batch_jobs
from aquilon.api.jobs import openai_batches as batches
from aquilon.api.money import budgets, limits, prices, statements, usage_report
from aquilon.api.people import (
    identity_providers,
    invitations,
    oidc,
    organization,
    organization_keys,
    server_organizations,
    sessions,
)

ROOMS: tuple[ModuleType, ...] = (
    chat,
    completions,
    fim,
    files,
    batches,
    batch_jobs,
    responses,
    unstored,
    embeddings,
    moderations,
    model_files,
    models,
    server_models,
    upstreams,
    aliases,
    tokens,
    sessions,
    oidc,
    invitations,
    server_organizations,
    identity_providers,
    organization,
    organization_keys,
    budgets,
    limits,
    prices,
    statements,
    usage_report,
    operations,
)
"""In the order in which their routes are tried and described."""
