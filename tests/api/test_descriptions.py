"""What ``/openapi.json`` says of the routes of people, money, models and jobs: phrases and sentences."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute

from aquilon.api.catalogue import aliases, model_files, server_models, upstreams
from aquilon.api.jobs import files, mistral_batches, openai_batches
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
from aquilon.api.routes import Routes

GROUPS: list[Routes] = [
    module.routes
    for module in (
        *(aliases, model_files, server_models, upstreams),
        *(files, mistral_batches, openai_batches),
        *(budgets, limits, prices, statements, usage_report),
        *(identity_providers, invitations, oidc, organization, organization_keys, server_organizations, sessions),
    )
]
ROUTES = [route for group in GROUPS for route in group.router.routes if isinstance(route, APIRoute)]
VERBS = {
    "Add",
    "Archive",
    "Begin",
    "Cancel",
    "Change",
    "Check",
    "Choose",
    "Create",
    "Delete",
    "Disable",
    "Download",
    "End",
    "Finish",
    "Get",
    "Give",
    "Invite",
    "List",
    "Load",
    "Pull",
    "Read",
    "Remove",
    "Rename",
    "Replace",
    "Report",
    "Revoke",
    "Set",
    "Sign",
    "Upload",
    "Withdraw",
}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{sorted(route.methods)[0]} {route.path}")
def test_a_summary_is_an_imperative_phrase_and_an_answer_s_description_a_sentence(route: APIRoute) -> None:
    assert route.summary is not None
    assert re.split(r"\W", route.summary)[0] in VERBS, (
        f"'{route.summary}' doesn't begin with a verb; add it if it is one"
    )
    assert not route.summary.endswith(".")
    for status, answer in route.responses.items():
        if str(status) in ("200", "202", "204", "303"):
            assert re.fullmatch(r"[A-Z`].* .*\.", answer["description"]), answer["description"]
