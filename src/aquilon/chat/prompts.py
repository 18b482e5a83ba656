"""Saved prompts: requests to a model that are sent again and again, under a name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.store import prompts as stored_prompts
from aquilon.chat.tables.prompts import StoredPrompt
from aquilon.errors import forbidden, invalid, not_found
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.storage import Database

MOST_NAME_CHARACTERS = 256
MOST_MESSAGES = 200
MOST_MESSAGE_CHARACTERS = 200_000
"""Of all messages together."""
MOST_SETTINGS_BYTES = 50_000
"""As JSON."""


@dataclass(frozen=True, kw_only=True)
class PromptChange:
    """None leaves what is there."""

    name: str | None = None
    messages: Sequence[Mapping[str, str]] | None = None
    settings: Mapping[str, Any] | None = None
    visibility: str | None = None


class Prompts:
    def __init__(self, database: Database, *, on_deletion: Callable[[], None]) -> None:
        """``on_deletion`` has what was deleted erased from the database's files."""
        self._database = database
        self._on_deletion = on_deletion

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        messages: Sequence[Mapping[str, str]],
        settings: Mapping[str, Any],
        visibility: str,
    ) -> StoredPrompt:
        """Raises ApiError: 400 for an empty name or too much text, 403 if the caller may not ask models."""
        stored_prompts.visible(principal)
        now = int(time.time())
        prompt = StoredPrompt(
            id=new_id("prompt"),
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            visibility=visibility,
            name=_checked_name(name),
            messages=_messages_as_json(messages),
            settings=_settings_as_json(settings),
            created_at=now,
            updated_at=now,
        )
        async with self._database.writing() as session:
            session.add(prompt)
        return prompt

    async def get(self, principal: Principal, prompt_id: str) -> StoredPrompt:
        """Raises ApiError 404."""
        async with self._database.reading() as session:
            return await _required(session, principal, prompt_id)

    async def page(self, principal: Principal, *, after: str | None, limit: int) -> tuple[Sequence[StoredPrompt], bool]:
        """A page of the caller's prompts, the latest first, and whether there are more."""
        async with self._database.reading() as session:
            rows = await stored_prompts.page(session, principal, after=after, limit=limit + 1)
        return rows[:limit], len(rows) > limit

    async def change(self, principal: Principal, prompt_id: str, change: PromptChange) -> StoredPrompt:
        """Raises ApiError: 400 as at creation, 403 for a visibility that is not the caller's to change, 404."""
        async with self._database.writing() as session:
            prompt = await _required(session, principal, prompt_id)
            if change.visibility is not None and change.visibility != prompt.visibility:
                _require_owner(principal, prompt)
                prompt.visibility = change.visibility
            if change.name is not None:
                prompt.name = _checked_name(change.name)
            if change.messages is not None:
                prompt.messages = _messages_as_json(change.messages)
            if change.settings is not None:
                prompt.settings = _settings_as_json(change.settings)
            prompt.updated_at = int(time.time())
        return prompt

    async def delete(self, principal: Principal, prompt_id: str) -> None:
        """Raises ApiError 404."""
        async with self._database.writing() as session:
            await _required(session, principal, prompt_id)
            await stored_prompts.delete(session, Scope.of_organization(principal), prompt_id)
        self._on_deletion()


async def _required(session: AsyncSession, principal: Principal, prompt_id: str) -> StoredPrompt:
    prompt = await stored_prompts.by_id(session, principal, prompt_id)
    if prompt is None:
        raise not_found(f"There is no prompt '{prompt_id[:100]}'", param="prompt_id", code="prompt_not_found")
    return prompt


def _require_owner(principal: Principal, prompt: StoredPrompt) -> None:
    if principal.api_key_id is not None or principal.user_id != prompt.user_id:
        raise forbidden(
            "Only the person whose prompt it is, signed in, may change its visibility", code="not_the_owner"
        )


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not stripped:
        raise invalid(
            "The prompt's name is empty: write at least one letter or digit", param="name", code="name_invisible"
        )
    return stripped


def _messages_as_json(messages: Sequence[Mapping[str, str]]) -> str:
    characters = sum(len(message["content"]) for message in messages)
    if characters > MOST_MESSAGE_CHARACTERS:
        raise invalid(
            f"The messages have {characters:,} characters; a saved prompt has at most {MOST_MESSAGE_CHARACTERS:,}",
            param="messages",
            code="string_too_long",
            values={"max_length": MOST_MESSAGE_CHARACTERS},
        )
    return msgspec.json.encode(messages).decode()


def _settings_as_json(settings: Mapping[str, Any]) -> str:
    if "messages" in settings:
        raise invalid(
            "The settings have 'messages': give them beside the settings", param="settings", code="messages_in_settings"
        )
    text = msgspec.json.encode(settings)
    if len(text) > MOST_SETTINGS_BYTES:
        raise invalid(
            f"The settings are {len(text):,} bytes of JSON; a saved prompt has at most {MOST_SETTINGS_BYTES:,}",
            param="settings",
            code="settings_too_large",
            values={"most": MOST_SETTINGS_BYTES},
        )
    return text.decode()
