"""Prompts become token ids that fit the model."""

from __future__ import annotations

import pytest
from tests.support.chat_folders import write_folder

from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.text_models import LoadedText
from aquilon.errors import ApiError
from aquilon.generation.prompts import encode, encode_to_fit
from aquilon.request import ChatPrompt, PromptCut, TextPrompt
from aquilon.text.messages import Message
from aquilon.text.model import TextModel

CARD = ModelCard(name="m", source="", created=0, max_context=64)
LONG = TextPrompt("word " * 200)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedText:
    return LoadedText(TextModel.from_folder(write_folder(tmp_path_factory.mktemp("chatml"))), 64, 1.0)


async def test_the_beginning_token_comes_before_a_conversation_where_the_client_asks(loaded: LoadedText) -> None:
    messages = (Message("user", "a"),)
    plain = await encode(ChatPrompt(messages), CARD, loaded)
    assert await encode(ChatPrompt(messages, add_special=True), CARD, loaded) == [loaded.text.tokenizer.bos_id, *plain]


@pytest.mark.parametrize(("max_tokens", "kept"), [(14, 50), (None, 48), (64, 1), (0, 64)])
async def test_a_cut_to_what_fits_leaves_room_for_the_answer(
    loaded: LoadedText, max_tokens: int | None, kept: int
) -> None:
    whole = await encode(LONG, CARD, loaded)
    ids = await encode_to_fit(LONG, CARD, loaded, context=64, max_tokens=max_tokens, cut=PromptCut(None))
    assert ids == whole[-kept:]


async def test_a_prompt_that_is_short_enough_is_not_cut(loaded: LoadedText) -> None:
    short = TextPrompt("word")
    assert await encode_to_fit(short, CARD, loaded, context=64, cut=PromptCut(30)) == await encode(short, CARD, loaded)


@pytest.mark.parametrize("cut", [None, PromptCut(5)])
async def test_a_far_too_long_text_is_refused_without_being_encoded(loaded: LoadedText, cut: PromptCut | None) -> None:
    with pytest.raises(ApiError, match="at least"):
        await encode_to_fit(TextPrompt("word " * 300_000), CARD, loaded, context=64, cut=cut)


async def test_a_cut_that_leaves_nothing_is_refused(loaded: LoadedText) -> None:
    with pytest.raises(ApiError, match="empty"):
        await encode_to_fit(LONG, CARD, loaded, context=64, cut=PromptCut(0))
