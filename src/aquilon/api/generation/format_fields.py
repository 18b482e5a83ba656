"""What an answer must look like, as each kind of client asks for it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from pydantic import Field, StringConstraints

from aquilon.api.body import Fields
from aquilon.errors import ApiError, invalid, unsupported
from aquilon.request import Choice, Grammar, JsonObject, JsonSchema, OutputFormat, Regex
from aquilon.text.grammar import MAX_GRAMMAR_BYTES

MAX_OPTIONS = 1024
MAX_DEPTH = 100
"""Of a JSON schema."""

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=MAX_GRAMMAR_BYTES)]
Options = Annotated[
    list[Annotated[str, StringConstraints(max_length=10_000)]], Field(min_length=1, max_length=MAX_OPTIONS)
]
Schema = str | dict[str, Any]


class JsonSchemaFields(Fields):
    name: str = Field("answer", max_length=256)
    description: str | None = None
    schema_: dict[str, Any] | bool | None = Field(None, alias="schema")
    strict: bool | None = Field(None, description="Accepted: an answer always matches its schema.")


class ResponseFormat(Fields):
    """OpenAI's and Mistral's: `text`, `json_object`, or `json_schema` with the schema."""

    type: str = Field(max_length=100)
    json_schema: JsonSchemaFields | None = None

    def format(self) -> OutputFormat | None:
        """None is free text. Raises ApiError 400."""
        if self.type == "text":
            return None
        if self.type == "json_object":
            extra = (self.model_extra or {}).get("schema")  # llama.cpp's shape
            return JsonSchema(extra) if isinstance(extra, dict) else JsonObject()
        if self.type != "json_schema":
            raise unsupported(f"response_format '{self.type}' is", param="response_format")
        if self.json_schema is None or self.json_schema.schema_ is None:
            raise invalid(
                "response_format 'json_schema' needs 'json_schema' with 'schema'", param="response_format.json_schema"
            )
        return JsonSchema(_object(self.json_schema.schema_, "response_format.json_schema"), self.json_schema.name)


class StructuredOutputs(Fields):
    """vLLM's: one of these."""

    json_: Schema | None = Field(None, alias="json", description="A JSON schema, as it is or as text.")
    regex: Pattern | None = None
    choice: Options | None = None
    grammar: Pattern | None = Field(None, description="Lark as llguidance reads it, or GBNF.")
    json_object: bool | None = None

    def format(self, param: str = "structured_outputs") -> OutputFormat:
        """Raises ApiError 400 unless exactly one is there."""
        made: list[OutputFormat] = []
        if self.json_ is not None:
            made.append(JsonSchema(_object(self.json_, param)))
        if self.regex is not None:
            made.append(Regex(self.regex))
        if self.choice is not None:
            made.append(Choice(tuple(self.choice)))
        if self.grammar is not None:
            made.append(Grammar(self.grammar))
        if self.json_object:
            made.append(JsonObject())
        if len(made) != 1:
            raise invalid(
                f"{param} takes exactly one of json, json_object, regex, choice and grammar; {len(made)} are there",
                param=param,
            )
        return made[0]


def one_format(*formats: OutputFormat | None) -> OutputFormat | None:
    """The one that was asked for, if any. Raises ApiError 400 where there are several."""
    asked = [format_ for format_ in formats if format_ is not None]
    if len(asked) > 1:
        raise invalid(
            "An answer has one format: ask by response_format, by structured_outputs or by a guided_ field",
            param="response_format",
        )
    return asked[0] if asked else None


def require_shallow(value: Any, param: str) -> None:
    """Raises ApiError 400 for JSON that nobody nests so deep by hand."""
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


def _object(schema: Schema | bool, param: str) -> dict[str, Any]:
    if isinstance(schema, str):
        try:
            schema = msgspec.json.decode(schema)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _no_schema(param, f"it isn't valid JSON: {error}") from None
    if schema is True:
        return {}
    if not isinstance(schema, dict):
        raise _no_schema(param, "nothing matches it" if schema is False else "it is no object")
    require_shallow(schema, param)
    return schema


def _no_schema(param: str, why: str) -> ApiError:
    return invalid(f"No grammar can hold this JSON schema: {why}", param=param, code="invalid_schema")
