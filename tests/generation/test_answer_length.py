"""An answer without a limit of the client's ends at the server's."""

from __future__ import annotations

import pytest

from aquilon.engine.protocol import SamplingParameters
from aquilon.generation.local import most_tokens
from aquilon.request import ChatPrompt, FillPrompt, GenerationRequest, Prompt, TextPrompt, TokenPrompt
from aquilon.text.messages import Message

CHAT = ChatPrompt((Message("user", "a"),))
TEXTS = (TextPrompt("a"), TokenPrompt((1,)), FillPrompt("a", "b"))
ROOM = 8000


def allowed(prompt: Prompt, *, room: int = ROOM, default: int | None = None, **sampling: int) -> int:
    request = GenerationRequest(model="m", prompt=prompt, sampling=SamplingParameters(**sampling))  # type: ignore[arg-type]
    return most_tokens(request, room=room, default=default)


def test_an_answer_to_a_conversation_may_fill_the_context() -> None:
    assert allowed(CHAT) == ROOM


@pytest.mark.parametrize("prompt", TEXTS)
def test_a_text_is_continued_by_1024_tokens(prompt: Prompt) -> None:
    assert (allowed(prompt), allowed(prompt, room=5)) == (1024, 5)


@pytest.mark.parametrize("prompt", [CHAT, *TEXTS])
def test_the_operators_limit_holds_for_both_unless_the_client_sets_one(prompt: Prompt) -> None:
    assert allowed(prompt, default=50) == 50
    assert allowed(prompt, default=50, room=5) == 5
    assert allowed(prompt, default=50, max_tokens=7000) == 7000
    assert allowed(prompt, default=50, min_tokens=60) == 60
