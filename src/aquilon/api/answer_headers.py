"""Headers that a request collects for its answer, whether that is whole, streamed or an error."""

from __future__ import annotations

from collections.abc import MutableMapping
from email.utils import formatdate
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.types import Scope

from aquilon.api.services import services
from aquilon.catalogue.card import ModelCard


def answer_headers(connection: HTTPConnection) -> MutableMapping[str, str]:
    """The headers to add to this request's answer, until its first byte is sent. Names are in lower case."""
    return collected_headers(connection.scope)


def collected_headers(scope: Scope) -> MutableMapping[str, str]:
    """The same mapping, for a caller that has only the ASGI scope."""
    headers: MutableMapping[str, str] = scope["state"].setdefault("answer_headers", {})
    return headers


def model_answer_headers(connection: HTTPConnection, model: str) -> MutableMapping[str, str]:
    """`answer_headers`, with those that announce the retirement of the model of exactly this name."""
    headers = answer_headers(connection)
    card = services(connection).catalogue.get(model)
    if card is not None:
        headers.update(retirement_headers(card))
    return headers


def retirement_headers(card: ModelCard) -> dict[str, str]:
    """``Sunset`` (RFC 8594), ``Deprecation`` (RFC 9745) and a link to the successor; empty without a retirement."""
    if card.retires_at is None:
        return {}
    headers = {"sunset": formatdate(card.retires_at, usegmt=True)}
    if card.deprecated_at is not None:
        headers["deprecation"] = f"@{card.deprecated_at}"
    if card.replacement is not None:
        headers["link"] = f'</v1/models/{quote(card.replacement)}>; rel="successor-version"'
    return headers
