"""What ``/openapi.json`` says of bodies: requests are pydantic models, answers are msgspec structs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_REFERENCE = "#/components/schemas/{name}"
_ERROR = {"$ref": _REFERENCE.format(name="ErrorBody")}


def request_body(fields: type[BaseModel]) -> dict[str, Any]:
    """For a route's ``openapi_extra``."""
    schema = {"$ref": _REFERENCE.format(name=fields.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answers(
    ok: type[msgspec.Struct] | None,
    *,
    description: str,
    status: int = 200,
    stream: Sequence[type[msgspec.Struct]] = (),
    other: str | None = None,
) -> dict[int | str, dict[str, Any]]:
    """For a route's ``responses``: the good answer, and the one shape that every error has.

    ``stream``: what its events may be, if it comes in pieces; an error may be one of them.
    ``other`` is a media type that the good answer may have instead, as for a download.
    """
    content: dict[str, Any] = {}
    if ok is not None:
        content["application/json"] = {"schema": _reference(ok)}
    if stream:
        content["text/event-stream"] = {"schema": _event(stream)}
    if other is not None:
        content[other] = {"schema": {"type": "string"}}
    good: dict[str, Any] = {"description": description}
    if content:
        good["content"] = content
    return {
        status: good,
        "4XX": error_answer("What is wrong with the request"),
        "5XX": error_answer("What is wrong with the server"),
    }


def error_answer(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ERROR}}}


def components(requests: list[type[BaseModel]], structs: list[type[msgspec.Struct]]) -> dict[str, Any]:
    _, schema = models_json_schema(
        [(fields, "validation") for fields in requests], ref_template=_REFERENCE.replace("{name}", "{model}")
    )
    _, found = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
    return {**schema.get("$defs", {}), **found}


def _reference(struct: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=struct.__name__)}


def _event(stream: Sequence[type[msgspec.Struct]]) -> dict[str, Any]:
    """One of a stream's events, as OpenAPI 3.2 describes them: text, all of which is JSON but a last ``[DONE]``."""
    data = {"anyOf": [*map(_reference, stream), _ERROR]}
    text = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    return {"type": "object", "required": ["data"], "properties": {"event": {"type": "string"}, "data": text}}
