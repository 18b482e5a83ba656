"""The fields for an answer's format, in OpenAI's, Mistral's and vLLM's shapes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from pydantic import Field, StringConstraints, WithJsonSchema

from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import ApiError, invalid, unsupported
from aquilon.request import Choice, Grammar, JsonObject, JsonSchema, OutputFormat, Regex
from aquilon.text.grammar import MAX_GRAMMAR_BYTES

MAX_OPTIONS = 1024
MAX_DEPTH = 100
"""The most levels of nesting in a JSON schema."""

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=MAX_GRAMMAR_BYTES)]
Options = Annotated[
    list[Annotated[str, StringConstraints(max_length=10_000)]], Field(min_length=1, max_length=MAX_OPTIONS)
]
Schema = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "boolean"}, {"type": "string"}], "title": "Schema"})
]
"""A JSON schema, or its text. `schema_object` checks it, and its errors say more than pydantic's."""


class JsonSchemaFields(Fields):
    name: str = Field("answer", max_length=256)
    description: str | None = None
    schema_: Schema | None = Field(None, alias="schema")
    strict: bool | None = Field(None, description="For upstreams. Here an answer always matches its schema.")


class ResponseFormat(Fields):
    """OpenAI's and Mistral's shape: `text`, `json_object`, or `json_schema` with the schema."""

    type: str = Field(max_length=100)
    json_schema: JsonSchemaFields | None = None

    def format(self) -> OutputFormat | None:
        """The canonical format; None for free text. Raises ApiError 400."""
        if self.type == "text":
            return None
        if self.type == "json_object":
            extra = (self.model_extra or {}).get("schema")  # llama.cpp's shape
            return JsonObject() if extra is None else JsonSchema(schema_object(extra, "response_format.schema"))
        if self.type != "json_schema":
            raise unsupported(f"response_format '{self.type}' is", param="response_format")
        fields = self.json_schema
        if fields is None or fields.schema_ is None:
            raise invalid(
                "response_format 'json_schema' needs 'json_schema' with 'schema'", param="response_format.json_schema"
            )
        schema = schema_object(fields.schema_, "response_format.json_schema")
        return JsonSchema(schema, fields.name, fields.description, fields.strict)


class StructuredOutputs(Fields):
    """vLLM's shape: exactly one of these fields."""

    json_: Schema | None = Field(None, alias="json", description="A JSON schema, or its text.")
    regex: Pattern | None = None
    choice: Options | None = None
    grammar: Pattern | None = Field(None, description="A grammar in llguidance's Lark dialect or in GBNF.")
    json_object: bool | None = None

    def format(self, param: str = "structured_outputs") -> OutputFormat:
        """The canonical format. Raises ApiError 400 unless exactly one field is set."""
        formats: list[OutputFormat] = []
        if self.json_ is not None:
            formats.append(JsonSchema(schema_object(self.json_, param, may_be_text=True)))
        if self.regex is not None:
            formats.append(Regex(self.regex))
        if self.choice is not None:
            formats.append(Choice(tuple(self.choice)))
        if self.grammar is not None:
            formats.append(Grammar(self.grammar))
        if self.json_object:
            formats.append(JsonObject())
        if len(formats) != 1:
            raise invalid(
                f"{param} takes exactly one of json, json_object, regex, choice and grammar; {len(formats)} are set",
                param=param,
            )
        return formats[0]


def one_format(*formats: OutputFormat | None) -> OutputFormat | None:
    """The format that is set, if any. Raises ApiError 400 for several formats."""
    present = [format_ for format_ in formats if format_ is not None]
    if len(present) > 1:
        raise invalid(
            f"{len(present)} formats are set, but an answer has one: "
            "send one of response_format, structured_outputs, json_schema, grammar and the guided_ fields",
            param="response_format",
        )
    return present[0] if present else None


def require_shallow(value: Any, param: str) -> None:
    """Raises ApiError 400 for JSON that is nested more than `MAX_DEPTH` levels deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise _no_schema(param, f"it is nested more than {MAX_DEPTH} levels deep")


def schema_object(schema: Any, param: str, *, may_be_text: bool = False) -> dict[str, Any]:
    """The schema as a dict. Raises ApiError 400 unless it is a JSON schema that something can match, not too deep."""
    if isinstance(schema, str) and may_be_text:
        try:
            schema = msgspec.json.decode(schema)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _no_schema(param, f"it isn't valid JSON: {error}") from None
    if schema is True:
        return {}
    if schema is False:
        raise _no_schema(param, "nothing matches it")
    if not isinstance(schema, dict):
        kind = {str: "a text", list: "a list", int: "a number", float: "a number"}.get(type(schema), "null")
        raise _no_schema(param, f"it is {kind}, and a schema is an object, true or false")
    require_shallow(schema, param)
    return schema


def _no_schema(param: str, why: str) -> ApiError:
    return invalid(f"No grammar can hold this JSON schema: {why}", param=param, code="invalid_schema")
