"""Projects: folders of conversations whose models are told the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.documents import ConversationDocuments
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import projects as stored_projects
from aquilon.conversations.tables import StoredConversation, StoredProject
from aquilon.errors import ApiError, forbidden, invalid, not_found
from aquilon.libraries.libraries import require_visible
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.storage import Database

MOST_NAME_CHARACTERS = 256
MOST_INSTRUCTION_CHARACTERS = 20_000
MOST_LIBRARIES_OF_PROJECT = 5


@dataclass(frozen=True, kw_only=True)
class ProjectChange:
    """None leaves what is there."""

    name: str | None = None
    instructions: str | None = None
    visibility: str | None = None
    library_ids: Sequence[str] | None = None


class Projects:
    def __init__(self, database: Database, *, documents: ConversationDocuments | None = None) -> None:
        """``documents``: deletes the libraries made for a project with it."""
        self._database = database
        self._documents = documents

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        instructions: str,
        visibility: str,
        library_ids: Sequence[str] = (),
    ) -> StoredProject:
        """Raises ApiError: 400 for a name without a visible character, 403 if the caller may not ask models, 404 for a
        library that the caller can't see."""
        stored_projects.visible(principal)
        await require_visible(self._database, principal, library_ids)
        now = int(time.time())
        project = StoredProject(
            id=new_id("proj"),
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            visibility=visibility,
            name=_checked_name(name),
            instructions=instructions,
            library_ids=list(dict.fromkeys(library_ids)),
            created_at=now,
            updated_at=now,
        )
        async with self._database.writing() as session:
            session.add(project)
        return project

    async def get(self, principal: Principal, project_id: str) -> StoredProject:
        """Raises ApiError 404."""
        async with self._database.reading() as session:
            return await required(session, principal, project_id)

    async def page(
        self, principal: Principal, *, after: str | None, limit: int
    ) -> tuple[Sequence[StoredProject], bool]:
        """A page of the caller's projects, the latest first, and whether there are more."""
        async with self._database.reading() as session:
            rows = await stored_projects.page(session, principal, after=after, limit=limit + 1)
        return rows[:limit], len(rows) > limit

    async def change(self, principal: Principal, project_id: str, change: ProjectChange) -> StoredProject:
        """Raises ApiError: 400 for an empty name, 403 for a visibility that is not the caller's to change, 404 for the
        project or a library, and 409 where shared conversations are in a project that only one person would see."""
        if change.library_ids is not None:
            kept = (await self.get(principal, project_id)).library_ids
            await require_visible(self._database, principal, [id_ for id_ in change.library_ids if id_ not in kept])
        async with self._database.writing() as session:
            project = await required(session, principal, project_id)
            if change.visibility is not None and change.visibility != project.visibility:
                require_owner(principal, project, "project")
                scope = Scope.of_organization(principal)
                if change.visibility == "user" and await stored_conversations.has_shared_in(session, scope, project_id):
                    raise ApiError(
                        409,
                        "invalid_request_error",
                        "Conversations that the workspace shares are in this project: take them out first, or make "
                        "them their person's alone",
                        param="visibility",
                        code="project_has_shared_conversations",
                    )
                project.visibility = change.visibility
            if change.name is not None:
                project.name = _checked_name(change.name)
            if change.instructions is not None:
                project.instructions = change.instructions
            if change.library_ids is not None:
                project.library_ids = list(dict.fromkeys(change.library_ids))
            project.updated_at = int(time.time())
        return project

    async def delete(self, principal: Principal, project_id: str) -> None:
        """Delete a project and the libraries made for it; its conversations stay, in none. Raises ApiError 404."""
        project, scope = await self.get(principal, project_id), Scope.of_organization(principal)
        if self._documents is not None:
            await self._documents.delete_of_project(scope, project_id, project.library_ids)
        async with self._database.writing(alone=True) as session:
            await required(session, principal, project_id)
            await stored_projects.delete(session, scope, project_id)


async def required(session: AsyncSession, principal: Principal, project_id: str) -> StoredProject:
    """A project that the caller may see. Raises ApiError 404."""
    project = await stored_projects.by_id(session, principal, project_id)
    if project is None:
        raise project_not_found(project_id)
    return project


def project_not_found(project_id: str) -> ApiError:
    return not_found(f"There is no project '{project_id[:100]}'", param="project_id", code="project_not_found")


async def require_fitting(
    session: AsyncSession, principal: Principal, project_id: str, *, visibility: str, workspace_id: str
) -> None:
    """Whoever sees a conversation must see its project too: what a workspace shares is in one that it shares.

    Raises ApiError 400 or 404.
    """
    project = await required(session, principal, project_id)
    if visibility == "workspace" and (project.visibility, project.workspace_id) != ("workspace", workspace_id):
        raise invalid(
            "The workspace sees this conversation, but not its project: share the project, or make the conversation "
            "its person's alone",
            param="project_id",
            code="project_not_shared",
        )


def require_owner(principal: Principal, row: StoredProject | StoredConversation, kind: str) -> None:
    """Raises ApiError 403 unless the caller is the person, signed in, whose project or conversation it is."""
    if principal.api_key_id is not None or principal.user_id != row.user_id:
        raise forbidden(
            f"Only the person whose {kind} it is, signed in, may change its visibility", code="not_the_owner"
        )


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not stripped:
        raise invalid(
            "The project's name is empty: write at least one letter or digit", param="name", code="name_invisible"
        )
    return stripped
