"""``POST /v1/embeddings``, as OpenAI's and Mistral's clients ask it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import FIRST_FAULT_ENDS, Fields, read_body
from aquilon.api.event_stream import answer_unless_gone
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.embeddings.numbers import encoded, numbers
from aquilon.embeddings.request import DataType, EmbeddingRequest
from aquilon.errors import invalid
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id

routes = Routes(tag="embeddings", direct=True)

MAX_INPUTS = 2048

Ids = Annotated[list[Annotated[int, Field(ge=0, le=2**31)]], Field(max_length=100_000), FIRST_FAULT_ENDS]


class EmbeddingsRequest(Fields):
    model: str = Field(min_length=1, max_length=1000)
    input: str | Ids | Annotated[list[str], FIRST_FAULT_ENDS] | Annotated[list[Ids], FIRST_FAULT_ENDS] = Field(
        description="A text, token ids, or a list of either."
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1, le=100_000)
    output_dimension: int | None = Field(None, ge=1, le=100_000, description="Mistral's name of `dimensions`.")
    output_dtype: DataType | None = None
    input_type: Literal["query", "passage", "document"] | None = Field(
        None, description="Whether a text is a question or what may answer it; `query` if left out."
    )
    user: str | None = None

    def embedding(self) -> EmbeddingRequest:
        """Raises ApiError 400."""
        given = self.input
        texts: tuple[str, ...] = ()
        ids: tuple[tuple[int, ...], ...] = ()
        if isinstance(given, str):
            texts = (given,)
        elif given and isinstance(given[0], str):
            texts = tuple(text for text in given if isinstance(text, str))
        elif given and isinstance(given[0], int):
            ids = (tuple(token for token in given if isinstance(token, int)),)
        else:
            ids = tuple(tuple(each) for each in given if isinstance(each, list))
        count = len(texts) or len(ids)
        if not 1 <= count <= MAX_INPUTS:
            raise invalid(f"input has {count} texts; 1 to {MAX_INPUTS} are taken at once", param="input")
        for number, each in enumerate(texts or ids):
            if not each:
                raise invalid(f"Input {number} is empty: there is nothing to embed", param="input")
        return EmbeddingRequest(
            model=self.model,
            texts=texts,
            token_ids=ids,
            purpose="passage" if self.input_type in ("passage", "document") else "query",
            dimensions=self.output_dimension if self.dimensions is None else self.dimensions,
            upstream_fields=_given(self, "user", "input_type"),
        )


class Embedding(msgspec.Struct, frozen=True):
    index: int
    embedding: list[float] | str
    """Numbers, or their bytes in base64."""
    object: str = "embedding"


class EmbeddingUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0


class EmbeddingList(ListOf[Embedding], frozen=True, kw_only=True):
    id: str
    model: str
    """Whose they are: the model that answered, whatever name was asked."""
    usage: EmbeddingUsage


@routes.post(
    "/v1/embeddings",
    "Texts as vectors",
    request=EmbeddingsRequest,
    answer=EmbeddingList,
    says="One vector an input, in order",
)
async def embeddings(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, EmbeddingsRequest)
    catalogue = services(request).catalogue
    await catalogue.refresh()
    headers = model_answer_headers(request, catalogue.embedding_card(fields.model, caller).name)
    body = await answer_unless_gone(request, embeddings_answer(services(request), fields, caller, headers))
    return Response(body, media_type="application/json")


async def embeddings_answer(
    found: Services, fields: EmbeddingsRequest, caller: Principal, headers: MutableMapping[str, str] | None = None
) -> bytes:
    """The answer's JSON; ``headers`` gets its headers. Raises ApiError."""
    id_ = new_id("embd")
    made = await found.embeddings.answer(fields.embedding(), caller, request_id=id_, headers=headers)
    kind = fields.output_dtype or "float"
    as_text = fields.encoding_format == "base64"
    data = [
        Embedding(index, encoded(vector, kind) if as_text else [*numbers(vector, kind)])
        for index, vector in enumerate(made.embedded.vectors)
    ]
    tokens = made.embedded.tokens
    return msgspec.json.encode(EmbeddingList(id=id_, data=data, model=made.model, usage=EmbeddingUsage(tokens, tokens)))


def _given(fields: Fields, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(fields, name)) is not None}
