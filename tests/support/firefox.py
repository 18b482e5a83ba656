"""Debian's Firefox, driven by WebDriver BiDi: https://www.w3.org/TR/webdriver-bidi/."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
ENTER, ESCAPE, UP = "\ue007", "\ue00c", "\ue013"
"""Keys that write nothing, as WebDriver names them."""


class Firefox:
    """One tab. ``complaints`` are the console's errors and warnings, those of the content security policy too."""

    def __init__(self, connection: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._connection = connection
        self._commands = 0
        self._tab = ""

    async def begin(self) -> None:
        await self._command("session.new", capabilities={})
        await self._command("session.subscribe", events=["log.entryAdded"])
        self._tab = (await self._command("browsingContext.getTree"))["contexts"][0]["context"]

    async def open(self, address: str) -> None:
        await self._command("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, or of its promise, which must be JSON."""
        target = {"context": self._tab}
        script = f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))"
        answer = await self._command("script.evaluate", expression=script, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    async def until(self, condition: str, *, seconds: float = 20) -> None:
        """Until a JavaScript expression is true."""
        look = f"new Promise((seen) => (function look() {{ ({condition}) ? seen() : setTimeout(look, 20); }})())"
        await asyncio.wait_for(self.evaluate(look), seconds)

    async def type(self, text: str) -> None:
        """Press the keys of a text, one after the other."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": keys}
        await self._command("input.performActions", context=self._tab, actions=[source])

    async def _command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._commands += 1
        await self._connection.send(json.dumps({"id": self._commands, "method": method, "params": parameters}))
        async for message in self._connection:
            answer = json.loads(message)
            if answer.get("method") == "log.entryAdded" and answer["params"]["level"] in ("error", "warn"):
                self.complaints.append(answer["params"]["text"])
            if answer.get("id") == self._commands:
                assert answer["type"] == "success", answer
                return dict(answer["result"])
        raise AssertionError("Firefox ended")


@asynccontextmanager
async def running_firefox() -> AsyncIterator[Firefox]:
    """A Firefox with an empty profile."""
    assert FIREFOX is not None
    with tempfile.TemporaryDirectory(prefix="aquilon-firefox-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(FIREFOX, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            async for line in process.stderr:
                if listening := re.search(rb"BiDi listening on (ws://\S+)", line):
                    break
            else:
                raise AssertionError("Firefox did not start")
            async with connect(f"{listening[1].decode()}/session", max_size=None) as connection:
                firefox = Firefox(connection)
                await firefox.begin()
                yield firefox
        finally:
            process.terminate()
            await process.wait()
