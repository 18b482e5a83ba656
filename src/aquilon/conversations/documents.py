"""The documents of one conversation: libraries that were made for it, and are deleted with it.

A conversation names the libraries that its questions are searched in; one whose own
metadata names the conversation was made for it. Others are only used there, and stay.
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
            for library in await self._libraries.named(scope, named):
                if msgspec.json.decode(library.labels).get(CONVERSATION) == conversation_id:
                    await self._libraries.remove(scope, library.id)
