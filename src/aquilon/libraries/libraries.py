"""Libraries as their owners use them: created, listed, changed, shared with the workspace, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, forbidden, invalid, not_found
from aquilon.jobs.files import Files
from aquilon.libraries.store import documents as stored_documents
from aquilon.libraries.store import libraries as stored
from aquilon.libraries.store.libraries import DAY, Counts
from aquilon.libraries.tables import Library, LibraryDocument
from aquilon.libraries.vectors import LoadedLibraries
from aquilon.people.identity import Principal
from aquilon.people.permissions import require, require_feature
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.people.store import audit
from aquilon.storage import Database

Visibility = Literal["workspace", "user"]
MOST_DAYS = 3650
_TOUCH_SECONDS = 60
"""A search notes that its library is in use at most this often."""
_PRUNED_AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class NewLibrary:
    name: str
    description: str | None = None
    labels: str = "{}"
    """JSON."""
    visibility: Visibility | None = None
    """None for what the caller's libraries usually are."""
    expires_days: int | None = None
    chunk_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class LibraryChange:
    """UNSET leaves a field as it is."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    labels: str | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    expires_days: int | UnsetType | None = UNSET


@dataclass(frozen=True)
class CountedLibrary:
    library: Library
    counts: Counts


class Libraries:
    """Methods with a principal raise ApiError: 403 without the right, 404 for a library that the caller can't see."""

    def __init__(
        self, database: Database, files: Files, *, loaded: LoadedLibraries, on_deletion: Callable[[], None]
    ) -> None:
        """``on_deletion`` is called when texts were deleted, so that they leave the database's files too."""
        self._database = database
        self._files = files
        self._loaded = loaded
        self._on_deletion = on_deletion

    async def create(self, principal: Principal, new: NewLibrary) -> CountedLibrary:
        """Raises ApiError 400 for a private library of a key's."""
        require_change(principal)
        visibility = new.visibility or ("user" if principal.api_key_id is None else "workspace")
        if visibility == "user" and principal.api_key_id is not None:
            raise invalid(
                "A key's library belongs to its workspace: sign in to create one that only you see",
                param="visibility",
                code="visibility_of_person",
            )
        now = int(time.time())
        library = Library(
            id=new_id("vs"),
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            visibility=visibility,
            name=new.name,
            description=new.description,
            labels=new.labels,
            chunk_size=new.chunk_size,
            embedding_model=None,
            edition=0,
            created_at=now,
            updated_at=now,
            last_active_at=now,
            expires_days=new.expires_days,
            expires_at=None if new.expires_days is None else now + new.expires_days * DAY,
        )
        async with self._database.writing() as session:
            session.add(library)
        return CountedLibrary(library, Counts())

    async def get(self, principal: Principal, library_id: str) -> CountedLibrary:
        async with self._database.reading() as session:
            library = await required(session, principal, library_id)
            return (await _counted(session, principal, [library]))[0]

    async def page(
        self,
        principal: Principal,
        *,
        after: str | None = None,
        before: str | None = None,
        search: str | None = None,
        oldest_first: bool = False,
        offset: int = 0,
        limit: int,
    ) -> tuple[list[CountedLibrary], bool]:
        """A page of the libraries, and whether there are more: see `page_between`.

        ``after`` and ``before`` may name libraries that are gone.
        """
        async with self._database.reading() as session:
            rows, has_more = await stored.page(
                session,
                principal,
                after=after,
                before=before,
                search=search,
                oldest_first=oldest_first,
                offset=offset,
                limit=limit,
            )
            return await _counted(session, principal, rows), has_more

    async def count(self, principal: Principal, *, search: str | None = None) -> int:
        async with self._database.reading() as session:
            return await stored.count(session, principal, search=search)

    async def change(self, principal: Principal, library_id: str, change: LibraryChange) -> CountedLibrary:
        """Raises ApiError 403 for a visibility that is not the caller's to change."""
        require_change(principal)
        async with self._database.writing() as session:
            library = await required(session, principal, library_id)
            if change.visibility is not UNSET and change.visibility != library.visibility:
                if principal.api_key_id is not None or principal.user_id != library.user_id:
                    raise forbidden(
                        "Only the person whose library it is, signed in, may change its visibility",
                        code="not_the_owner",
                    )
                library.visibility = change.visibility
            if change.name is not UNSET:
                library.name = change.name
            if change.description is not UNSET:
                library.description = change.description
            if change.labels is not UNSET:
                library.labels = change.labels
            now = int(time.time())
            if change.expires_days is not UNSET:
                library.expires_days = change.expires_days
            library.updated_at = library.last_active_at = now
            library.expires_at = None if library.expires_days is None else now + library.expires_days * DAY
        return await self.get(principal, library_id)

    async def delete(self, principal: Principal, library_id: str) -> None:
        """Delete a library with its documents, and the files that were uploaded into it."""
        require_change(principal)
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            library = await required(session, principal, library_id)
        await self._remove_uploaded(scope, library_id)
        async with self._database.writing() as session:
            await stored.delete(session, scope, library_id)
            await audit.record(session, principal, "library.deleted", object_id=library_id, object_name=library.name)
        self._forget(library_id)

    async def delete_of_person(self, scope: Scope) -> int:
        """Delete some of the libraries of the scope's user, shared ones too; returns how many."""
        async with self._database.reading() as session:
            ids = await stored.some_of_person(session, scope, most=_PRUNED_AT_ONCE)
        for library_id in ids:
            await self.remove(Scope(scope.organization_id), library_id)
        return len(ids)

    async def usable(self, principal: Principal, library_ids: Sequence[str]) -> list[str]:
        """Those of these libraries that the caller sees, that haven't expired, and that have a document that was read.

        None where documents are turned off for the caller. Raises ApiError 403 without the right to ask models.
        """
        if not library_ids or "documents" not in principal.features:
            return []
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            libraries = [await stored.by_id(session, principal, library_id) for library_id in library_ids]
            unexpired = [library.id for library in libraries if library is not None and not is_expired(library)]
            counts = await stored.counts(session, scope, unexpired)
        return [id_ for id_ in unexpired if id_ in counts and counts[id_].completed]

    async def named(self, scope: Scope, library_ids: Sequence[str]) -> list[Library]:
        """Those of these libraries that the scope has."""
        if not library_ids:
            return []
        async with self._database.reading() as session:
            return await stored.by_ids(session, scope, library_ids)

    async def remove(self, scope: Scope, library_id: str) -> None:
        """Delete a library with its documents, and the files that were uploaded into it, for the house itself."""
        await self._remove_uploaded(scope, library_id)
        async with self._database.writing() as session:
            await stored.delete(session, scope, library_id)
        self._forget(library_id)

    async def delete_documents_of_person(self, scope: Scope) -> int:
        """Delete some of the documents that the scope's user added; returns how many."""
        async with self._database.writing() as session:
            documents = await stored_documents.some_of_person(session, scope, most=_PRUNED_AT_ONCE)
            for document in documents:
                await stored_documents.delete(session, document)
        await self._removed(documents)
        return len(documents)

    async def prune(self) -> int:
        """Delete some of the documents of expired libraries; returns how many."""
        async with self._database.writing() as session:
            documents = await stored.expired(session, now=int(time.time()), most=_PRUNED_AT_ONCE)
            for document in documents:
                await stored_documents.delete(session, document)
        await self._removed(documents)
        return len(documents)

    async def _remove_uploaded(self, scope: Scope, library_id: str) -> None:
        async with self._database.reading() as session:
            uploaded = await stored_documents.uploaded(session, scope, library_id)
        for file_id in uploaded:
            await self._files.remove(scope.organization_id, file_id)

    def _forget(self, library_id: str) -> None:
        """A library was deleted."""
        self._loaded.forget(library_id)
        self._on_deletion()

    async def _removed(self, documents: Sequence[LibraryDocument]) -> None:
        """Documents were deleted: delete what was uploaded with them, and what is left of their texts."""
        for document in documents:
            if document.uploaded:
                await self._files.remove(document.organization_id, document.file_id)
        if documents:
            self._on_deletion()


