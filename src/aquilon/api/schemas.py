"""The schemas of bodies in ``/openapi.json``: requests are pydantic models, answers are msgspec structs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import GenericAlias
from typing import Any, get_args, get_origin

import msgspec
import msgspec.inspect
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

Answer = type[msgspec.Struct] | GenericAlias
"""A struct, a generic one of a struct such as ``PageOf[UserBody]``, or a list of structs: ``list[UserBody]``."""

_REFERENCE = "#/components/schemas/{name}"
_OMITTED = (list, dict, set)
"""The factories whose defaults msgspec can leave out."""
_ERROR = {"$ref": _REFERENCE.format(name="ErrorBody")}


def request_body(*fields: type[BaseModel]) -> dict[str, Any]:
    """For a route's ``openapi_extra``. Several ``fields``: the body has those of one of them."""
    schema = _any_of([{"$ref": _REFERENCE.format(name=one.__name__)} for one in fields])
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answers(
    ok: Sequence[Answer],
    *,
    description: str,
    status: int = 200,
    stream: Sequence[type[msgspec.Struct]] = (),
    other: str | None = None,
) -> dict[int | str, dict[str, Any]]:
    """For a route's ``responses``: the good answer, one of ``ok``, and the shape that every error has.

    ``stream``: the types of its events, if it may be streamed; an error may be one of them.
    ``other``: a media type that the good answer may have instead, as for a download.
    """
    content: dict[str, Any] = {}
    if ok:
        content["application/json"] = {"schema": _any_of([_reference(one) for one in ok])}
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


def error_answer(description: str, body: Answer | None = None) -> dict[str, Any]:
    """``body``: the error of another dialect than OpenAI's and Mistral's."""
    schema = _ERROR if body is None else _reference(body)
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def components(requests: Iterable[type[BaseModel]], structs: Iterable[Answer]) -> dict[str, Any]:
    _, schema = models_json_schema(
        [(fields, "validation") for fields in dict.fromkeys(requests)],
        ref_template=_REFERENCE.replace("{name}", "{model}"),
    )
    structs = list(dict.fromkeys(get_args(one)[0] if get_origin(one) is list else one for one in structs))
    _, by_msgspec_name = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
    bodies = {name.replace("_", ""): body for name, body in by_msgspec_name.items()}  # PageOf_UserBody_
    for struct in _with_parts(structs):
        body = bodies.get(_name(struct), {})
        written = {*body.get("required", ()), *_always_written(struct)}
        if written:
            body["required"] = [name for name in body["properties"] if name in written]
    return {**schema.get("$defs", {}), **bodies}


def _always_written(struct: Any) -> set[str]:
    """A default makes a field optional to read, which nobody does; an answer has it all the same."""
    omits = (get_origin(struct) or struct).__struct_config__.omit_defaults
    return {
        field.encode_name
        for field in msgspec.structs.fields(struct)
        if field.default is not msgspec.UNSET
        and (not omits or (field.default is msgspec.NODEFAULT and field.default_factory not in _OMITTED))
    }


def _with_parts(structs: Sequence[Answer]) -> set[Answer]:
    """These structs and those in their fields."""
    parts: set[Answer] = set()

    def visit(part: Any) -> None:
        if isinstance(part, msgspec.inspect.StructType):
            if part.cls in parts:
                return
            parts.add(part.cls)
        if isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field):
            for name in part.__struct_fields__:
                visit(getattr(part, name))
        elif isinstance(part, tuple):
            for item in part:
                visit(item)

    visit(msgspec.inspect.multi_type_info(structs))
    return parts


def _reference(struct: Answer) -> dict[str, Any]:
    if get_origin(struct) is list:
        return {"type": "array", "items": _reference(get_args(struct)[0])}
    return {"$ref": _REFERENCE.format(name=_name(struct))}


def _name(struct: Answer) -> str:
    """``PageOfUserBody`` for ``PageOf[UserBody]``."""
    generic = get_origin(struct)
    return struct.__name__ if generic is None else "".join(part.__name__ for part in (generic, *get_args(struct)))


def _event(stream: Sequence[type[msgspec.Struct]]) -> dict[str, Any]:
    """A stream's event, described as in OpenAPI 3.2: its data is JSON, except for the last, which is ``[DONE]``."""
    data = {"anyOf": [*map(_reference, stream), _ERROR]}
    text = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    return {"type": "object", "required": ["data"], "properties": {"event": {"type": "string"}, "data": text}}
