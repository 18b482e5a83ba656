"""Documents ranked by upstreams: by a reranker's own scores, or by the vectors of an embedding model."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.support.upstream_gateway import MODEL, Gateway, open_gateway
from tests.support.upstream_server import Connection, UpstreamServer, upstream_server

from aquilon.embeddings.request import RerankRequest
from aquilon.errors import ApiError
from aquilon.upstreams import administration

DOCUMENTS = ("about dogs", "about cats", "about taxes")
ANY_ORDER = [
    {"index": 2, "relevance_score": 0.01},
    {"index": 1, "relevance_score": 0.97, "document": {"text": "about cats"}},
    {"index": 0, "relevance_score": 0.5},
]


@pytest_asyncio.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[UpstreamServer]:
    async with upstream_server() as running:
        yield running


def says(body: Any, status: int = 200) -> Any:
    async def answer(connection: Connection) -> None:
        await connection.answer(status, body)

    return answer


async def rank(gateway: Gateway, *, request_id: str = "r1", most_results: int = 3, model: str = MODEL) -> Any:
    request = RerankRequest(model=model, query="cats", documents=DOCUMENTS, most_results=most_results)
    return await gateway.reranking.answer(request, gateway.principal, request_id=request_id)


async def add(gateway: Gateway, upstream: UpstreamServer, capability: Any = "rerank", **more: Any) -> None:
    await gateway.add(upstream.url, capabilities=frozenset({capability}), **more)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"usage": {"total_tokens": 17}}, 17),
        ({"meta": {"billed_units": {"search_units": 1}}}, 11),
        ({"usage": {"total_tokens": 10**9}}, 11),
        ({"usage": {"total_tokens": -1}}, 11),
    ],
)
async def test_a_rerankers_scores_are_sorted_and_its_tokens_billed(
    gateway: Gateway, upstream: UpstreamServer, usage: dict[str, Any], tokens: int
) -> None:
    """A usage that is missing or can't be true is estimated: a token for every four bytes that are read."""
    upstream.script = says({"results": ANY_ORDER, **usage})
    await add(gateway, upstream)
    answer = await rank(gateway)
    assert answer.result.ranking == [(1, 0.97), (0, 0.5), (2, 0.01)]
    [asked] = upstream.requests
    assert (asked.path, asked.json["query"], asked.json["documents"]) == ("/rerank", "cats", list(DOCUMENTS))
    assert (asked.json["model"], asked.json["top_n"]) == ("there", 3)
    row = gateway.events()["r1"]
    assert (row["model"], row["prompt_tokens"], row["outcome"]) == (MODEL, tokens, "completed")
    assert answer.tokens == tokens


@pytest.mark.parametrize("results", [ANY_ORDER, ANY_ORDER[1:2]])
async def test_only_the_most_relevant_are_returned_also_if_the_upstream_returns_all(
    gateway: Gateway, upstream: UpstreamServer, results: list[Any]
) -> None:
    upstream.script = says({"results": results})
    await add(gateway, upstream)
    assert (await rank(gateway, most_results=1)).result.ranking == [(1, 0.97)]


@pytest.mark.parametrize(
    "results",
    [
        [],
        ANY_ORDER[:2],
        [*ANY_ORDER[:2], ANY_ORDER[0]],
        [*ANY_ORDER[:2], {"index": 3, "relevance_score": 1}],
        [*ANY_ORDER[:2], {"index": -1, "relevance_score": 1}],
        [*ANY_ORDER[:2], {"index": 0, "relevance_score": None}],
        [*ANY_ORDER[:2], {"index": 0}],
        "none",
    ],
)
async def test_a_ranking_that_cannot_be_right_is_an_error_that_costs_nothing(
    gateway: Gateway, upstream: UpstreamServer, results: Any
) -> None:
    upstream.script = says({"results": results})
    await add(gateway, upstream)
    with pytest.raises(ApiError) as refused:
        await rank(gateway)
    assert refused.value.status == 502
    await gateway.writer.close()
    assert (gateway.events()["r1"]["outcome"], gateway.events()["r1"]["prompt_tokens"]) == ("failed", 0)


