"""The documents of one conversation or project: libraries that were made for it, and are deleted with it.

A conversation or project names the libraries that questions are searched in; one whose own
metadata names the conversation or project was made for it. Others are only used there, and stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aquilon.conversations.store import conversations as stored_conversations
from aquilon.libraries.libraries import Libraries
from aquilon.people.scope import Scope
from aquilon.storage import Database

LIBRARIES = "vector_store_ids"
"""In a conversation's metadata: the ids of libraries, with blanks between them."""
CONVERSATION = "conversation_id"
"""In a library's metadata: the conversation that it was made for."""
PROJECT = "project_id"
"""In a library's metadata: the project that it was made for."""


class ConversationDocuments:
    def __init__(self, database: Database, libraries: Libraries) -> None:
        self._database = database
        self._libraries = libraries

    async def delete(self, scope: Scope, conversation_ids: Sequence[str]) -> None:
        """Delete the libraries that were made for conversations of the scope, with what was uploaded into them.

        To be called before the conversations are deleted: after a kill in between, the next deletion finds the rest.
        """
        async with self._database.reading() as session:
            labels = await stored_conversations.labels(session, scope, conversation_ids)
        for conversation_id, metadata in labels.items():
            named = str(msgspec.json.decode(metadata).get(LIBRARIES, "")).split()
            await self._delete_made_for(scope, named, owner=(CONVERSATION, conversation_id))

    async def delete_of_project(self, scope: Scope, project_id: str, library_ids: Sequence[str]) -> None:
        """The same for a project that names these libraries."""
        await self._delete_made_for(scope, library_ids, owner=(PROJECT, project_id))

    async def _delete_made_for(self, scope: Scope, library_ids: Sequence[str], *, owner: tuple[str, str]) -> None:
        name, id_ = owner
        for library in await self._libraries.named(scope, library_ids):
            if msgspec.json.decode(library.labels).get(name) == id_:
                await self._libraries.remove(scope, library.id)
