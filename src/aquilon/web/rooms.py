"""Every room of the API: a module with a ``router``, and the bodies that its routes read and write.

``REQUESTS`` are the pydantic models, ``ANSWERS`` the msgspec structs that `/openapi.json` describes.
"""

from __future__ import annotations

from types import ModuleType

from aquilon.platform.api import (
    aliases,
    batch_jobs,
    batches,
    budgets,
    chat,
    completions,
    embeddings,
    files,
    fim,
    identity_providers,
    invitations,
    limits,
    model_files,
    models,
    moderations,
    oidc,
    operations,
    organization,
    organization_keys,
    prices,
    responses,
    server_models,
    server_organizations,
    sessions,
    statements,
    tokens,
    unstored,
    upstreams,
    usage_report,
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
