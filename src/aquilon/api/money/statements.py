"""``GET /v1/organization/statements/{month}``: the statement of a month, as JSON or PDF."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import ApiError, invalid, refused
from aquilon.money.administration.statements import statement
from aquilon.money.statement_logo import LogoError, read_logo
from aquilon.money.statement_pdf import statement_pdf
from aquilon.money.statement_words import LANGUAGES
from aquilon.money.statements import Month, Statement

routes = Routes("/v1/organization/statements", tag="statements")


class StatementLineBody(msgspec.Struct, frozen=True, kw_only=True):
    workspace: str
    model: str
    requests: int
    prompt_tokens: int
    cached_tokens: int
    """Part of ``prompt_tokens``."""
    completion_tokens: int
    cost_microcents: int
    """The exact cost, not rounded."""


class StatementBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.statement"
    number: str
    seller: str
    customer: str
    customer_vat_number: str
    """Empty if the customer has not given one."""
    month: str
    starts_at: int
    ends_at: int
    """The first second after the month."""
    final: bool
    """Whether the month is over."""
    currency: str
    lines: list[StatementLineBody]
    cost_microcents: int
    """The exact sum of the lines."""
    net_cents: int
    """The sum, rounded once, half up."""
    vat_percent: str
    vat_cents: int
    total_cents: int


@routes.get(
    "/{month}",
    "Get the statement of a month's costs, with VAT",
    answer=StatementBody,
    says="The statement; for the present month, until now.",
    other="application/pdf",
    openapi_extra={
        "parameters": [
            {
                "name": "format",
                "in": "query",
                "required": False,
                "description": "The format of the answer.",
                "schema": {"type": "string", "enum": ["json", "pdf"], "default": "json"},
            },
            {
                "name": "language",
                "in": "query",
                "required": False,
                "description": "The language of the PDF.",
                "schema": {"type": "string", "enum": list(LANGUAGES), "default": "en"},
            },
        ]
    },
)
async def get_statement(request: Request, caller: Caller, month: str) -> Response:
    answer_format = request.query_params.get("format", "json")
    language = request.query_params.get("language", "en")
    if answer_format not in ("json", "pdf"):
        raise invalid(
            f"format is '{answer_format[:50]}'; it must be json or pdf",
            param="format",
            code="not_one_of",
            values={"value": answer_format[:50], "allowed": "json, pdf"},
        )
    if language not in LANGUAGES:
        raise invalid(
            f"language is '{language[:50]}'; it must be one of {', '.join(LANGUAGES)}",
            param="language",
            code="not_one_of",
            values={"value": language[:50], "allowed": ", ".join(LANGUAGES)},
        )
    try:
        statement_month = Month.read(month)
    except ValueError as error:
        raise refused(error, param="month") from None
    state = services(request)
    month_statement = await statement(state.database, state.settings, caller, month=statement_month)
    if answer_format == "json":
        return json_answer(statement_body(month_statement))
    try:
        logo_path = state.settings.seller_logo
        logo = None if logo_path is None else await asyncio.to_thread(read_logo, logo_path)
    except LogoError as error:
        raise ApiError(503, "server_error", str(error), code="logo_unusable") from error
    return Response(
        statement_pdf(month_statement, language, logo),
        media_type="application/pdf",
        headers={
            "content-disposition": f'attachment; filename="statement-{month_statement.number}.pdf"',
            "cache-control": "no-store",
        },
    )


def statement_body(statement: Statement) -> StatementBody:
    return StatementBody(
        number=statement.number,
        seller=statement.seller,
        customer=statement.customer,
        customer_vat_number=statement.customer_vat_number,
        month=statement.month.name,
        starts_at=statement.month.starts_at,
        ends_at=statement.month.ends_at,
        final=statement.final,
        currency=statement.currency,
        lines=[
            StatementLineBody(
                workspace=line.workspace,
                model=line.model,
                requests=line.requests,
                prompt_tokens=line.prompt_tokens,
                cached_tokens=line.cached_tokens,
                completion_tokens=line.completion_tokens,
                cost_microcents=line.cost,
            )
            for line in statement.lines
        ],
        cost_microcents=statement.exact,
        net_cents=statement.net,
        vat_percent=f"{statement.vat_percent.normalize():f}",
        vat_cents=statement.vat,
        total_cents=statement.total,
    )
