"""Documents are read in the background, go on after a kill, say why they fail, and leave nothing when deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.libraries.shelf import Shelf
from tests.support.database_file import database_bytes

from aquilon.api.libraries.vector_store_bodies import progress
from aquilon.conversations.erasure import Erasure
from aquilon.embeddings.local import NAME
from aquilon.extraction import Document, extract
from aquilon.libraries.documents import NewDocument, notes_of
from aquilon.libraries.libraries import LibraryChange
from aquilon.money.administration import budgets as administration
from aquilon.money.prices import Price
from aquilon.money.store.prices import set_price
from aquilon.people import first_run
from aquilon.settings import Settings
from aquilon.storage import Database

LONG = "\n\n".join(
    f"Chapter {number} tells of the year {1900 + number}. {'It was long. ' * 40}" for number in range(12)
)
TOKENS_OF_A_PART = 2300
"""Of the text above: of some of its passages, not of all."""
SECRET = "pomegranate"


@pytest.mark.slow
async def test_a_killed_process_loses_nothing_that_it_has_read(shelf: Shelf, database: Database) -> None:
    library = await shelf.library(LONG)
    stop, embedded = asyncio.Event(), 0
    first = asyncio.create_task(shelf.runner().run(stop))
    async with asyncio.timeout(60):
        while not embedded:
            embedded = (await shelf.document(library)).embedded
    first.cancel()
    await asyncio.wait({first})
    document = await shelf.document(library)
    assert document.status == "in_progress"
    assert 0 < embedded <= document.embedded < document.passages
    await shelf.read(library)
    document = await shelf.document(library)
    assert (document.status, document.embedded) == ("completed", document.passages)
    assert (
        await shelf.services.documents.text(shelf.person, library, document.file_id)
        == LONG.replace(" \n", "\n").strip()
    )
    async with database.reading() as session:
        counts = await session.execute(text("SELECT count(*), count(DISTINCT number) FROM library_passages"))
        assert counts.all() == [(document.passages, document.passages)]
        tokens = await session.scalar(text("SELECT sum(prompt_tokens) FROM usage_events"))
    assert tokens >= document.tokens > 0


async def test_a_file_that_can_t_be_read_says_why_and_the_others_go_on(shelf: Shelf) -> None:
    library = await shelf.library()
    bad = await shelf.add(library, "\0\1\2" * 99, name="picture.bin")
    good = await shelf.add(library, "The sun shines.", name="good.txt")
    await shelf.read(library)
    failed, _ = await shelf.services.documents.get(shelf.person, library, bad)
    read, _ = await shelf.services.documents.get(shelf.person, library, good)
    assert (failed.status, read.status) == ("failed", "completed")
    assert failed.error_code in ("unsupported", "encrypted", "no_text", "damaged", "bomb", "too_large", "timed_out")
    assert failed.error
    assert [hit.file_id for hit in (await shelf.search(library, "sun")).hits] == [good]


async def test_a_page_does_not_wait_for_two_books(shelf: Shelf) -> None:
    book = "\n\n".join(f"# {number}\n\nIt rained." for number in range(60))
    books = [await shelf.library(book) for _ in range(2)]
    page = await shelf.library("The sun shines.")
    stop = asyncio.Event()
    running = asyncio.create_task(shelf.runner().run(stop))
    async with asyncio.timeout(60):
        while (await shelf.document(page)).status == "in_progress":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [(await shelf.document(one)).status for one in books] == ["in_progress"] * 2
    stop.set()
    await running


async def test_a_document_that_is_read_in_part_says_so(shelf: Shelf) -> None:
    library = await shelf.library()
    await shelf.add(library, "<html><p>before</p>" + "<div>" * 50_000, name="deep.html")
    await shelf.read(library)
    assert notes_of(await shelf.document(library)) == ["truncated"]


async def test_a_document_says_how_far_it_is_read(shelf: Shelf) -> None:
    library = await shelf.library("The sun shines.")
    seen = asyncio.Event()

    async def read_slowly(path: Path, *, name: str, on_progress: Callable[[float], None] | None = None) -> Document:
        assert on_progress is not None
        on_progress(0.5)
        await seen.wait()
        return await extract(path, name=name, on_progress=on_progress)

    stop = asyncio.Event()
    running = asyncio.create_task(shelf.runner(read_slowly).run(stop))
    async with asyncio.timeout(30):
        while not (share := progress(await shelf.document(library))):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert share == 0.25
        seen.set()
        while progress(await shelf.document(library)) < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    stop.set()
    await running


@pytest.mark.slow
async def test_a_document_that_a_spent_budget_stopped_says_so_and_is_read_when_there_is_more(
    shelf: Shelf, database: Database
) -> None:
    operator = await first_run.operator(database)
    async with database.writing() as session:
        await set_price(session, NAME, Price(int(time.time()), input=100, cached_input=100, output=0))
    budget = (await administration.set_budget(database, operator, period="once", amount=100 * TOKENS_OF_A_PART)).budget
    library = await shelf.library(LONG)
    await shelf.read(library)
    document = await shelf.document(library)
    assert (document.status, document.error_code) == ("failed", "server_error")
    assert "vectors can't be computed: The organization's prepaid credit is" in (document.error or "")
    assert 0 < document.embedded < document.passages, document.error
    assert (await shelf.search(library, "Chapter")).hits == []
    await administration.change_budget(database, operator, budget.id, amount=10_000 * TOKENS_OF_A_PART)
    await shelf.services.documents.read_again(shelf.person, library, document.file_id)
    await shelf.read(library)
    document = await shelf.document(library)
    assert (document.status, document.error, document.embedded) == ("completed", None, document.passages)
    assert (await shelf.search(library, "Chapter 7")).hits


async def test_a_cancelled_batch_reads_no_more(shelf: Shelf) -> None:
    library, documents = await shelf.library(), shelf.services.documents
    file_id = await shelf.add(await shelf.library(), "A text.")
    batch = await documents.add_batch(shelf.person, library, [NewDocument(file_id=file_id, attributes={})])
    cancelled, counts = await documents.cancel(shelf.person, library, batch.id)
    assert (cancelled.cancelled, counts.cancelled, counts.total) == (True, 1, 1)
    await shelf.read(library)
    assert (await shelf.document(library)).status == "cancelled"
    assert (await shelf.search(library, "text")).hits == []


async def test_a_batch_that_is_read_stays_completed_when_it_is_cancelled(shelf: Shelf) -> None:
    library, documents = await shelf.library(), shelf.services.documents
    file_id = await shelf.add(await shelf.library(), "A text.")
    batch = await documents.add_batch(shelf.person, library, [NewDocument(file_id=file_id, attributes={})])
    await shelf.read(library)
    cancelled, counts = await documents.cancel(shelf.person, library, batch.id)
    assert (cancelled.cancelled, counts.completed, counts.total) == (False, 1, 1)


async def delete_the_file(shelf: Shelf, library: str, file_id: str) -> None:
    await shelf.services.files.delete(shelf.person, file_id)


async def delete_the_document(shelf: Shelf, library: str, file_id: str) -> None:
    await shelf.services.documents.delete(shelf.person, library, file_id)


async def delete_the_library(shelf: Shelf, library: str, file_id: str) -> None:
    await shelf.services.libraries.delete(shelf.person, library)


async def let_the_library_expire(shelf: Shelf, library: str, file_id: str) -> None:
    await shelf.services.libraries.change(shelf.person, library, LibraryChange(expires_days=1))
    async with shelf.services.database.writing() as session:
        await session.execute(text("UPDATE libraries SET expires_at = 1"))
    assert await shelf.services.libraries.prune() == 2


@pytest.mark.parametrize("remove", [delete_the_file, delete_the_document, delete_the_library, let_the_library_expire])
@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_deleted_document_is_in_no_file_of_the_database(
    shelf: Shelf, settings: Settings, remove: Callable[[Shelf, str, str], Awaitable[None]]
) -> None:
    library = await shelf.library("An apple is a fruit.")
    file_id = await shelf.add(library, f"The {SECRET} is a fruit.")
    await shelf.read(library)
    assert len((await shelf.search(library, "fruit")).hits) == 2
    vector = await shelf.vector_of(file_id)
    assert SECRET.encode() in database_bytes(settings.home)
    assert vector in database_bytes(settings.home)
    await remove(shelf, library, file_id)
    if remove in (delete_the_file, delete_the_document):
        assert len((await shelf.search(library, "fruit")).hits) == 1
    await Erasure(shelf.services.database).erase(asyncio.Event())
    assert SECRET.encode() not in database_bytes(settings.home)
    assert vector not in database_bytes(settings.home)
