"""Schemas that leave open which properties there are: an answer has those that they name."""

from __future__ import annotations

from typing import Any

import pytest

from aquilon.text.grammar import GrammarError, check_begun, closed, of_rules

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


def test_what_a_schema_parts_its_definitions_by_leaves_them_open() -> None:
    one = {"$ref": "#/$defs/Person"}
    for schema in (
        {"oneOf": [one, {"type": "object"}]},
        {"not": one},
        {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"], "anyOf": [one]},
        {"type": "object", "patternProperties": {"^x": one}},
    ):
        assert "additionalProperties" not in closed({**schema, "$defs": {"Person": PERSON}})["$defs"]["Person"]


def test_a_beginning_is_held_in_pieces_and_no_longer_one_than_is_quick() -> None:
    anything = of_rules("start: /(?s:.*)x/")
    check_begun(anything, "ä" * 4000, vocab_size=300)
    with pytest.raises(GrammarError, match="more than 8 KiB"):
        check_begun(anything, "ä" * 4100, vocab_size=300)
    with pytest.raises(GrammarError, match="can't go on with"):
        check_begun(of_rules("start: /a+b/"), "a" * 300 + "c" + "a" * 300, vocab_size=300)
