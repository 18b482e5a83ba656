"""Headers that a request earns on its way, for its answer: good or bad, whole or streamed."""

from __future__ import annotations

from collections.abc import MutableMapping
from email.utils import formatdate
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.types import Scope

from aquilon.api.services import services
from aquilon.catalogue.card import ModelCard


def answer_headers(connection: HTTPConnection) -> MutableMapping[str, str]:
    """To be added to until the answer's first byte; names in lower case."""
    return earned_headers(connection.scope)


def earned_headers(scope: Scope) -> MutableMapping[str, str]:
    headers: MutableMapping[str, str] = scope["state"].setdefault("answer_headers", {})
    return headers


def model_answer_headers(connection: HTTPConnection, model: str) -> MutableMapping[str, str]:
    """`answer_headers` of an answer by the model of exactly this name, with those that tell of its end."""
    headers = answer_headers(connection)
    card = services(connection).catalogue.get(model)
    if card is not None:
        headers.update(retirement_headers(card))
    return headers


def retirement_headers(card: ModelCard) -> dict[str, str]:
    """``Sunset`` (RFC 8594), ``Deprecation`` (RFC 9745) and a link to the successor; empty while no end is planned."""
    if card.retires_at is None:
        return {}
    headers = {"sunset": formatdate(card.retires_at, usegmt=True)}
    if card.deprecated_at is not None:
        headers["deprecation"] = f"@{card.deprecated_at}"
    if card.replacement is not None:
        headers["link"] = f'</v1/models/{quote(card.replacement)}>; rel="successor-version"'
    return headers
