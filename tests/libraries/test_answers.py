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
from tests.support.upstream_server import Connection, upstream_server

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

    def __init__(self, app: Any, key: str, login_token: str) -> None:
        self.login_token = login_token
        self.transport = transport = httpx.ASGITransport(app)
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

    async def say(self, connection: Connection) -> None:
        self.prompts.append(connection.request.json["messages"])
        await connection.begin()
        for at in range(0, len(self.answer), 3):  # marks come in pieces
            await connection.say(self.answer[at : at + 3])
        await connection.finish(usage={"prompt_tokens": 5, "completion_tokens": 9})
        await connection.end()


@asynccontextmanager
async def house_in(settings: Settings) -> AsyncIterator[House]:
    place_database(settings.home)
    database = await Database.open(settings)
    first = await first_run.prepare_first_run(database)
    assert first is not None
    house: list[House] = []

    async def say(connection: Connection) -> None:
        await house[0].say(connection)

    async with upstream_server(say) as upstream:
        there = Upstream(
            id="",
            name="elsewhere",
            kind="openai",
            base_url=f"{upstream.url}/v1",
            models=tuple(
                ProvidedModel(name, name, max_context=context, capabilities=frozenset({"chat"}))
                for name, context in (("talker", 8192), ("short", 1500))
            ),
        )
        operator = await first_run.operator(database)
        await administration.add(database, Sealer.of(settings), operator, upstream=there)
        services, stop = build_services(settings, database), asyncio.Event()
        await services.upstreams.refresh()
        await services.admission.start()
        reading = asyncio.create_task(services.library_runner.run(stop))
        house.append(House(create_app(services), first.api_key, first.login_token))
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


async def test_a_reader_of_a_share_sees_the_answer_and_nothing_of_its_documents(house: House) -> None:
    client = house.openai
    file = await client.files.create(file=("rivers.md", RIVERS.encode()), purpose="assistants")
    store = await client.vector_stores.create(name="geography")
    await client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, poll_interval_ms=20)
    conversation = await client.conversations.create()
    tool: Any = {"type": "file_search", "vector_store_ids": [store.id]}
    question = "Which river is the longest in France?"
    answer = await client.responses.create(model="talker", input=question, tools=[tool], conversation=conversation.id)
    message = answer.output[-1]
    assert isinstance(message, ResponseOutputMessage)
    [note, _] = message.content[0].annotations  # type: ignore[union-attr]

    browser = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    signed_in = httpx.AsyncClient(transport=house.transport, base_url="http://localhost", headers=browser)
    (await signed_in.post("/auth/login", json={"token": house.login_token})).raise_for_status()
    share = (await signed_in.post("/v1/shares", json={"conversation_id": conversation.id})).raise_for_status().json()

    stranger = httpx.AsyncClient(transport=house.transport, base_url="http://localhost")
    snapshot = (await stranger.post("/v1/shares/snapshot", json={"token": share["token"]})).raise_for_status()
    assert [message["text"] for message in snapshot.json()["messages"]] == [question, ANSWER]
    for hidden in (file.id, store.id, note.filename, note.passage_id, "1,006", "Mont Blanc", "annotations"):  # type: ignore[union-attr]
        assert hidden not in snapshot.text
    passage = f"/v1/vector_stores/{store.id}/files/{file.id}/passages/{note.passage_id}"  # type: ignore[union-attr]
    assert (await stranger.get(passage)).status_code == 401


async def test_a_project_s_documents_are_searched_in_its_conversations_and_deleted_with_it(house: House) -> None:
    http, question = house.http, "Which river is the longest in France?"
    file = await house.openai.files.create(file=("rivers.md", RIVERS.encode()), purpose="assistants")
    library = await house.openai.vector_stores.create(name="Geography")
    used = await house.openai.vector_stores.create(name="used here and elsewhere")
    adding = house.openai.vector_stores.files
    await adding.create_and_poll(file.id, vector_store_id=library.id, poll_interval_ms=20)
    body = {"name": "Geography", "vector_store_ids": [library.id, used.id, library.id]}
    project = (await http.post("/v1/projects", json=body)).raise_for_status().json()
    assert project["vector_store_ids"] == [library.id, used.id]
    await house.openai.vector_stores.update(library.id, metadata={"project_id": project["id"]})
    inside = {"project_id": project["id"]}
    conversation = (await http.post("/v1/conversations", json=inside)).raise_for_status().json()["id"]

    search, message = (
        await house.openai.responses.create(model="talker", input=question, conversation=conversation)
    ).output
    assert isinstance(search, ResponseFileSearchToolCall)
    assert isinstance(message, ResponseOutputMessage)
    assert [note.filename for note in message.content[0].annotations] == ["rivers.md", "rivers.md"]  # type: ignore[union-attr]
    path = f"/v1/conversations/{conversation}"
    entries = (await http.post(path, json={"inputs": question, "model": "talker"})).raise_for_status().json()["outputs"]
    assert "tool_reference" in str(entries)

    unknown = await http.post(f"/v1/projects/{project['id']}", json={"vector_store_ids": ["vs_unknown"]})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "library_not_found")
    (await http.delete(f"/v1/projects/{project['id']}")).raise_for_status()
    assert (await http.get(f"/v1/vector_stores/{library.id}")).status_code == 404
    assert (await http.get(f"/v1/vector_stores/{used.id}")).status_code == 200
    after = await house.openai.responses.create(model="talker", input=question, conversation=conversation)
    assert [item.type for item in after.output] == ["message"]


