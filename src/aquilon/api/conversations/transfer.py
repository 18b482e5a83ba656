"""Exports and imports of conversations, our own extension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aquilon.api.authentication import Caller
from aquilon.api.body import read_bytes
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.transfer import exports
from aquilon.conversations.transfer.document import ExportedAnswer
from aquilon.conversations.transfer.imports.files import MOST_BYTES
from aquilon.conversations.transfer.imports.imports import ImportedConversation, SkippedConversation
from aquilon.errors import invalid
from aquilon.people.archive_readme import Language

routes = Routes("/v1/conversations", tag="conversations")

_UPLOAD_SECONDS = 300


class ExportedItemBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    parent_id: str | None
    """The item above it, which stands before it in the list; several items below one parent are branches."""
    created_at: int
    complete: bool
    """Whether it was written to its end."""
    answer: str | None
    """The same for a question and all that a model wrote to it."""
    output: bool
    """Whether a model wrote it."""
    content: dict[str, Any]
    """Its ``type`` says what it is: message, reasoning, call, call_output, compaction or other."""


class ExportedConversationBody(msgspec.Struct, frozen=True, kw_only=True):
    title: str | None
    created_at: int
    updated_at: int
    metadata: dict[str, str]
    head: str | None
    """The item below which the conversation goes on."""
    answers: list[ExportedAnswer]
    """The models of the answers and, in a conversation that several people asked in, who asked for each."""
    items: list[ExportedItemBody]


class ExportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Version 1 of the format. Later ones may add fields."""

    format: Literal["aquilon.conversations"]
    version: Literal[1]
    exported_at: int
    conversations: list[ExportedConversationBody]


class ImportedBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    position: int
    """In the file, from 0."""
    title: str | None
    messages: int
    """How many items it has, thoughts included."""
    detached: int
    """How many messages named a parent that the file doesn't have: they begin branches of their own."""


class SkippedBody(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    title: str | None
    code: str
    """Why, for programs."""
    reason: str


class ImportBody(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each conversation of a file: it was stored as a whole, or nothing of it was."""

    object: str = "conversation.import"
    imported: Sequence[ImportedBody]
    skipped: Sequence[SkippedBody]


@routes.post(
    "/import",
    "Import conversations from a file",
    answer=ImportBody,
    says="What became of each conversation of the file.",
    openapi_extra={
        "requestBody": {
            "description": "Our own JSON export, ChatGPT's conversations.json or the archive with it, or Open WebUI's "
            f"export of chats: at most {MOST_BYTES // 2**20} MB.",
            "required": True,
            "content": {"application/json": {"schema": {}}, "application/zip": {"schema": {"type": "string"}}},
        }
    },
)
async def import_conversations(request: Request, caller: Caller) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/zip"):  # a page elsewhere can't send these unasked
        raise invalid(
            f"Send the file with 'Content-Type: application/json' or 'application/zip', not '{kind[:100] or 'none'}'",
            code="unsupported_media_type",
        )
    state = services(request)
    async with state.imports.place(caller):
        data = await read_bytes(request, most=MOST_BYTES, seconds=_UPLOAD_SECONDS)
        report = await state.imports.run(caller, data, state.large_bodies)
    return json_answer(
        ImportBody(
            imported=[_imported(one) for one in report.imported], skipped=[_skipped(one) for one in report.skipped]
        )
    )


@routes.get(
    "/{conversation_id}/export",
    "Export a conversation",
    answer=ExportDocument,
    says="As JSON, all branches, with models and times. With `format=markdown`, the path to `leaf` or to the latest "
    "item, without thoughts, as text.",
    other="text/markdown",
)
async def export_conversation(
    request: Request,
    caller: Caller,
    conversation_id: str,
    format: Literal["markdown", "json"] = "json",
    leaf: str | None = None,
    language: Language = "en",
) -> Response:
    """The headings of Markdown are in ``language``."""
    state = services(request)
    title = (await state.conversations.get(caller, conversation_id)).title
    if format == "json":
        pieces = await exports.as_json(state.database, state.conversations, caller, conversation_id)
        media_type, suffix = "application/json", "json"
    else:
        pieces = await exports.as_markdown(state.conversations, caller, conversation_id, leaf=leaf, language=language)
        media_type, suffix = "text/markdown; charset=utf-8", "md"
    headers = {"content-disposition": attachment(exports.file_name(title, suffix)), "cache-control": "no-store"}
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


def attachment(name: str) -> str:
    """``Content-Disposition`` (RFC 6266): the name in ASCII for old clients, and exactly, encoded as RFC 8187 says."""
    plain = "".join(sign if sign.isascii() and sign not in '"\\%' else "_" for sign in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _imported(one: ImportedConversation) -> ImportedBody:
    return ImportedBody(id=one.id, position=one.position, title=one.title, messages=one.messages, detached=one.detached)


def _skipped(one: SkippedConversation) -> SkippedBody:
    return SkippedBody(position=one.position, title=one.title, code=one.code, reason=one.reason)
