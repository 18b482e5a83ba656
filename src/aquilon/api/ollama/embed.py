"""``POST /api/embed``, and the older ``/api/embeddings`` for one text."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.body import read_body
from aquilon.api.event_stream import answer_unless_gone
from aquilon.api.generation.embeddings import MAX_INPUTS
from aquilon.api.json_answer import json_answer
from aquilon.api.ollama.asking import known_name
from aquilon.api.ollama.callers import CallerOrOpen
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.conversations.dialects.ollama_answers import nanoseconds_since
from aquilon.conversations.dialects.ollama_fields import ModelName
from aquilon.embeddings.numbers import numbers
from aquilon.embeddings.request import EmbeddingRequest
from aquilon.errors import invalid
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation
from aquilon.people.secrets import new_id
from aquilon.request import PromptCut

routes = Routes(tag="ollama")


class EmbedRequest(Fields):
    model: ModelName
    input: str | Annotated[list[str], FIRST_FAULT_ENDS] = Field(description="A text, or a list of texts.")
    dimensions: int | None = Field(None, ge=1, le=100_000)
    truncate: bool | None = Field(
        None,
        description="With false, a text that is too long for the model is refused; otherwise it is cut at its end.",
    )
    options: Any = Field(None, description="Without effect.")
    keep_alive: Any = Field(None, description="Without effect.")

    def embedding(self) -> EmbeddingRequest:
        texts = (self.input,) if isinstance(self.input, str) else tuple(self.input)
        cut = None if self.truncate is False else PromptCut(None, keeps_end=False)
        return EmbeddingRequest(model=self.model, texts=texts, dimensions=self.dimensions, cut=cut)


class OlderEmbedRequest(Fields):
    model: ModelName
    prompt: str | None = None
    options: Any = Field(None, description="Without effect.")
    keep_alive: Any = Field(None, description="Without effect.")


class EmbedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    """The model that answered, by its own name."""
    embeddings: list[list[float]]
    """Vectors of length 1, one for each text."""
    total_duration: int
    """Nanoseconds."""
    prompt_eval_count: int


class OlderEmbedAnswer(msgspec.Struct, frozen=True):
    embedding: list[float]


@routes.post(
    "/api/embed",
    "Turn texts into vectors in Ollama's shape",
    request=EmbedRequest,
    answer=EmbedAnswer,
    says="The vectors, one for each text, in order.",
)
async def ollama_embed(request: Request, caller: CallerOrOpen) -> Response:
    fields = await read_body(request, EmbedRequest, any_type=True)
    return json_answer(await _embedded(request, caller, fields.embedding()))


@routes.post(
    "/api/embeddings",
    "Turn one text into a vector in Ollama's older shape",
    request=OlderEmbedRequest,
    answer=OlderEmbedAnswer,
    says="The vector; it is empty if the text is.",
)
async def ollama_embeddings(request: Request, caller: CallerOrOpen) -> Response:
    fields = await read_body(request, OlderEmbedRequest, any_type=True)
    answer = await _embedded(request, caller, EmbeddingRequest(model=fields.model, texts=(fields.prompt or "",)))
    return json_answer(OlderEmbedAnswer(answer.embeddings[0] if answer.embeddings else []))


async def _embedded(request: Request, caller: Principal, asked: EmbeddingRequest) -> EmbedAnswer:
    """Raises ApiError. No text at all, or an empty one alone, gives no vector: Ollama's clients load a model so."""
    begun = time.monotonic()
    state, texts = services(request), asked.texts
    name = await known_name(state.catalogue, asked.model, caller)
    card = state.catalogue.embedding_card(name, caller)
    if texts in ((), ("",)):
        require_generation(caller, card.name, name)
        return EmbedAnswer(model=card.name, embeddings=[], total_duration=nanoseconds_since(begun), prompt_eval_count=0)
    if len(texts) > MAX_INPUTS:
        raise invalid(f"input has {len(texts)} texts; it must have at most {MAX_INPUTS}", param="input")
    if "" in texts:
        raise invalid(f"Input {texts.index('')} is empty: there is nothing to embed", param="input")
    answer = await answer_unless_gone(
        request,
        state.embeddings.answer(
            replace(asked, model=name),
            caller,
            request_id=new_id("ollama"),
            headers=model_answer_headers(request, card.name),
        ),
    )
    return EmbedAnswer(
        model=answer.model,
        embeddings=[[float(number) for number in numbers(vector, "float")] for vector in answer.result.vectors],
        total_duration=nanoseconds_since(begun),
        prompt_eval_count=answer.tokens,
    )
