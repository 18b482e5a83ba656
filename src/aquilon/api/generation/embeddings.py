"""``POST /v1/embeddings``, for OpenAI's and Mistral's clients."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Annotated, Literal, cast

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import answer_unless_gone
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.embeddings.numbers import encoded, numbers
from aquilon.embeddings.request import DataType, EmbeddingRequest
from aquilon.errors import invalid, unsupported
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.request import PromptCut

routes = Routes(tag="embeddings", direct=True)

MAX_INPUTS = 2048

Ids = Annotated[list[Annotated[int, Field(ge=0, le=2**31)]], Field(max_length=100_000), FIRST_FAULT_ENDS]


class TextPart(Fields):
    """`{"type": "text", "text": …}`; other types are refused."""

    type: str = Field("text", max_length=100)
    text: str | None = None


Input = (
    str
    | Ids
    | Annotated[list[str], FIRST_FAULT_ENDS]
    | Annotated[list[Ids], FIRST_FAULT_ENDS]
    | Annotated[list[TextPart], FIRST_FAULT_ENDS]
)


class EmbeddingsRequest(Fields):
    model: str = Field(min_length=1, max_length=1000)
    input: Input | None = Field(
        None, description="A text, a list of token ids, or a list of either; or a list of parts with a text each."
    )
    content: Input | None = Field(None, description="llama.cpp's name for `input`.")
    truncate: bool | Literal["NONE", "START", "END"] | None = Field(
        None,
        description="How a text is cut that is longer than the model reads: with true or `END` at its end, with "
        "`START` at its beginning. Otherwise it is refused.",
    )
    truncate_prompt_tokens: Annotated[int, Field(ge=-1, lt=2**31)] | None = Field(
        None, description="Keep so many tokens of a longer text; -1 keeps as many as the model reads (vLLM)."
    )
    truncation_side: Literal["left", "right"] | None = Field(
        None, description="The side at which a text is cut; by default right, its end."
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1, le=100_000)
    output_dimension: int | None = Field(None, ge=1, le=100_000, description="Mistral's name for `dimensions`.")
    output_dtype: DataType | None = None
    input_type: Literal["query", "passage", "document"] | None = Field(
        None, description="Whether the texts are questions (`query`, the default) or texts to search in."
    )
    user: str | None = None

    def embedding(self) -> EmbeddingRequest:
        """The canonical request. Raises ApiError 400 for no input, too many inputs, or an empty one."""
        inputs = self._inputs()
        texts: tuple[str, ...] = ()
        ids: tuple[tuple[int, ...], ...] = ()
        if isinstance(inputs, str):
            texts = (inputs,)
        elif inputs and isinstance(inputs[0], str):
            texts = tuple(text for text in inputs if isinstance(text, str))
        elif inputs and isinstance(inputs[0], int):
            ids = (tuple(token_id for token_id in inputs if isinstance(token_id, int)),)
        else:
            ids = tuple(tuple(token_ids) for token_ids in inputs if isinstance(token_ids, list))
        count = len(texts) or len(ids)
        if not 1 <= count <= MAX_INPUTS:
            raise invalid(f"input has {count} texts; it must have 1 to {MAX_INPUTS}", param="input")
        for number, text in enumerate(texts or ids):
            if not text:
                raise invalid(f"Input {number} is empty: there is nothing to embed", param="input")
        return EmbeddingRequest(
            model=self.model,
            texts=texts,
            token_ids=ids,
            purpose="passage" if self.input_type in ("passage", "document") else "query",
            dimensions=self.output_dimension if self.dimensions is None else self.dimensions,
            cut=self._cut(),
            upstream_fields={name: value for name in _FOR_UPSTREAMS if (value := getattr(self, name)) is not None},
        )

    def _inputs(self) -> str | Sequence[str | int | list[int]]:
        inputs = self.content if self.input is None else self.input
        if inputs is None or (self.input is not None and self.content is not None):
            raise invalid("Send 'input', the texts to embed; 'content' is another name for it", param="input")
        if isinstance(inputs, str):
            return inputs
        parts = cast(Sequence[str | int | list[int] | TextPart], inputs)
        return [_text(part, number) if isinstance(part, TextPart) else part for number, part in enumerate(parts)]

    def _cut(self) -> PromptCut | None:
        if self.truncate_prompt_tokens is not None:
            tokens = None if self.truncate_prompt_tokens < 0 else self.truncate_prompt_tokens
            return PromptCut(tokens, keeps_end=self.truncation_side == "left")
        if self.truncate in (True, "START", "END"):
            return PromptCut(None, keeps_end=self.truncate == "START" or self.truncation_side == "left")
        return None


_FOR_UPSTREAMS = ("user", "input_type", "truncate", "truncate_prompt_tokens", "truncation_side")


def _text(part: TextPart, number: int) -> str:
    if part.type not in ("text", "input_text") or part.text is None:
        raise unsupported(f"Input {number}, of type '{part.type}' and without a text, is", param="input")
    return part.text


class Embedding(msgspec.Struct, frozen=True):
    index: int
    embedding: list[float] | str
    """The numbers, or their bytes in base64."""
    object: str = "embedding"


class EmbeddingUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0


class EmbeddingList(ListOf[Embedding], frozen=True, kw_only=True):
    id: str
    model: str
    """The model that answered, by its own name even if an alias was requested."""
    usage: EmbeddingUsage


@routes.post(
    "/v1/embeddings",
    "Turn texts into vectors",
    request=EmbeddingsRequest,
    answer=EmbeddingList,
    says="The vectors, one for each input, in order.",
)
async def embeddings(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, EmbeddingsRequest)
    state = services(request)
    catalogue = state.catalogue
    await catalogue.refresh()
    headers = model_answer_headers(request, catalogue.embedding_card(fields.model, caller).name)
    body = await answer_unless_gone(request, _answer(state, fields, caller=caller, headers=headers))
    return Response(body, media_type="application/json")


async def _answer(
    state: Services, fields: EmbeddingsRequest, *, caller: Principal, headers: MutableMapping[str, str]
) -> bytes:
    """The EmbeddingList as JSON. Adds the answer's headers to ``headers``. Raises ApiError."""
    id_ = new_id("embd")
    answer = await state.embeddings.answer(fields.embedding(), caller, request_id=id_, headers=headers)
    kind = fields.output_dtype or "float"
    as_text = fields.encoding_format == "base64"
    data = [
        Embedding(index, encoded(vector, kind) if as_text else [*numbers(vector, kind)])
        for index, vector in enumerate(answer.result.vectors)
    ]
    usage = EmbeddingUsage(answer.tokens, answer.tokens)
    return msgspec.json.encode(EmbeddingList(id=id_, data=data, model=answer.model, usage=usage))
