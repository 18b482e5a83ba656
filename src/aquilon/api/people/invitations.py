"""Invitations: created and withdrawn under ``/v1/organization``, read and accepted by a person with the token."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, PageOf, bounded, cut
from aquilon.api.people.organization import Email, Id, Name
from aquilon.api.people.sessions import MAX_SIGN_IN_BYTES, SessionBody, browser_of, require_page, signed_in_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import refused
from aquilon.people.administration import invitations
from aquilon.people.cookies import session_id
from aquilon.people.identity import Role
from aquilon.people.passwords import MAX_CHARACTERS
from aquilon.people.tables import Invitation

routes = Routes(tag="invitations")

Token = Annotated[str, Field(min_length=1, max_length=200, description="The part of the link after `#invite=`.")]


class NewInvitationRequest(OwnFields):
    role: Role = Field("member", description="The role in the organization and its workspaces; not above the caller's.")
    workspace_ids: list[Id] = Field(
        [], max_length=100, description="Workspaces by id or name; the organization's first one, if empty."
    )
    expires_in: int = Field(
        invitations.DEFAULT_SECONDS,
        ge=60,
        le=invitations.MAX_SECONDS,
        description="Seconds until the invitation expires.",
    )
    uses: int = Field(1, ge=1, le=invitations.MAX_USES, description="How many people may join with it.")
    note: str = Field(
        "",
        max_length=invitations.MAX_NOTE_CHARACTERS,
        description="A note for administrators, such as the guest's name.",
    )


class InvitationRequest(OwnFields):
    token: Token


class JoinRequest(OwnFields):
    token: Token
    name: Name
    email: Email | None = None
    password: str = Field(min_length=1, max_length=MAX_CHARACTERS)


InvitationStatus = Literal["open", "used", "expired", "revoked"]


class InvitationBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.invitation"
    id: str
    role: str
    workspace_ids: list[str]
    note: str
    status: InvitationStatus
    uses: int
    used: int
    created_by: str
    """A user's id, or ``operator``: the command line on the server's machine."""
    created_at: int
    expires_at: int
    revoked_at: int | None


class NewInvitationBody(InvitationBody, frozen=True, kw_only=True):
    token: str
    """The page's link is ``/#invite=TOKEN``. The token is shown only once."""


class InvitationToJoin(msgspec.Struct, frozen=True, kw_only=True):
    organization: str
    role: str
    expires_at: int
    password: bool
    """Whether a password is allowed; else people join through the organization's identity provider."""


@routes.get(
    "/v1/organization/invitations",
    "List the organization's invitations",
    answer=PageOf[InvitationBody],
    says="The invitations, newest first, without their tokens.",
)
async def list_invitations(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    limit = bounded(limit)
    rows = await invitations.visible(services(request).database, caller, after=after, limit=limit + 1)
    return cut(rows, limit, invitation_body)


@routes.post(
    "/v1/organization/invitations",
    "Invite people",
    request=NewInvitationRequest,
    answer=NewInvitationBody,
    says="The new invitation with its token, which is shown once.",
)
async def create_invitation(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewInvitationRequest)
    invitation = await invitations.create(
        services(request).database,
        caller,
        fields.role,
        workspaces=fields.workspace_ids,
        note=fields.note,
        seconds=fields.expires_in,
        uses=fields.uses,
    )
    body = msgspec.structs.asdict(invitation_body(invitation.record))
    return json_answer(NewInvitationBody(**body, token=invitation.token))


@routes.delete(
    "/v1/organization/invitations/{invitation_id}",
    "Withdraw an invitation",
    answer=InvitationBody,
    says="The withdrawn invitation.",
)
async def revoke_invitation(request: Request, caller: Caller, invitation_id: str) -> Response:
    return json_answer(invitation_body(await invitations.revoke(services(request).database, caller, invitation_id)))


@routes.post(
    "/auth/invitations",
    "Read the invitation that a token is for",
    request=InvitationRequest,
    answer=InvitationToJoin,
    says="The organization, the role and the end of the invitation.",
)
async def look_at_invitation(request: Request) -> Response:
    require_page(request)
    fields = await read_body(request, InvitationRequest, most=MAX_SIGN_IN_BYTES)
    state = services(request)
    invitation = await invitations.look_at(
        state.database, state.sign_in, fields.token, address=browser_of(request).address
    )
    return json_answer(
        InvitationToJoin(
            organization=invitation.organization,
            role=invitation.role,
            expires_at=invitation.expires_at,
            password=invitation.password,
        )
    )


@routes.post(
    "/auth/join",
    "Create an account with an invitation and a password, and sign in",
    request=JoinRequest,
    answer=SessionBody,
    says="The new session; the answer sets its cookie.",
)
async def join(request: Request) -> Response:
    require_page(request)
    fields = await read_body(request, JoinRequest, most=MAX_SIGN_IN_BYTES)
    state = services(request)
    try:
        signed_in = await invitations.join(
            state.database,
            state.passwords,
            state.sign_in,
            token=fields.token,
            name=fields.name,
            email=fields.email,
            password=fields.password,
            browser=browser_of(request),
            former=session_id(request),
        )
    except ValueError as error:
        raise refused(error, code="account_refused") from None
    return await signed_in_answer(request, signed_in)


def invitation_body(row: Invitation) -> InvitationBody:
    return InvitationBody(
        id=row.id,
        role=row.role,
        workspace_ids=row.workspace_ids,
        note=row.note,
        status=_status(row),
        uses=row.uses,
        used=row.used,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _status(row: Invitation) -> InvitationStatus:
    if row.revoked_at is not None:
        return "revoked"
    if row.used >= row.uses:
        return "used"
    return "expired" if row.expires_at <= time.time() else "open"
