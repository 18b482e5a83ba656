"""The schemas of bodies in ``/openapi.json``: requests are pydantic models, answers are msgspec structs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

Answer = type[msgspec.Struct]
"""A struct, or a generic one of a struct such as ``PageOf[UserBody]``."""

_REFERENCE = "#/components/schemas/{name}"
_ERROR = {"$ref": _REFERENCE.format(name="ErrorBody")}


def request_body(fields: type[BaseModel]) -> dict[str, Any]:
    """For a route's ``openapi_extra``."""
    schema = {"$ref": _REFERENCE.format(name=fields.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answers(
    ok: Answer | None,
    *,
    description: str,
    status: int = 200,
    stream: Sequence[type[msgspec.Struct]] = (),
    other: str | None = None,
) -> dict[int | str, dict[str, Any]]:
    """For a route's ``responses``: the good answer, and the shape that every error has.

    ``stream``: the types of its events, if it may be streamed; an error may be one of them.
    ``other``: a media type that the good answer may have instead, as for a download.
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
        "4XX": error_answer("The request is refused; the body says why."),
        "5XX": error_answer("The server can't answer; the body says why."),
    }


def error_answer(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ERROR}}}


def components(requests: Iterable[type[BaseModel]], structs: Iterable[Answer]) -> dict[str, Any]:
    _, schema = models_json_schema(
        [(fields, "validation") for fields in dict.fromkeys(requests)],
        ref_template=_REFERENCE.replace("{name}", "{model}"),
    )
    structs = list(dict.fromkeys(structs))
    _, bodies = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
    return {**schema.get("$defs", {}), **{_plain(name): body for name, body in bodies.items()}}


def _reference(struct: Answer) -> dict[str, str]:
    generic, arguments = get_origin(struct), get_args(struct)
    name = "".join(type_.__name__ for type_ in (generic, *arguments)) if generic is not None else struct.__name__
    return {"$ref": _REFERENCE.format(name=name)}


def _plain(name: str) -> str:
    """``PageOfUserBody`` for ``PageOf_UserBody_``, which is msgspec's name of the generic struct."""
    return name.replace("_", "")


def _event(stream: Sequence[type[msgspec.Struct]]) -> dict[str, Any]:
    """A stream's event, described as in OpenAPI 3.2: its data is JSON, except for the last, which is ``[DONE]``."""
    data = {"anyOf": [*map(_reference, stream), _ERROR]}
    text = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    return {"type": "object", "required": ["data"], "properties": {"event": {"type": "string"}, "data": text}}