async def test_a_project_s_library_that_the_caller_can_t_see_is_left_out(house: House) -> None:
    browser = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    person = httpx.AsyncClient(transport=house.transport, base_url="http://localhost", headers=browser, timeout=60)
    (await person.post("/auth/login", json={"token": house.login_token})).raise_for_status()
    library = (await person.post("/v1/vector_stores", json={"name": "mine"})).raise_for_status().json()["id"]
    upload = await person.post(f"/v1/libraries/{library}/documents", files={"file": ("rivers.md", RIVERS.encode())})
    upload.raise_for_status()
    async with asyncio.timeout(60):
        while (await person.get(f"/v1/vector_stores/{library}")).json()["file_counts"]["completed"] == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    body = {"name": "Geography", "visibility": "workspace", "vector_store_ids": [library]}
    project = (await person.post("/v1/projects", json=body)).raise_for_status().json()["id"]
    conversation = (await house.http.post("/v1/conversations", json={"project_id": project})).json()["id"]
    asked = {"model": "talker", "input": "Which river is the longest?", "conversation": conversation}

    by_key = (await house.http.post("/v1/responses", json=asked)).raise_for_status().json()
    assert [item["type"] for item in by_key["output"]] == ["message"]
    in_person = (await person.post("/v1/responses", json=asked)).raise_for_status().json()
    assert [item["type"] for item in in_person["output"]] == ["file_search_call", "message"]


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
    back: Any = [*(item.model_dump() for item in answer.output), {"role": "user", "content": "And?"}]
    assert (await client.responses.create(model="talker", input=back)).output_text == "I don't know."
    house.prompts.pop()
    assert "nothing was found" in house.prompts[-1][0]["content"]


async def test_openai_s_client_keeps_vector_stores(house: House) -> None:
    stores = house.openai.vector_stores
    files = [
        await house.openai.files.create(file=(f"{name}.md", f"The {name} is a tree.".encode()), purpose="assistants")
        for name in ("oak", "beech", "birch")
    ]
    store = await stores.create(
        name="trees", file_ids=[files[0].id], metadata={"a": "b"}, expires_after={"anchor": "last_active_at", "days": 2}
    )
    assert (store.name, store.metadata, store.file_counts.total) == ("trees", {"a": "b"}, 1)
    assert store.expires_after is not None
    assert store.expires_at == store.last_active_at + 2 * 86_400  # type: ignore[operator]
    batch = await stores.file_batches.create_and_poll(
        store.id,
        files=[
            {"file_id": files[1].id, "attributes": {"leaves": "oval", "age": 3}},
            {"file_id": files[2].id, "attributes": {"leaves": "small", "age": 9}},
        ],
        poll_interval_ms=20,
    )
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)
    listed = [file.id async for file in stores.files.list(store.id, limit=1, order="asc")]
    assert sorted(listed) == sorted(file.id for file in files)
    of_batch = await stores.file_batches.list_files(batch.id, vector_store_id=store.id)
    assert {file.id for file in of_batch.data} == {files[1].id, files[2].id}
    found = await stores.search(
        store.id, query="Which tree?", filters={"type": "gt", "key": "age", "value": 5}, rewrite_query=True
    )
    [result] = found.data
    assert (result.file_id, result.filename, result.attributes) == (
        files[2].id,
        "birch.md",
        {"leaves": "small", "age": 9},
    )
    assert 0 < result.score <= 1
    assert "birch" in result.content[0].text
    changed = await stores.files.update(files[2].id, vector_store_id=store.id, attributes={"age": 1})
    assert changed.attributes == {"age": 1}
    assert (await stores.search(store.id, query="Which?", filters={"type": "gt", "key": "age", "value": 5})).data == []
    [content] = (await stores.files.content(files[0].id, vector_store_id=store.id)).data
    assert content.text == "The oak is a tree."
    static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}}
    again = await stores.files.create(store.id, file_id=files[0].id, chunking_strategy=static)
    assert again.model_dump(exclude_none=True)["chunking_strategy"] == static
    renamed = await stores.update(store.id, name="woods", expires_after=None)
    assert (renamed.name, renamed.expires_after, renamed.metadata) == ("woods", None, {"a": "b"})
    assert (await stores.files.delete(files[1].id, vector_store_id=store.id)).deleted
    assert (await house.openai.files.retrieve(files[1].id)).filename == "beech.md"
    assert [one.id async for one in stores.list()] == [store.id]
    assert (await stores.delete(store.id)).deleted
    assert (await stores.list()).data == []