async def test_an_upstreams_embedding_model_ranks_by_the_angle_of_its_vectors(
    gateway: Gateway, upstream: UpstreamServer
) -> None:
    vectors = {"cats": [2, 0], "about dogs": [3, 4], "about cats": [0.5, 0], "about taxes": [0, -1]}

    async def embed(connection: Connection) -> None:
        data = [{"embedding": vectors[text]} for text in connection.request.json["input"]]
        await connection.answer(200, {"data": data, "usage": {"prompt_tokens": 2 * len(data)}})

    upstream.script = embed
    await add(gateway, upstream, "embeddings", kind="aquilon")
    answer = await rank(gateway)
    assert [index for index, _ in answer.result.ranking] == [1, 0, 2]
    assert [score for _, score in answer.result.ranking] == pytest.approx([1, 0.6, 0])
    assert [asked.json.get("input_type") for asked in upstream.requests] == [None, "passage"]
    assert gateway.events()["r1"]["prompt_tokens"] == 8


async def test_vectors_of_different_sizes_are_an_error(gateway: Gateway, upstream: UpstreamServer) -> None:
    async def embed(connection: Connection) -> None:
        inputs = connection.request.json["input"]
        await connection.answer(200, {"data": [{"embedding": [1.0] * len(inputs)} for _ in inputs]})

    upstream.script = embed
    await add(gateway, upstream, "embeddings")
    with pytest.raises(ApiError) as refused:
        await rank(gateway)
    assert refused.value.status == 502


async def test_an_embedding_model_stands_in_for_a_reranker(gateway: Gateway, upstream: UpstreamServer) -> None:
    async def embed(connection: Connection) -> None:
        if connection.request.path == "/rerank":
            await connection.answer(500, {})
        else:
            await connection.answer(200, {"data": [{"embedding": [1, 0]} for _ in connection.request.json["input"]]})

    upstream.script = embed
    await add(gateway, upstream)
    await add(gateway, upstream, "embeddings", name="second", model="vectors")
    await administration.set_fallbacks(gateway.database, gateway.operator, model=MODEL, models=("vectors",))
    await gateway.registry.refresh()
    answer = await rank(gateway)
    assert (answer.model, [index for index, _ in answer.result.ranking]) == ("vectors", [0, 1, 2])
    assert gateway.events()["r1"]["model"] == MODEL


async def test_a_model_that_neither_ranks_nor_embeds_is_refused(gateway: Gateway, upstream: UpstreamServer) -> None:
    await add(gateway, upstream, "chat")
    with pytest.raises(ApiError, match="ranks no documents: ask a reranker or an embedding model"):
        await rank(gateway)
    assert gateway.events() == {}


async def test_a_client_that_leaves_ends_the_upstreams_work(gateway: Gateway, upstream: UpstreamServer) -> None:
    received, gone = asyncio.Event(), asyncio.Event()

    async def waits(connection: Connection) -> None:
        received.set()
        await connection.gone()
        gone.set()

    upstream.script = waits
    await add(gateway, upstream)
    ranking = asyncio.create_task(rank(gateway))
    await received.wait()
    ranking.cancel()
    await asyncio.wait({ranking})
    await asyncio.wait_for(gone.wait(), 5)
    await gateway.writer.close()
    assert (gateway.events()["r1"]["outcome"], gateway.events()["r1"]["prompt_tokens"]) == ("cancelled", 0)


def test_equal_scores_keep_the_documents_order_and_a_score_is_a_number() -> None:
    from aquilon.embeddings.numbers import similarities

    assert similarities(b"\0" * 8, [b"\0" * 8, b"\0\0\x80\x3f" * 2]) == [0.0, 0.0]
    assert all(map(math.isfinite, similarities(b"\xff\xff\x7f\x7f" * 2, [b"\xff\xff\x7f\x7f" * 2])))
