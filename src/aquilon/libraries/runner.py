"""Reads the documents of libraries in the background, a few at once."""

from __future__ import annotations

import asyncio

from aquilon.extraction import extract
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.queue_runner import QueueRunner, Room
from aquilon.libraries.embedding import Embedder
from aquilon.libraries.reading import Reader, Reading
from aquilon.libraries.store import documents as stored
from aquilon.libraries.tables import LibraryDocument
from aquilon.people.secrets import new_id
from aquilon.storage import Database

_MOST_AT_ONCE = 2
_LOOK_SECONDS = 5.0


class LibraryRunner(QueueRunner[LibraryDocument]):
    def __init__(
        self,
        database: Database,
        *,
        disk: FilesOnDisk,
        embedder: Embedder,
        new_work: asyncio.Event,
        reader: Reader = extract,
    ) -> None:
        """``new_work`` is set when a document was added, so that the runner looks at once."""
        owner = new_id("process")

        def begin(document: LibraryDocument) -> Reading:
            return Reading(
                database=database, disk=disk, embedder=embedder, reader=reader, owner=owner, document=document
            )

        super().__init__(
            database,
            stored.QUEUE,
            kind="document",
            owner=owner,
            rooms=[Room(("in_progress",), _MOST_AT_ONCE)],
            begin=begin,
            new_work=new_work,
            look_seconds=_LOOK_SECONDS,
        )