async def test_mistral_s_client_keeps_libraries(house: House) -> None:
    libraries = house.mistral.beta.libraries
    library = await libraries.create_async(name="trees", description="of the park")
    assert (library.name, library.owner_type, library.nb_documents) == ("trees", "Workspace", 0)
    upload: Any = {"file_name": "oak.md", "content": b"The oak is a tree."}
    added = await libraries.documents.upload_async(library_id=library.id, file=upload)
    assert (added.name, added.extension, added.size, added.process_status) == ("oak.md", "md", 18, "in_progress")
    key = {"library_id": library.id, "document_id": added.id}
    async with asyncio.timeout(60):
        while (await libraries.documents.status_async(**key)).process_status == "in_progress":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await libraries.documents.status_async(**key)).process_status == "done"
    assert (await libraries.documents.text_content_async(**key)).text == "The oak is a tree."
    changed = await libraries.documents.update_async(**key, name="the oak", attributes={"leaves": "lobed"})
    assert (changed.name, changed.attributes) == ("the oak", {"leaves": "lobed"})
    listed = await libraries.documents.list_async(library_id=library.id, search="OAK")
    assert ([one.id for one in listed.data], listed.pagination.total_items) == ([added.id], 1)
    link = await libraries.documents.get_signed_url_async(**key)
    assert (await house.http.get(link, headers={"authorization": ""})).text == "The oak is a tree."
    await libraries.documents.reprocess_async(**key)
    again = await libraries.documents.get_async(**key)
    assert (again.name, again.attributes) == ("the oak", {"leaves": "lobed"})
    store = await house.openai.vector_stores.retrieve(library.id)  # one store stands behind both contracts
    assert (store.name, store.file_counts.total) == ("trees", 1)
    assert (await libraries.update_async(library_id=library.id, name="woods")).description == "of the park"
    assert [one.name for one in (await libraries.list_async(search="WOOD")).data] == ["woods"]
    [sharing] = (await libraries.accesses.list_async(library_id=library.id)).data
    assert (sharing.share_with_type, sharing.role) == ("Workspace", "Editor")
    await libraries.documents.delete_async(**key)
    assert (await house.http.get(f"/v1/files/{added.id}")).status_code == 404
    await libraries.delete_async(library_id=library.id)
    assert (await libraries.list_async()).data == []


HOSTILE: list[tuple[str, Any]] = [
    ("search", {"query": ""}),
    ("search", {"query": "x", "filters": {"type": "eq"}}),
    ("search", {"query": "x", "filters": {"type": "in", "key": "a", "value": "b"}}),
    ("search", {"query": "x", "filters": {"type": "and", "filters": []}}),
    ("search", {"query": "x", "filters": {"type": "and", "filters": [{"type": "eq", "key": "a", "value": 1}] * 200}}),
    ("search", {"query": "x", "filters": {"type": "gt", "key": "a", "value": {"b": 1}}}),
    ("search", {"query": "x", "max_num_results": 51}),
    ("files", {"file_id": "file_1", "attributes": {f"a{at}": 1 for at in range(17)}}),
    ("files", {"file_id": "file_1", "attributes": {"a": [1]}}),
    ("files", {"file_id": "file_1", "attributes": {"a" * 65: 1}}),
    ("files", {"file_id": "file_1", "attributes": {"a": "b" * 513}}),
    ("files", {"file_id": "file_1", "chunking_strategy": {"type": "static"}}),
    (
        "files",
        {
            "file_id": "file_1",
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 99},
            },
        },
    ),
    ("file_batches", {"file_ids": []}),
    ("file_batches", {"file_ids": ["a"], "files": []}),
]


