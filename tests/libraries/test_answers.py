"""An answer from documents: its search, its footnotes, and whether they support it, with OpenAI's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mistralai.client import Mistral
from openai import AsyncOpenAI
from openai.types.responses import ResponseFileSearchToolCall, ResponseOutputMessage
from tests.support.homes import place_database
from tests.support.upstream_server import Line, upstream_server

from aquilon.people import first_run
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams import administration
from aquilon.upstreams.upstream import ProvidedModel, Upstream
from aquilon.web.app import create_app
from aquilon.web.build import build_services

RIVERS = (
    "# Rivers\n\nThe Loire is the longest river of France. It is 1,006 kilometres long.\n\n"
    "# Mountains\n\nMont Blanc is 4,806 metres high."
)
ANSWER = "The Loire is the longest river of France [1]. It freezes in August, as the mayor told us.[1] See [7]."


class House:
    """A gateway in this process, and clients of its application. Its upstream says what ``answer`` is."""

    def __init__(self, app: Any, key: str) -> None:
        transport = httpx.ASGITransport(app)
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers={"authorization": f"Bearer {key}"}, timeout=60
        )
        self.openai = AsyncOpenAI(
            base_url="http://localhost/v1", api_key=key, http_client=httpx.AsyncClient(transport=transport)
        )
        self.mistral = Mistral(
            server_url="http://localhost", api_key=key, async_client=httpx.AsyncClient(transport=transport)
        )
        self.answer = ANSWER
        self.prompts: list[list[dict[str, Any]]] = []

    async def say(self, line: Line) -> None:
        self.prompts.append(line.asked.json["messages"])
        await line.begin()
        for at in range(0, len(self.answer), 3):  # marks come in pieces
            await line.say(self.answer[at : at + 3])
        await line.finish(usage={"prompt_tokens": 5, "completion_tokens": 9})
        await line.end()


@asynccontextmanager
async def house_in(settings: Settings) -> AsyncIterator[House]:
    place_database(settings.home)
    database = await Database.open(settings)
    first = await first_run.prepare_first_run(database)
    assert first is not None
    house: list[House] = []

    async def say(line: Line) -> None:
        await house[0].say(line)

    async with upstream_server(say) as upstream:
        there = Upstream(
            id="",
            name="elsewhere",
            kind="openai",
            base_url=f"{upstream.url}/v1",
            models=(ProvidedModel("talker", "talker", max_context=4096, capabilities=frozenset({"chat"})),),
        )
        operator = await first_run.operator(database)
        await administration.add(database, Sealer.of(settings), operator, upstream=there)
        services, stop = build_services(settings, database), asyncio.Event()
        await services.upstreams.refresh()
        await services.admission.start()
        reading = asyncio.create_task(services.library_runner.run(stop))
        house.append(House(create_app(services), first.api_key))
        yield house[0]
        stop.set()
        await reading
        await services.runs.close(5)
        await asyncio.gather(services.local_embeddings.close(), services.upstreams.close())
        await services.usage_writer.close()
        await services.admission.close()
    await database.close()


@pytest.fixture
async def house(tmp_path: Any) -> AsyncIterator[House]:
    async with house_in(Settings(home=tmp_path, models=["none"])) as house:
        yield house


async def test_footnotes_open_the_passages_that_they_name(house: House) -> None:
    client = house.openai
    file = await client.files.create(file=("rivers.md", RIVERS.encode()), purpose="assistants")
    store = await client.vector_stores.create(name="geography")
    added = await client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, poll_interval_ms=20)
    assert (added.status, added.last_error) == ("completed", None)
    tool: Any = {"type": "file_search", "vector_store_ids": [store.id], "max_num_results": 2}
    question = "Which river is the longest in France?"

    stream = await client.responses.create(
        model="talker", input=question, tools=[tool], include=["file_search_call.results"], stream=True
    )
    events = [event async for event in stream]
    answer = events[-1].response  # type: ignore[union-attr]
    search, message = answer.output
    assert isinstance(search, ResponseFileSearchToolCall)
    assert isinstance(message, ResponseOutputMessage)
    assert search.queries == [question]
    assert search.results is not None
    assert [result.filename for result in search.results] == ["rivers.md", "rivers.md"]
    first = search.results[0]
    assert first.text is not None
    assert "The Loire is the longest river" in first.text
    assert "[1] rivers.md" in house.prompts[-1][0]["content"]
    types = [event.type for event in events]
    steps = [f"response.file_search_call.{step}" for step in ("in_progress", "searching", "completed")]
    assert [type_ for type_ in types if "file_search_call" in type_] == steps
    assert types.count("response.output_text.annotation.added") == 2  # there is no seventh source

    text: Any = message.content[0]
    assert text.text == ANSWER
    notes = [note.model_dump() for note in text.annotations]
    assert [note["support"] for note in notes] == ["supported", "unsupported"]
    for note in notes:
        assert (note["type"], note["file_id"], note["filename"]) == ("file_citation", file.id, "rivers.md")
        assert ANSWER[note["index"] : note["end_index"]] == "[1]"
        path = f"/v1/vector_stores/{store.id}/files/{file.id}/passages/{note['passage_id']}"
        passage = (await house.http.get(path)).raise_for_status().json()
        begin, end = passage["mark"]
        assert passage["text"][begin:end] == note["quote"] == first.text
        assert (passage["start_index"], passage["end_index"]) == (note["passage_start"], note["passage_end"])

    again = await client.responses.retrieve(answer.id, include=["file_search_call.results"])
    assert again.output == answer.output
    kept = await client.responses.retrieve(answer.id)
    assert kept.output[0].results is None  # type: ignore[union-attr]
    follow = await client.responses.retrieve(answer.id, stream=True, include=["file_search_call.results"])
    assert [event.type async for event in follow] == types


async def test_an_answer_that_cites_nothing_has_no_footnote(house: House) -> None:
    client = house.openai
    store = await client.vector_stores.create(name="empty")
    house.answer = "I don't know."
    tool: Any = {"type": "file_search", "vector_store_ids": [store.id]}
    answer = await client.responses.create(
        model="talker", input="Who?", tools=[tool], store=False, tool_choice={"type": "file_search"}
    )
    search, message = answer.output
    assert isinstance(search, ResponseFileSearchToolCall)
    assert isinstance(message, ResponseOutputMessage)
    assert (search.status, search.results) == ("completed", None)
    assert message.content[0].annotations == []  # type: ignore[union-attr]
    assert "nothing was found" in house.prompts[-1][0]["content"]