async def required(session: AsyncSession, principal: Principal, library_id: str) -> Library:
    """A library that the caller may see. Raises ApiError 404."""
    library = await stored.by_id(session, principal, library_id)
    if library is None:
        raise not_found(f"There is no vector store or library '{library_id[:100]}'", code="library_not_found")
    return library


async def require_visible(database: Database, principal: Principal, library_ids: Sequence[str]) -> None:
    """Raises ApiError 404 for a library that the caller can't see."""
    if library_ids:
        async with database.reading() as session:
            for library_id in library_ids:
                await required(session, principal, library_id)


def require_change(principal: Principal) -> None:
    """Raises ApiError 403 for a caller who may only ask, or for whom documents are turned off."""
    require(principal, "files.use", principal.workspace_role)
    require_feature(principal, "documents")


def require_unexpired(library: Library) -> None:
    """Raises ApiError 400."""
    if is_expired(library):
        raise ApiError(
            400,
            "invalid_request_error",
            f"The library '{library.id}' expired {library.expires_days} days after its last use",
            code="library_expired",
        )


def is_expired(library: Library) -> bool:
    return library.expires_at is not None and library.expires_at <= time.time()


async def note_use(database: Database, library: Library) -> None:
    """Note that a library was searched, so that it expires later."""
    if library.last_active_at + _TOUCH_SECONDS > time.time():
        return
    async with database.writing() as session:
        await stored.touch(session, Scope(library.organization_id), library.id, changed=False)


async def _counted(session: AsyncSession, principal: Principal, libraries: Sequence[Library]) -> list[CountedLibrary]:
    scope = Scope.of_organization(principal)
    counts = await stored.counts(session, scope, [library.id for library in libraries])
    return [CountedLibrary(library, counts[library.id]) for library in libraries]
