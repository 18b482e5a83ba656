"""``/v1/responses`` over a WebSocket (Open Responses 2026-04-24): one response after another on one connection.

A client sends ``response.create`` messages; each is answered by the events that a stream has, one to a message, or by
one ``error``. Responses that aren't stored can be continued on their own connection.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal

import msgspec
from pydantic import Field
from starlette.requests import ClientDisconnect

from aquilon.api.body import validated_body
from aquilon.api.errors import api_error
from aquilon.api.event_stream import unless
from aquilon.api.generation.response_runs import begin_response, prepare_response
from aquilon.api.reader import Reader, may_ask_models
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.api.websocket import CloseCode, WebSocketConnection
from aquilon.conversations.dialects.error_bodies import ErrorFields, status_for
from aquilon.conversations.dialects.responses_events import StreamEvent, Writing, stream_events
from aquilon.conversations.dialects.responses_fields import ResponsesRequest
from aquilon.conversations.histories import History
from aquilon.conversations.items import Item, MessageItem, Text, encoded
from aquilon.errors import ApiError, invalid
from aquilon.text.messages import Message

routes = Routes(tag="responses")

CONNECTION_SECONDS = 3600.0
"""After this time a connection takes no further message."""
MOST_KEPT = 16
"""Responses that a connection remembers. Their items together have the limit of one message."""


class ResponseCreate(ResponsesRequest):
    """A client's message. ``stream``, ``stream_options`` and ``background`` have no effect on this transport."""

    type: Literal["response.create"]
    generate: bool | None = Field(
        None, description="With `false`, the request is checked and can be continued, but nothing is generated."
    )

    @property
    def prepares(self) -> bool:
        return self.generate is False

    def new_items(self, known: Mapping[str, Item] | None = None) -> list[Item]:
        return [] if self.prepares and self.input is None else super().new_items(known)

    def messages(
        self,
        history: Sequence[Item],
        new: Sequence[Item],
        *,
        memories: str | None = None,
        project_instructions: str | None = None,
        sources: str | None = None,
    ) -> list[Message]:
        """Of a request without input yet, as for an empty message."""
        nothing = self.prepares and not history and not new
        new = [MessageItem("user", (Text(""),))] if nothing else new
        return super().messages(
            history, new, memories=memories, project_instructions=project_instructions, sources=sources
        )


class SocketError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """In place of an answer."""

    status: int
    """As the answer over HTTP would have."""
    error: ErrorFields
    headers: Mapping[str, str] = {}
    type: str = msgspec.field(default_factory=lambda: "error")


class _Reference(msgspec.Struct):
    previous_response_id: Any = None


class Unstored:
    """The latest responses of a connection that aren't stored: by id, what a model reads after each."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.histories: OrderedDict[str, History] = OrderedDict()

    def add(self, response_id: str, history: History, more: Sequence[Item]) -> None:
        size = history.bytes + sum(len(encoded(item)) for item in more)
        self.histories[response_id] = History((*history.items, *more), size)
        while len(self.histories) > MOST_KEPT or sum(one.bytes for one in self.histories.values()) > self._most_bytes:
            self.histories.popitem(last=False)

    def forget(self, message: str) -> None:
        """Forget the response that a message continues, if it names one."""
        try:
            named = msgspec.json.decode(message, type=_Reference).previous_response_id
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        if isinstance(named, str):
            self.histories.pop(named, None)


@routes.websocket("/v1/responses")
async def answer_messages(connection: WebSocketConnection) -> None:
    await converse(connection, seconds=CONNECTION_SECONDS)


async def converse(connection: WebSocketConnection, *, seconds: float) -> None:
    """Answer messages one after another until the client leaves, for at most ``seconds``.

    Raises ApiError 401 once the client's key or session isn't valid any more.
    """
    unstored = Unstored(services(connection.request).settings.max_body_bytes)
    reader = Reader(connection.request, may_ask_models)
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            message = await _next_message(connection, end)
        except TimeoutError:
            late = invalid(
                f"A connection ends after {seconds / 60:g} minutes: open a new one to go on",
                code="websocket_connection_limit_reached",
            )
            await connection.send(msgspec.json.encode(_socket_error(late, connection)))
            await connection.close(CloseCode.NORMAL, late.message)
            return
        if message is None:
            return
        try:
            await unless(reader.refusal(), _answer(connection, message, unstored))
        except ClientDisconnect:
            raise
        except Exception as error:
            unstored.forget(message)
            refusal = api_error(error)
            await connection.send(msgspec.json.encode(_socket_error(refusal, connection)))
            if refusal.status == 401:
                raise refusal from None


async def _next_message(connection: WebSocketConnection, end: float) -> str | None:
    """None when no further one will come. Raises TimeoutError at ``end``, also where messages wait already."""
    if asyncio.get_running_loop().time() >= end:
        raise TimeoutError
    async with asyncio.timeout_at(end):
        return await anext(connection, None)


async def _answer(connection: WebSocketConnection, message: str, unstored: Unstored) -> None:
    """Raises ApiError before the first event, and ClientDisconnect."""
    encode = msgspec.json.Encoder().encode
    async with aclosing(_turn(connection, message, unstored)) as events:
        async for event in events:
            await connection.send(encode(event))


async def _turn(connection: WebSocketConnection, message: str, unstored: Unstored) -> AsyncGenerator[StreamEvent]:
    """Answer one message. Raises ApiError before the first event."""
    request, caller = connection.request, await connection.caller()
    fields = await validated_body(request, message.encode(), ResponseCreate)
    fields = fields.model_copy(update={"stream": True, "stream_options": None, "background": None})
    ready = await prepare_response(request, caller, fields, unstored=unstored.histories)
    if fields.prepares:
        unstored.add(ready.response.id, ready.history, ready.items)
        writing = Writing(ready.response)
        for event in (*writing.begin(), *writing.end_empty()):
            yield event
        return
    answering = await begin_response(request, caller, fields, ready)
    writing = answering.writing
    async with aclosing(stream_events(answering.events, writing)) as events:
        async for event in events:
            if writing.response.status == "failed":
                unstored.forget(message)
            elif writing.response.status in ("completed", "incomplete") and answering.run is None:
                unstored.add(answering.response.id, ready.history, [*ready.items, *writing.items])
            yield event


def _socket_error(error: ApiError, connection: WebSocketConnection) -> SocketError:
    limit = msgspec.UNSET if error.limit is None else error.limit
    fields = ErrorFields(error.message, error.type, error.param, error.code or error.type, limit)
    headers = error.headers if error.retry_after is None else error.headers | {"retry-after": str(error.retry_after)}
    return SocketError(status=status_for(error, connection.request.scope), error=fields, headers=headers)
