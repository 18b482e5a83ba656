"""Schemas that leave open which properties there are: an answer has those that they name."""

from __future__ import annotations

from typing import Any

from aquilon.text.grammar import closed

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}}


def test_objects_have_no_properties_but_those_that_are_named_wherever_they_are_described() -> None:
    schema = {
        "type": "object",
        "properties": {"one": PERSON, "more": {"type": "array", "items": {"$ref": "#/$defs/Person"}}},
        "$defs": {"Person": PERSON},
    }
    made = closed(schema)
    for described in (made, made["properties"]["one"], made["$defs"]["Person"]):
        assert described["additionalProperties"] is False
    assert "additionalProperties" not in PERSON


def test_what_is_said_of_other_properties_stays() -> None:
    for said in (True, {"type": "integer"}):
        assert closed(PERSON | {"additionalProperties": said})["additionalProperties"] == said
    assert "additionalProperties" not in closed({"type": "object"})


def test_what_is_combined_stays_open_so_that_each_part_may_name_its_own() -> None:
    reference = {"$ref": "#/$defs/Person"}
    combined: list[dict[str, Any]] = [
        {"allOf": [reference, {"properties": {"age": {"type": "integer"}}}]},
        reference | {"properties": {"age": {"type": "integer"}}},
    ]
    for schema in combined:
        made = closed(schema | {"$defs": {"Person": PERSON}})
        assert "additionalProperties" not in made["$defs"]["Person"]
        assert "additionalProperties" not in made
