"""Server-sent events at the ASGI border: what is sent, when, and when the work for them ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from aquilon.api.event_stream import EventStream, unless_gone
from aquilon.conversations.dialects.frames import DONE, frame
from aquilon.errors import ApiError, overloaded, server_error

Message = MutableMapping[str, Any]


class Client:
    """A client at the ASGI border: collects the messages sent to it and leaves when ``left`` is set."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.left = asyncio.Event()
        self.arrived = asyncio.Condition()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        async with self.arrived:
            self.messages.append(message)
            self.arrived.notify_all()

    async def has(self, data: bytes) -> None:
        async with self.arrived, asyncio.timeout(5):
            await self.arrived.wait_for(lambda: data in self.body)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    async def ask(self, frames: AsyncGenerator[bytes], heartbeat_seconds: float = 60) -> None:
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
        await EventStream(frames, None, heartbeat_seconds=heartbeat_seconds)(scope, self.receive, self.send)


async def test_frames_are_sent_in_order_and_the_end_is_marked() -> None:
    async def frames() -> AsyncGenerator[bytes]:
        for number in range(3):
            yield frame(str(number).encode())

    client = Client()
    await client.ask(frames())
    assert client.status == 200
    assert client.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert client.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    headers = dict(client.messages[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in headers


async def test_a_failure_before_the_first_frame_is_answered_with_its_status() -> None:
    async def frames() -> AsyncGenerator[bytes]:
        raise overloaded("busy", retry_after=7)
        yield b""

    client = Client()
    await client.ask(frames())
    assert client.status == 503
    assert dict(client.messages[0]["headers"])[b"retry-after"] == b"7"
    assert json.loads(client.body)["error"]["message"] == "busy"


@pytest.mark.parametrize("error", [server_error("the engine is gone"), ZeroDivisionError("secret")])
async def test_a_failure_in_mid_stream_sends_an_error_event_and_ends_the_stream(error: Exception) -> None:
    async def frames() -> AsyncGenerator[bytes]:
        yield frame(b"0")
        raise error

    client = Client()
    await client.ask(frames())
    first, last = client.body.split(b"\n\n")[:2]
    assert first == b"data: 0"
    assert last.startswith(b"event: error\ndata: ")
    body = json.loads(last.partition(b"data: ")[2])
    assert body["error"]["type"] == "server_error"
    assert (body["message"] == "the engine is gone") == isinstance(error, ApiError)
    assert "secret" not in body["message"]
    assert b"[DONE]" not in client.body


async def test_comments_are_sent_while_no_frames_come() -> None:
    go_on = asyncio.Event()

    async def frames() -> AsyncGenerator[bytes]:
        await go_on.wait()
        yield frame(b"0")

    client = Client()
    asking = asyncio.create_task(client.ask(frames(), heartbeat_seconds=0.01))
    await client.has(b": waiting\n\n: waiting\n\n")
    go_on.set()
    await asking
    assert client.status == 200
    assert client.body.replace(b": waiting\n\n", b"") == b"data: 0\n\n"


@pytest.mark.parametrize("started", [False, True])
async def test_a_client_that_leaves_ends_the_work_at_once(started: bool) -> None:
    working, ended = asyncio.Event(), asyncio.Event()

    async def frames() -> AsyncGenerator[bytes]:
        try:
            if started:
                yield frame(b"0")
            working.set()
            await asyncio.Event().wait()
            yield b""
        finally:
            ended.set()

    client = Client()
    asking = asyncio.create_task(client.ask(frames()))
    await working.wait()
    client.left.set()
    async with asyncio.timeout(5):
        await asking
    assert ended.is_set()


async def test_the_done_frame_ends_the_answer() -> None:
    async def frames() -> AsyncGenerator[bytes]:
        yield frame(b"0")
        yield DONE

    client = Client()
    await client.ask(frames())
    assert client.messages[-1] == {"type": "http.response.body", "body": DONE, "more_body": False}
    assert client.body == b"data: 0\n\n" + DONE


class TestWorkUnlessTheClientIsGone:
    async def test_the_result_is_returned_and_a_later_disconnect_cancels_nothing(self) -> None:
        client = Client()

        async def work() -> int:
            await asyncio.sleep(0)
            return 7

        assert await unless_gone(client.receive, work()) == 7
        client.left.set()
        for _ in range(5):
            await asyncio.sleep(0)

    async def test_a_client_that_leaves_cancels_the_work_but_not_its_caller(self) -> None:
        client, cleaned = Client(), asyncio.Event()

        async def work() -> None:
            client.left.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.set()

        with pytest.raises(ClientDisconnect):
            await unless_gone(client.receive, work())
        assert cleaned.is_set()
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        await asyncio.sleep(0)

    async def test_a_cancellation_from_outside_is_raised(self) -> None:
        client, working = Client(), asyncio.Event()

        async def work() -> None:
            working.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(unless_gone(client.receive, work()))
        await working.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_a_failure_of_the_work_is_raised(self) -> None:
        async def work() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await unless_gone(Client().receive, work())

    async def test_a_time_out_in_the_work_is_raised_as_a_time_out(self) -> None:
        async def work() -> None:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            await unless_gone(Client().receive, work())
