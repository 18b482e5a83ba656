"""A gateway's services in the tests' process, whose upstream says as many words as it is asked for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.upstream_server import Connection, upstream_server

from aquilon.api.services import Services
from aquilon.conversations.contexts import Context
from aquilon.conversations.items import Item, MessageItem, Text
from aquilon.conversations.live_run import LiveRun, RunRequest
from aquilon.conversations.messages import messages_of
from aquilon.conversations.new_items import new_items
from aquilon.conversations.tables import StoredRun
from aquilon.engine.protocol import SamplingParameters
from aquilon.people import first_run
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.people.store import api_keys
from aquilon.request import ChatPrompt, GenerationRequest
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams import administration
from aquilon.upstreams.upstream import ProvidedModel, Timeouts, Upstream
from aquilon.web.build import build_services

MODEL = "stand-in"
_PATIENT = Timeouts(connect=5, first_token=60, between=60, total=120)


@dataclass
class Speaker:
    """``7 words`` is answered with seven; ``7 words, wait after 3`` and ``7 words, then break off`` do as they say."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    sent: dict[str, int] = field(default_factory=dict)
    """How many words were sent, by the text that asked for them."""

    async def answer(self, connection: Connection) -> None:
        asked = connection.request.json["messages"][-1]["content"]
        number = re.match(r"(\d+) words", asked)
        waits = re.search(r"wait after (\d+)", asked)
        words, choices = int(number[1]) if number else 1, connection.request.json.get("n") or 1
        await connection.begin()
        for position in range(words):
            if waits and position == int(waits[1]):
                await self.go_on.wait()
            for index in range(choices):
                await connection.say(f"w{position} ", index=index)
                self.sent[asked] = self.sent.get(asked, 0) + 1
        if "break off" in asked:
            connection.cut()
            return
        for index in range(choices):
            await connection.finish(index=index)
        await connection.chunk({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": words * choices}})
        await connection.end()


@dataclass(kw_only=True)
class Process:
    """An API process without its web server."""

    services: Services
    key: Principal
    """The first key's holder."""

    async def start(self, text: str, context: Context | None = None, *, n: int = 1, **more: Any) -> LiveRun:
        """A run that answers ``text``, in a new conversation unless ``context`` says where."""
        services = self.services
        if context is None:
            context = await services.conversations.contexts.fresh(self.key)
        items: list[Item] = [message(text)]
        prompt = ChatPrompt(tuple(messages_of([*context.history.items, *items])))
        generation = GenerationRequest(
            model=MODEL, prompt=prompt, sampling=SamplingParameters(max_tokens=1000), n=n, **more
        )
        prepared = await services.pipeline.prepare(generation, self.key)
        request = RunRequest(
            id=new_id("resp"),
            dialect="responses",
            prepared=prepared,
            body="{}",
            place=context.place,
            new_conversation=context.new_conversation(self.key),
            names_conversation=context.untitled,
            input=new_items(items),
            background=True,
        )
        return await services.runs.start(request, self.key)

    async def run(self, text: str, context: Context | None = None, **more: Any) -> LiveRun:
        """The same; returns when it has ended."""
        run = await self.start(text, context, **more)
        await ended(run)
        return run

    async def after(self, run: LiveRun) -> Context:
        return await self.services.conversations.contexts.after_run(self.key, run.id)

    async def stored(self, run: LiveRun) -> StoredRun:
        row = await self.services.runs.stored(self.key, run.id)
        assert row is not None
        return row

    async def texts(self, conversation_id: str, leaf: str | None = None) -> list[str]:
        """The words of the items on the path to the head, or to ``leaf``."""
        rows, _ = await self.services.conversations.page(
            self.key, conversation_id, leaf=leaf, order="asc", limit=10_000
        )
        return [text_of(row.content) for row in rows]


def message(text: str, role: Any = "user") -> MessageItem:
    return MessageItem(role, (Text(text),))


def text_of(content: str) -> str:
    from aquilon.conversations.items import decoded

    item = decoded(content)
    assert isinstance(item, MessageItem)
    return item.text


async def ended(run: LiveRun) -> None:
    async for _ in run.log.read():
        pass
    if run.computing is not None:
        await asyncio.wait({run.computing})


@asynccontextmanager
async def process_on(settings: Settings, database: Database) -> AsyncIterator[Process]:
    """A process over a database that has an organization and its upstream already."""
    services = build_services(settings.model_copy(update={"models": ["none"]}), database)
    await services.upstreams.refresh()
    await services.admission.start()
    operator = await first_run.operator(database)
    secret = await first_run.create_api_key(database, new_id("key"))
    async with database.writing() as session:
        holder = await api_keys.holder_of(session, secret)
    assert holder is not None
    try:
        yield Process(services=services, key=replace(holder.principal, organization_name=operator.organization_name))
    finally:
        await services.upstreams.close()
        await services.runs.close(5)
        await services.usage_writer.close()
        await services.admission.close()
        await services.moderation.close()


@asynccontextmanager
async def first_process(settings: Settings, database: Database) -> AsyncIterator[tuple[Process, Speaker]]:
    """The first process on an empty database, and its upstream."""
    speaker = Speaker()
    await first_run.prepare_first_run(database, "House")
    async with upstream_server(speaker.answer) as upstream:
        operator, sealer = await first_run.operator(database), Sealer.of(settings)
        there = Upstream(
            id="",
            name="elsewhere",
            kind="openai",
            base_url=f"{upstream.url}/v1",
            timeouts=_PATIENT,
            models=(ProvidedModel(MODEL, MODEL, max_context=100_000, capabilities=frozenset({"chat"})),),
        )
        await administration.add(database, sealer, operator, upstream=there)
        async with process_on(settings, database) as process:
            yield process, speaker
        speaker.go_on.set()
