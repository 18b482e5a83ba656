"""Stand-ins for the vLLM server and the Azure OpenAI that guides name. Both answer correctly."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.upstream_server import Connection, Script, upstream_server


@contextmanager
def stand_in(script: Script) -> Iterator[str]:
    """An `upstream_server` in a separate thread; yields its address."""
    loop = asyncio.new_event_loop()
    started: list[str] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with upstream_server(script) as running:
            started.append(running.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


async def _say(connection: Connection, *words: str) -> None:
    await connection.begin()
    await connection.say(*words)
    await connection.finish(usage={"prompt_tokens": 9, "completion_tokens": len(words)})
    await connection.end()


async def vllm(connection: Connection) -> None:
    """One model, with its context in the list of models, as vLLM has it."""
    if connection.request.path == "/v1/models":
        model = {"id": "mistralai/Ministral-8B-Instruct-2410", "object": "model", "max_model_len": 32768}
        await connection.answer(200, {"object": "list", "data": [model]})
    elif connection.request.path == "/v1/chat/completions" and connection.request.json["model"].startswith(
        "mistralai/"
    ):
        await _say(connection, "Hello ", "from ", "vLLM")
    else:
        await connection.answer(404, {"error": {"message": "not found"}})


async def azure(connection: Connection) -> None:
    """A deployment called ``chat-eu``, which needs the key, and the version in the query."""
    if connection.request.headers.get("api-key") != "azure-secret":
        await connection.answer(
            401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}
        )
    elif connection.request.path == "/openai/models?api-version=2024-10-21":
        await connection.answer(200, {"data": [{"id": "gpt-4o-mini"}]})
    elif connection.request.path == "/openai/deployments/chat-eu/chat/completions?api-version=2024-10-21":
        await _say(connection, "Hello ", "from ", "Azure")
    else:
        await connection.answer(404, {"error": {"code": "DeploymentNotFound", "message": "no such deployment"}})
