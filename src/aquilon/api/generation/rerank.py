"""``POST /v1/rerank``, in Jina's and Cohere's shape; also where vLLM serves it, at ``/rerank`` and ``/v2/rerank``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import answer_unless_gone
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.embeddings.request import RerankRequest
from aquilon.errors import invalid
from aquilon.people.secrets import new_id

routes = Routes(tag="embeddings", direct=True)

MAX_DOCUMENTS = 1000

_PATH_WITHOUT_DOCUMENTS = "/v2/rerank"
"""Cohere's second version never repeats documents in its answer."""


class DocumentFields(Fields):
    text: str


class RerankFields(Fields):
    model: str = Field(min_length=1, max_length=1000, description="A reranker's or an embedding model's name.")
    query: str
    documents: Annotated[list[str | DocumentFields], FIRST_FAULT_ENDS]
    top_n: int | None = Field(None, ge=0, description="How many of the most relevant to return; 0 and null: all.")
    return_documents: bool | None = Field(
        None, description="Whether the answer repeats the documents: by default yes, at `/v2/rerank` no."
    )

    def reranking(self) -> RerankRequest:
        """The canonical request. Raises ApiError 400 for no document, too many documents, or an empty text."""
        documents = tuple(document if isinstance(document, str) else document.text for document in self.documents)
        if not 1 <= len(documents) <= MAX_DOCUMENTS:
            raise invalid(
                f"There are {len(documents)} documents; there must be 1 to {MAX_DOCUMENTS}", param="documents"
            )
        if not self.query:
            raise invalid("The query is empty: there is nothing to rank by", param="query")
        for number, document in enumerate(documents):
            if not document:
                raise invalid(f"Document {number} is empty: there is nothing to rank", param="documents")
        return RerankRequest(
            model=self.model,
            query=self.query,
            documents=documents,
            most_results=min(self.top_n or len(documents), len(documents)),
        )


class RankedText(msgspec.Struct, frozen=True):
    text: str


class RankedDocument(msgspec.Struct, frozen=True):
    index: int
    """The document's place in the request, from 0."""
    relevance_score: float
    """A reranker's own score, or the cosine of an embedding model's vectors."""
    document: RankedText | UnsetType = UNSET


class RerankUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class BilledUnits(msgspec.Struct, frozen=True):
    input_tokens: int


class RerankMeta(msgspec.Struct, frozen=True):
    """The usage as Cohere's clients read it."""

    billed_units: BilledUnits
    tokens: BilledUnits


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "list"
    model: str
    """The model that answered, by its own name even if an alias was requested."""
    results: list[RankedDocument]
    """The most relevant first."""
    usage: RerankUsage
    meta: RerankMeta


_SUMMARY = "Rank documents by their relevance to a query"
_SAYS = "The documents' indexes and scores, the most relevant first."


@routes.post("/v1/rerank", _SUMMARY, request=RerankFields, answer=Ranking, says=_SAYS)
@routes.post("/v2/rerank", _SUMMARY, request=RerankFields, answer=Ranking, says=_SAYS)
@routes.post("/rerank", _SUMMARY, request=RerankFields, answer=Ranking, says=_SAYS)
async def rerank(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, RerankFields)
    state = services(request)
    await state.catalogue.refresh()
    headers = model_answer_headers(request, state.reranking.card(fields.model, caller).name)
    id_, reranking = new_id("rerank"), fields.reranking()
    answer = await answer_unless_gone(
        request, state.reranking.answer(reranking, caller, request_id=id_, headers=headers)
    )
    returned = fields.return_documents
    if returned is None:
        returned = request.scope["path"] != _PATH_WITHOUT_DOCUMENTS
    billed = BilledUnits(answer.tokens)
    body = Ranking(
        id=id_,
        model=answer.model,
        results=[
            RankedDocument(index, score, RankedText(reranking.documents[index]) if returned else UNSET)
            for index, score in answer.result.ranking
        ],
        usage=RerankUsage(answer.tokens, answer.tokens),
        meta=RerankMeta(billed, billed),
    )
    return Response(msgspec.json.encode(body), media_type="application/json")
