"""The actions that each role and key permits."""

from __future__ import annotations

from typing import get_args

import pytest

from aquilon.errors import ApiError
from aquilon.people.identity import ROLES, Principal, Role
from aquilon.people.permissions import Action, permits, require, require_generation

ACTIONS: tuple[Action, ...] = get_args(Action)


def principal(role: Role, workspace_role: Role | None = None, **more: object) -> Principal:
    return Principal(
        user_id="user",
        user_name="somebody",
        role=role,
        organization_id="org",
        organization_name="org",
        workspace_id="workspace",
        workspace_role=workspace_role,
        **more,
    )  # type: ignore[arg-type]


def test_an_owner_may_do_everything_and_an_administrator_all_but_make_owners() -> None:
    assert all(permits("owner", None, action) for action in ACTIONS)
    assert [action for action in ACTIONS if not permits("administrator", None, action)] == ["owners.manage"]


def test_developers_and_members_may_do_nothing_outside_their_workspaces() -> None:
    assert not any(permits(role, None, action) for role in ("developer", "member") for action in ACTIONS)


def test_in_a_workspace_a_developer_makes_keys_and_a_member_does_not() -> None:
    assert permits("developer", "developer", "keys.create")
    assert not permits("member", "member", "keys.create")
    assert permits("member", "member", "generate")


def test_billing_sees_usage_and_budgets_and_talks_to_no_model() -> None:
    assert permits("billing", None, "usage.read")
    assert permits("billing", None, "billing.manage")
    assert not permits("billing", "billing", "generate")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_in_a_workspace_reaches_into_the_organization(role: Role) -> None:
    for action in ("owners.manage", "organization.update", "audit.read", "workspaces.manage", "billing.manage"):
        assert not permits("member", role, action)


def test_a_key_needs_the_scope_even_if_its_user_has_the_role() -> None:
    key = principal("owner", scopes=frozenset({"inference"}))
    require(key, "generate")
    for action in ("usage.read", "keys.create", "audit.read"):
        with pytest.raises(ApiError) as refused:
            require(key, action)
        assert (refused.value.status, refused.value.code) == (403, "scope_missing")


def test_a_key_for_some_models_is_refused_for_other_models() -> None:
    key = principal("member", "member", allowed_models=frozenset({"small"}))
    require_generation(key, "small-latest", "small")
    with pytest.raises(ApiError, match="not for the model 'large'"):
        require_generation(key, "large")
    with pytest.raises(ApiError, match="its models are: none"):
        require_generation(principal("owner", allowed_models=frozenset()), "small")
