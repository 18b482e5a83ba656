"""A gateway whose one model says what a test wants, word by word, and a person's browser at it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, expect
from tests.support.browser import Visitor, visitor
from tests.support.people import cookie_header, signed_in_owner
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection
from tests.support.upstream_stand_ins import stand_in

MODEL = "talker"


@dataclass(frozen=True)
class Talker:
    server: RunningServer
    owner: httpx.Client
    answers: dict[str, str]
    """What it says to a question; to others, that it has nothing to say."""
    pause: dict[str, float]
    """Seconds between the pieces of an answer, by question."""

    def says(self, answers: Mapping[str, str], *, pause: float = 0.0) -> None:
        self.answers.update(answers)
        self.pause.update(dict.fromkeys(answers, pause))


@contextmanager
def talking_server(home: Path) -> Iterator[Talker]:
    answers: dict[str, str] = {}
    pause: dict[str, float] = {}

    async def answer(connection: Connection) -> None:
        if connection.request.method != "POST":
            await connection.answer(404, {})
            return
        question = str(connection.request.json["messages"][-1]["content"])
        await connection.begin()
        for piece in re.findall(r"\s*\S{1,6}|\s+$", answers.get(question, "Nothing to say.")):
            await connection.say(piece)
            await asyncio.sleep(pause.get(question, 0.0))
        await connection.finish(usage={"prompt_tokens": 9, "completion_tokens": 9})
        await connection.end()

    with stand_in(answer) as url:
        running = start_server(home, environment={"AQUILON_MODELS": "none"})
        try:
            with closing(signed_in_owner(running)) as owner:
                body = {"name": "there", "base_url": url, "models": [{"name": MODEL}]}
                owner.post("/v1/server/upstreams", json=body).raise_for_status()
                yield Talker(server=running, owner=owner, answers=answers, pause=pause)
        finally:
            running.stop()


@asynccontextmanager
async def at_the_page(browser: Browser, talker: Talker, **options: Any) -> AsyncIterator[Visitor]:
    """The owner's browser, at a new conversation."""
    name, _, value = cookie_header(talker.owner)["cookie"].partition("=")
    async with visitor(browser, talker.server, **options) as someone:
        await someone.page.context.add_cookies([{"name": name, "value": value, "url": talker.server.url}])
        someone.page.set_default_timeout(10_000)
        await someone.page.goto(talker.server.url)
        await expect(someone.field).to_be_focused()
        yield someone
