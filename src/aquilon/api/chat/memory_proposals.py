"""``/v1/memories/proposals``: what a model proposes to remember, until the person says yes or no."""

from __future__ import annotations

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Person
from aquilon.api.body import read_body
from aquilon.api.chat.memories import (
    MOST_ID_CHARACTERS,
    ChangeMemory,
    MemoryBody,
    MemorySource,
    SourceFields,
    memory_body,
)
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, PageOf, bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat.memory_proposals import Proposal

routes = Routes("/v1/memories/proposals", tag="memory")

_PROPOSAL = "/{proposal_id}"


class ProposeMemories(SourceFields):
    model: str | None = Field(
        None, min_length=1, max_length=1000, description="The model to ask; without it, the one that answered last."
    )


class AcceptProposal(ChangeMemory):
    """What isn't sent is as proposed; without `project_id` and `assistant_id` it is remembered for everywhere."""

    replaces: str | None = Field(
        None, max_length=MOST_ID_CHARACTERS, description="The id of an entry that it takes the place of."
    )


class ProposalBody(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that a model proposes: no answer uses it before its person agrees."""

    id: str
    object: str = "memory.proposal"
    text: str
    source: MemorySource
    project_id: str | None
    """The project of the conversation that it comes from."""
    similar: MemoryBody | None
    """An entry that may say the same or the opposite, and that it may replace."""
    created_at: int


class ProposalPage(PageOf[ProposalBody], frozen=True, kw_only=True):
    pass


class RefusedProposal(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "memory.proposal.deleted"
    deleted: bool = True


@routes.get(
    "", "List what models propose to remember", answer=ProposalPage, says="The caller's proposals, the latest first."
)
async def list_proposals(request: Request, person: Person, after: str | None = None, limit: int = 20) -> Response:
    proposals, more = await services(request).memory_proposals.page(person.principal, after=after, limit=bounded(limit))
    return json_answer(listed([_body(proposal) for proposal in proposals], has_more=more))


@routes.post(
    "",
    "Ask a model what to remember of a message",
    request=ProposeMemories,
    answer=ListOf[ProposalBody],
    says="At most three new proposals; mostly none. The request to the model is billed as any other.",
)
async def propose_memories(request: Request, person: Person) -> Response:
    fields = await read_body(request, ProposeMemories)
    proposals = await services(request).memory_proposals.propose(person.principal, fields.source, model=fields.model)
    return json_answer(ListOf(data=[_body(proposal) for proposal in proposals]))


@routes.post(
    f"{_PROPOSAL}/accept",
    "Remember what a model proposes",
    request=AcceptProposal,
    answer=MemoryBody,
    says="The entry that the proposal became.",
)
async def accept_proposal(request: Request, person: Person, proposal_id: str) -> Response:
    fields = await read_body(request, AcceptProposal)
    memory = await services(request).memory_proposals.accept(
        person.principal, proposal_id, fields.change, replaces=fields.replaces
    )
    return json_answer(memory_body(memory))


@routes.delete(
    _PROPOSAL, "Refuse what a model proposes", answer=RefusedProposal, says="The proposal is deleted for ever."
)
async def refuse_proposal(request: Request, person: Person, proposal_id: str) -> Response:
    await services(request).memory_proposals.refuse(person.principal, proposal_id)
    return json_answer(RefusedProposal(id=proposal_id))


def _body(proposal: Proposal) -> ProposalBody:
    row = proposal.row
    return ProposalBody(
        id=row.id,
        text=row.text,
        source=MemorySource(conversation_id=row.conversation_id, item_id=row.item_id),
        project_id=row.project_id,
        similar=None if proposal.similar is None else memory_body(proposal.similar),
        created_at=row.created_at,
    )
