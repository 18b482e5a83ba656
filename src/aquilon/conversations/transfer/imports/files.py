"""A file of conversations, read one conversation at a time: only one of them is ever taken apart in memory."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from aquilon.conversations.transfer.document import FORMAT, VERSION, Document
from aquilon.conversations.transfer.imports.chatgpt import tree_of_chatgpt
from aquilon.conversations.transfer.imports.open_webui import tree_of_open_webui
from aquilon.conversations.transfer.imports.own_format import tree_of_export
from aquilon.conversations.transfer.imports.tree import ImportRefused, Tree, cleaned_title
from aquilon.errors import ApiError, invalid

MOST_BYTES = 100 * 2**20
MOST_CONVERSATIONS = 10_000
_IN_ARCHIVE = re.compile(r"(?:[^/]+/)?conversations(?:-\d{1,4})?\.json")
_MOST_OBJECTS = 500_000
"""Of one conversation: braces in its JSON."""


@dataclass(frozen=True, kw_only=True)
class ReadConversation:
    """A conversation of a file, or why it can't be read."""

    position: int
    title: str | None
    tree: Tree | None = None
    refused: ImportRefused | None = None


class _Shape(msgspec.Struct):
    """What tells the formats apart."""

    title: str | None = None
    mapping: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    chat: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    items: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_documents = msgspec.json.Decoder(Document)
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_shapes = msgspec.json.Decoder(_Shape)


def unpacked(data: bytes) -> list[bytes]:
    """The JSON files in ChatGPT's archive, or the file itself. Raises ApiError: 400, or 413 for an archive that unpacks
    to more than `MOST_BYTES`."""
    if data[:4] != b"PK\x03\x04":
        return [data]
    files, left = [], MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if _IN_ARCHIVE.fullmatch(member.filename) is None:
                    continue
                with archive.open(member) as file:
                    content = file.read(left + 1)  # never more, whatever the archive says of its size
                left -= len(content)
                if left < 0:
                    raise ApiError(
                        413,
                        "invalid_request_error",
                        f"The archive's conversations have more than {MOST_BYTES // 2**20} MB: import them in parts",
                        code="too_large",
                        values={"most": MOST_BYTES // 2**20},
                    )
                files.append(content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OSError, ValueError) as error:
        raise _unknown_file(f"the archive can't be unpacked: {error}") from error
    if not files:
        raise _unknown_file("the archive has no conversations.json")
    return files


def conversations_of(data: bytes) -> list[msgspec.Raw]:
    """The conversations of a file, each still as JSON. Raises ApiError 400."""
    try:
        if data.lstrip()[:1] == b"[":
            conversations = _lists.decode(data)
        else:
            document = _documents.decode(data)
            if document.format != FORMAT:
                raise _unknown_file(f"its 'format' is '{document.format[:100]}'")
            if document.version != VERSION:
                raise invalid(
                    f"The file has version {document.version} of the format {FORMAT}; this server reads {VERSION}",
                    code="unknown_version",
                )
            conversations = document.conversations
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _unknown_file(str(error)) from error
    if len(conversations) > MOST_CONVERSATIONS:
        raise invalid(
            f"The file has {len(conversations):,} conversations, more than {MOST_CONVERSATIONS:,}: import it in parts",
            code="too_many_conversations",
            values={"most": MOST_CONVERSATIONS},
        )
    return conversations


def read(data: msgspec.Raw, position: int) -> ReadConversation:
    title = None
    try:
        if memoryview(data).tobytes().count(b"{") > _MOST_OBJECTS:
            raise ImportRefused("It has too many messages", code="too_many_messages")
        shape = _shapes.decode(data)
        title = cleaned_title(shape.title)
        tree = _reader(shape)(data)
    except ImportRefused as error:
        return ReadConversation(position=position, title=title, refused=error)
    except RecursionError:
        refused = ImportRefused("It is nested too deep to be read", code="too_deep")
        return ReadConversation(position=position, title=title, refused=refused)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        refused = ImportRefused(f"It isn't what its format has: {str(error)[:300]}", code="wrong_shape")
        return ReadConversation(position=position, title=title, refused=refused)
    return ReadConversation(position=position, title=tree.name, tree=tree)


def _reader(shape: _Shape) -> Callable[[msgspec.Raw], Tree]:
    if shape.mapping is not msgspec.UNSET:
        return tree_of_chatgpt
    if shape.chat is not msgspec.UNSET:
        return tree_of_open_webui
    if shape.items is not msgspec.UNSET:
        return tree_of_export
    raise ImportRefused(
        "It is of no known format: it has neither 'mapping' (ChatGPT), nor 'chat' (Open WebUI), nor 'items'",
        code="unknown_format",
    )


def _unknown_file(why: str) -> ApiError:
    return invalid(
        "The file is no export of conversations that can be read here. Send our own JSON, ChatGPT's conversations.json "
        f"or Open WebUI's export of chats. What is wrong: {why[:300]}",
        code="unknown_format",
    )
