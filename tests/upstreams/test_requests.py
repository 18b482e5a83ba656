"""What upstreams are asked: the one request in each kind's own fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aquilon.engine.protocol import SamplingParameters
from aquilon.request import ChatPrompt, GenerationRequest
from aquilon.text.messages import Message
from aquilon.upstreams.requests import body_of
from aquilon.upstreams.upstream import UpstreamKind


@pytest.mark.parametrize(
    ("kind", "repeats", "asked"),
    [
        ("mistral", True, {"prefix": True}),
        ("aquilon", True, {"prefix": True}),
        ("aquilon", False, {"continue_final_message": True, "echo": False}),
        ("openai", True, {"continue_final_message": True, "echo": True}),
        ("openai", False, {"continue_final_message": True, "echo": False}),
    ],
)
def test_an_answer_that_is_begun_is_asked_for_with_its_beginning_or_without(
    kind: UpstreamKind, repeats: bool, asked: dict[str, Any]
) -> None:
    messages = (Message("user", "Count."), Message("assistant", "1, 2"))
    prompt = ChatPrompt(messages, continue_final=True, repeats_final=repeats)
    request = GenerationRequest(model="m", prompt=prompt, sampling=SamplingParameters())
    body = json.loads(body_of(request, kind, "remote", reasoning=False))
    fields = body | body["messages"][-1]
    assert {name: fields.get(name) for name in asked} == asked
    assert ("prefix" in fields) == ("prefix" in asked)
