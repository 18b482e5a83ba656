"""Libraries in the tests' process, read by a real reader and the real embedding model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy import text

from aquilon.api.services import Services
from aquilon.extraction import extract
from aquilon.jobs.files import FileDescription
from aquilon.libraries.documents import NewDocument
from aquilon.libraries.filters import Attributes
from aquilon.libraries.libraries import NewLibrary
from aquilon.libraries.reading import Reader
from aquilon.libraries.retrieval import Found, Question
from aquilon.libraries.runner import LibraryRunner
from aquilon.libraries.store.documents import DocumentFilter
from aquilon.libraries.tables import LibraryDocument
from aquilon.people import first_run
from aquilon.people.identity import Principal
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.web.build import build_services


@dataclass
class Shelf:
    """Libraries in this process, and a person who uses them."""

    services: Services
    person: Principal

    def runner(self, reader: Reader = extract) -> LibraryRunner:
        state = self.services
        return LibraryRunner(
            state.database,
            disk=state.files.disk,
            embedder=state.embedder,
            new_work=state.documents._new_work,
            reader=reader,
        )

    async def library(self, *texts: str, principal: Principal | None = None) -> str:
        """A library with these texts, not yet read."""
        principal = principal or self.person
        library = (await self.services.libraries.create(principal, NewLibrary(name="texts"))).library.id
        for number, content in enumerate(texts):
            await self.add(library, content, name=f"{number}.md", principal=principal)
        return library

    async def add(
        self,
        library: str,
        text: str,
        *,
        name: str = "text.md",
        attributes: Attributes | None = None,
        principal: Principal | None = None,
        uploaded: bool = False,
    ) -> str:
        """The id of the file."""
        principal, files = principal or self.person, self.services.files
        file_id, part, _ = await files.begin(principal, None)
        part.add(text.encode())
        await files.keep(principal, file_id, part, description=FileDescription(name=name, purpose="assistants"))
        new = NewDocument(file_id=file_id, attributes=attributes or {})
        await self.services.documents.add(principal, library, new, uploaded=uploaded)
        return file_id

    async def read(self, library: str, *, seconds: float = 60) -> None:
        """Read what is to be read."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.runner().run(stop))
        async with asyncio.timeout(seconds):
            while (await self.services.libraries.get(self.person, library)).counts.in_progress:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        stop.set()
        await running

    async def document(self, library: str) -> LibraryDocument:
        """The library's only document."""
        [(document, _)], _ = await self.services.documents.page(self.person, library, DocumentFilter(), limit=2)
        return document

    async def vector_of(self, file_id: str) -> bytes:
        async with self.services.database.reading() as session:
            query = text("SELECT vector FROM library_passages WHERE file_id = :file")
            return bytes((await session.execute(query, {"file": file_id})).scalar_one())

    async def search(self, library: str, text: str, **question: object) -> Found:
        return await self.services.retrieval.search(self.person, [library], Question(text=text, **question))  # type: ignore[arg-type]


@asynccontextmanager
async def shelf_on(settings: Settings, database: Database) -> AsyncIterator[Shelf]:
    """A shelf on an empty database."""
    await first_run.prepare_first_run(database)
    person = replace(await first_run.operator(database), user_id=(await first_run.user_of(database, "admin")).id)
    services = build_services(settings.model_copy(update={"models": ["none"]}), database)
    await services.admission.start()
    yield Shelf(services, person)
    await services.local_embeddings.close()
    await services.usage_writer.close()
    await services.admission.close()