async def test_what_can_t_be_is_refused_with_the_reason(house: House) -> None:
    store = await house.openai.vector_stores.create(name="x")
    nested: Any = {"type": "eq", "key": "a", "value": 1}
    for _ in range(12):
        nested = {"type": "or", "filters": [nested]}
    for path, body in [*HOSTILE, ("search", {"query": "x", "filters": nested})]:
        answer = await house.http.post(f"/v1/vector_stores/{store.id}/{path}", json=body)
        assert answer.status_code in (400, 422), (path, body, answer.text)
        assert answer.json()["error"]["message"]
    for query in ('"', "' OR 1=1 --", "a* NEAR(b) ^c:d", "\ud7ff\u202e*", "() & | !", "x" * 5000):
        answer = await house.http.post(f"/v1/vector_stores/{store.id}/search", json={"query": query})
        assert answer.status_code == 200, (query, answer.text)
    for tool in ({"vector_store_ids": []}, {}, {"vector_store_ids": [store.id], "filters": {"type": "x"}}):
        body = {"model": "talker", "input": "x", "tools": [{"type": "file_search", **tool}]}
        assert (await house.http.post("/v1/responses", json=body)).status_code in (400, 422), tool


async def test_a_conversation_of_mistral_s_answers_from_a_library(house: House) -> None:
    libraries, conversations = house.mistral.beta.libraries, house.mistral.beta.conversations
    library = await libraries.create_async(name="geography")
    upload: Any = {"file_name": "rivers.md", "content": RIVERS.encode()}
    document = await libraries.documents.upload_async(library_id=library.id, file=upload)
    key = {"library_id": library.id, "document_id": document.id}
    async with asyncio.timeout(60):
        while (await libraries.documents.status_async(**key)).process_status != "done":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    tool: Any = {"type": "document_library", "library_ids": [library.id]}
    started: Any = {"model": "talker", "inputs": "Which river is the longest in France?", "tools": [tool]}
    answer = await conversations.start_async(**started)
    search, message = (output.model_dump() for output in answer.outputs)
    assert (search["type"], search["name"]) == ("tool.execution", "document_library")
    assert "The Loire" in search["info"]["results"][0]["text"]
    assert "".join(chunk.get("text", "") for chunk in message["content"]) == ANSWER
    notes = [chunk for chunk in message["content"] if chunk["type"] == "tool_reference"]
    assert notes[0]["title"] == "rivers.md"
    passage = (await house.http.get(notes[0]["url"])).raise_for_status().json()
    assert "longest river" in passage["text"]
    history = await conversations.get_history_async(conversation_id=answer.conversation_id)
    assert [entry.type for entry in history.entries] == ["message.input", "tool.execution", "message.output"]
    whole = (await house.http.get(f"/v1/conversations/{answer.conversation_id}/history")).json()  # all of its fields
    notes = [chunk for chunk in whole["entries"][2]["content"] if chunk["type"] == "tool_reference"]
    assert [note["support"] for note in notes] == ["supported", "unsupported"]
    followed = await conversations.append_stream_async(conversation_id=answer.conversation_id, inputs="And its length?")
    types = [event.event async for event in followed]
    assert types[1:3] == ["tool.execution.started", "tool.execution.done"]
    assert types.count("message.output.delta") > 5


@pytest.mark.slow
async def test_only_as_many_sources_are_shown_as_the_context_has_room_for(house: House) -> None:
    client = house.openai
    text = "\n\n".join(f"Ship {number} carries {'tea and silk and salt ' * 30}home." for number in range(10))
    file = await client.files.create(file=("ships.md", text.encode()), purpose="assistants")
    store = await client.vector_stores.create(file_ids=[file.id])
    async with asyncio.timeout(60):
        while (await client.vector_stores.retrieve(store.id)).status != "completed":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    tool: Any = {"type": "file_search", "vector_store_ids": [store.id], "max_num_results": 10}
    answer = await client.responses.create(
        model="short", input="What do the ships carry?", tools=[tool], include=["file_search_call.results"]
    )
    prompt = house.prompts[-1][0]["content"]
    assert len(prompt) < 4 * 1500
    [search] = [item for item in answer.output if isinstance(item, ResponseFileSearchToolCall)]
    assert search.results is not None
    assert 2 < len(search.results) < 10
    assert f"[{len(search.results)}] ships.md" in prompt
