"""Changing an operator's notes on models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from aquilon.catalogue import store
from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.catalogue import Catalogue
from aquilon.catalogue.model_notes import ModelNote
from aquilon.errors import Refusal, not_found
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database


async def change(
    database: Database, principal: Principal, catalogue: Catalogue, *, model: str, changes: Mapping[str, Any]
) -> ModelNote:
    """Change the note on a model by the fields of ``ModelNote``; None removes a field's value.

    Setting ``retires_at`` also sets ``deprecated_at`` to now. Raises ApiError 403 or 404,
    ValueError for an unknown replacement, or for opening a model whose files aren't here.
    """
    require_operator(principal)
    card = catalogue.get(model)
    if card is None:
        raise not_found(
            f"There is no model '{model[:100]}'", param="model", code="model_not_found", values={"name": model[:100]}
        )
    if changes.get("access") == "open" and not isinstance(card, LocalModel):
        raise Refusal(
            f"The files of '{model}' aren't in this server's store: it can't be open here",
            code="files_elsewhere",
            values={"model": model},
        )
    replacement = changes.get("replacement")
    names = {other.name for other in catalogue.cards()} | {alias.name for alias in catalogue.annotations.aliases()}
    if replacement == model:
        raise Refusal(f"'{model}' can't be its own replacement", code="replacement_is_itself", values={"model": model})
    if replacement is not None and replacement not in names:
        raise Refusal(
            f"There is no model or alias '{str(replacement)[:100]}' to use in place of '{model}'",
            code="replacement_unknown",
            values={"name": str(replacement)[:100]},
        )
    async with database.writing(alone=True) as session:
        note = replace(await store.note(session, model), **changes)
        if note.retires_at is None:
            note = replace(note, deprecated_at=None)
        elif note.deprecated_at is None:
            note = replace(note, deprecated_at=int(time.time()))
        await store.set_note(session, note)
        detail = {key: value for key, value in asdict(note).items() if key in changes}
        await audit.record(session, principal, "model.changed", object_id=model, object_name=model, **detail)
    return note
