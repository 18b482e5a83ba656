"""Files in answers: one object that both kinds of client read."""

from __future__ import annotations

import msgspec

from aquilon.api.listing import PageOf
from aquilon.jobs.tables import StoredFile

RESULT_PURPOSE = "batch_output"


class FileBody(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is for OpenAI's clients, ``sample_type`` to ``visibility`` for Mistral's."""

    id: str
    object: str = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: str = "processed"
    status_details: str | None = None
    sample_type: str
    source: str
    num_lines: int | None
    mimetype: str
    signature: str
    visibility: str
    deleted: bool = False


class FileList(PageOf[FileBody], frozen=True, kw_only=True):
    total: int | None


class DeletedFile(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "file"
    deleted: bool = True


class FileUrl(msgspec.Struct, frozen=True):
    url: str


def file_body(file: StoredFile) -> FileBody:
    sample = "batch_request" if file.purpose == "batch" else "instruct"
    if file.source == "result":
        sample = "batch_error" if file.name.endswith("_error.jsonl") else "batch_result"
    return FileBody(
        id=file.id,
        bytes=file.bytes,
        created_at=file.created_at,
        expires_at=file.expires_at,
        filename=file.name,
        purpose=file.purpose,
        sample_type=sample,
        source="upload" if file.source == "upload" else "mistral",  # their word for what the platform wrote
        num_lines=file.lines,
        mimetype=file.mimetype,
        signature=file.sha256,
        visibility=file.visibility,
    )
