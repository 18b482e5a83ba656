"""Whom a request without a key acts for, where the operator allows such requests."""

from __future__ import annotations

import pytest

from aquilon.errors import ApiError
from aquilon.people import first_run
from aquilon.people.administration import members
from aquilon.people.administration.members import UserChanges
from aquilon.people.keyless import keyless_principal
from aquilon.people.permissions import permits, require, require_generation, require_operator
from aquilon.people.store import api_keys
from aquilon.storage import Database


async def test_it_acts_for_the_first_administrator_and_may_only_generate(database: Database) -> None:
    first = await first_run.prepare_first_run(database, "Example House")
    assert first is not None
    async with database.reading() as session:
        holder = await api_keys.holder_of(session, first.api_key)
    principal = await keyless_principal(database)
    assert holder is not None
    assert principal is not None
    assert (principal.user_id, principal.workspace_id) == (holder.principal.user_id, holder.principal.workspace_id)
    require_generation(principal, "any model")
    with pytest.raises(ApiError):
        require_operator(principal)
    with pytest.raises(ApiError):
        require(principal, "files.use", principal.workspace_role)
    assert not permits(principal.role, principal.workspace_role, "keys.create")


async def test_the_next_administrator_takes_over_from_one_who_may_not_sign_in(database: Database) -> None:
    await first_run.prepare_first_run(database, "Example House")
    actor = await first_run.operator(database)
    dora = await members.create(database, actor, "dora", role="owner")
    before = await keyless_principal(database)
    assert before is not None
    await members.change(database, actor, before.user_id, changes=UserChanges(disabled=True))
    after = await keyless_principal(database)
    assert after is not None
    assert after.user_id == dora.user.id != before.user_id


async def test_before_the_first_start_there_is_nobody_to_act_for(database: Database) -> None:
    assert await keyless_principal(database) is None
