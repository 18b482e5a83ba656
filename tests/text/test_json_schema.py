"""Grammars of JSON schemas: every written value matches, and no value runs into a dead end.

jsonschema decides what matches.
"""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any, ClassVar

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.grammar_walks import takes, walk

from aquilon.text.grammar import COMPACT, SPACED, GrammarError, check, json_value, lark, of_rules

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}}
ONE = {"$ref": "#/$defs/Person"}


def rules(schema: dict[str, Any], writing: dict[str, Any] = COMPACT) -> str:
    grammar = f"start: {json_value(schema, writing=writing)}"
    check(of_rules(grammar))
    return grammar


def holds(schema: dict[str, Any], value: Any) -> bool:
    """Whether the schema's grammar allows the value, in some order of an object's properties."""
    orders = map(dict, permutations(value.items())) if isinstance(value, dict) else [value]
    return any(takes(rules(schema), json.dumps(ordered)) for ordered in orders)


def refusal(schema: dict[str, Any]) -> str:
    with pytest.raises(GrammarError) as caught:
        rules(schema)
    return str(caught.value)


class TestClosing:
    """An object has the properties that its schema names."""

    @pytest.mark.parametrize(
        "schema",
        [
            PERSON,
            {"$ref": "#/$defs/Person", "description": "Somebody."},
            {"anyOf": [ONE, {"type": "null"}]},
            {"allOf": [ONE]},
            {"oneOf": [ONE, {"type": "null"}]},
        ],
    )
    def test_only_named_properties_are_written_wherever_the_object_is_described(self, schema: dict[str, Any]) -> None:
        within = {"type": "object", "properties": {"one": schema}, "$defs": {"Person": PERSON}}
        assert holds(within, {"one": {"name": "Ada"}})
        assert not holds(within, {"one": {"name": "Ada", "age": 3}})
        assert not holds(within, {"one": {}, "two": {}})

    def test_the_schemas_own_rule_for_other_properties_is_kept(self) -> None:
        assert holds(PERSON | {"additionalProperties": True}, {"name": "a", "age": "b"})
        assert holds(PERSON | {"additionalProperties": {"type": "integer"}}, {"age": 3})
        assert not holds(PERSON | {"additionalProperties": {"type": "integer"}}, {"age": "b"})
        assert holds({"type": "object"}, {"anything": 1})
        assert holds(PERSON | {"patternProperties": {"^x": {"type": "integer"}}}, {"name": "a", "xy": 1})

    def test_combined_schemas_stay_open_so_that_each_may_name_properties(self) -> None:
        age = {"properties": {"age": {"type": "integer"}}}
        for schema in ({"allOf": [ONE, age]}, ONE | age, {"type": "object", **age, "anyOf": [ONE]}):
            assert holds({**schema, "$defs": {"Person": PERSON}}, {"name": "Ada", "age": 3})

    def test_a_definition_is_closed_where_it_stands_alone_and_open_where_it_is_combined(self) -> None:
        both = {"allOf": [ONE, {"properties": {"age": {"type": "integer"}}}]}
        schema = {"type": "object", "properties": {"a": ONE, "b": both}, "$defs": {"Person": PERSON}}
        assert holds(schema, {"b": {"name": "Ada", "age": 3}})
        assert not holds(schema, {"a": {"name": "Ada", "age": 3}})


def an_animal(name: str, key: str, **more: Any) -> dict[str, Any]:
    kind = {"const": name, "type": "string"}
    animal = {"type": "object", "properties": {"kind": kind, key: {"type": "integer"}}, "required": ["kind", key]}
    return animal | more


class TestUnions:
    """As pydantic and OpenAPI write them."""

    ANIMALS: ClassVar = {"Cat": an_animal("cat", "lives"), "Dog": an_animal("dog", "age")}

    @pytest.mark.parametrize(
        "branches",
        [list(ANIMALS.values()), [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]],
        ids=["in place", "by reference"],
    )
    def test_branches_that_exclude_each_other_are_allowed_and_closed(self, branches: list[Any]) -> None:
        pet = {"oneOf": branches, "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/Cat"}}}
        schema = {"type": "object", "properties": {"pet": pet}, "$defs": self.ANIMALS}
        assert holds(schema, {"pet": {"kind": "cat", "lives": 9}})
        assert not holds(schema, {"pet": {"kind": "cat", "lives": 9, "age": 1}})
        assert not holds(schema, {"pet": {"kind": "cat", "age": 9}})

    def test_a_property_that_distinguishes_branches_is_written_though_it_is_optional(self) -> None:
        branches = [animal | {"required": ["kind"][:0]} for animal in self.ANIMALS.values()]
        assert holds({"oneOf": branches}, {"kind": "dog"})
        assert not holds({"oneOf": branches}, {})  # which would be both

    def test_branches_that_may_both_match_are_refused(self) -> None:
        assert "oneOf" in refusal({"oneOf": [{"type": "integer"}, {"type": "number"}]})
        assert "oneOf" in refusal({"oneOf": [PERSON, {"type": "object", "properties": {"age": {}}}]})


class TestReferences:
    @pytest.mark.parametrize(
        "schema",
        [
            {"$ref": "#"},
            {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
            {"type": "object", "properties": {"x": ONE}, "required": ["x"], "$defs": {"Person": ONE}},
            {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
            {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
            {"anyOf": [{"$ref": "#"}, {"allOf": [{"$ref": "#"}, {"type": "null"}]}]},
        ],
    )
    def test_references_that_lead_only_to_themselves_are_refused(self, schema: dict[str, Any]) -> None:
        assert "leads back to itself" in refusal(schema)

    def test_a_recursive_schema_that_can_end_is_allowed(self) -> None:
        chain = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
        assert holds(chain | {"required": ["next"]}, {"next": {"next": None}})
        nested = {"type": "array", "items": {"$ref": "#"}}
        assert holds(nested, [[], [[]]])
        assert holds({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, None)

    def test_an_optional_part_that_can_never_end_is_never_written(self) -> None:
        endless = {"Person": {"type": "object", "properties": {"x": ONE}, "required": ["x"]}}
        schema = {"type": "object", "properties": {"a": ONE, "b": {"type": "null"}}, "$defs": endless}
        assert holds(schema, {"b": None})
        assert not holds(schema, {"a": {}})
        assert holds({"type": "array", "items": ONE, "$defs": endless}, [])
        assert holds({"anyOf": [ONE, {"type": "null"}], "$defs": endless}, None)

    @pytest.mark.parametrize("kind", ["items", "anyOf", "$ref", "properties"])
    def test_very_many_nested_references_are_refused_before_a_stack_overflows(self, kind: str) -> None:
        def step(number: int) -> dict[str, Any]:
            inner = {"$ref": f"#/$defs/{number + 1}"}
            steps: dict[str, dict[str, Any]] = {
                "items": {"type": "array", "items": inner},
                "anyOf": {"anyOf": [{"type": "null"}, inner]},
                "properties": {"type": "object", "properties": {"a": inner}},
            }
            return steps.get(kind, inner)

        def chain(length: int) -> dict[str, Any]:
            steps = {str(number): step(number) for number in range(length)}
            return {"$ref": "#/$defs/0", "$defs": steps | {str(length): {"type": "null"}}}

        rules(chain(100))
        assert "more than 500 schemas" in refusal(chain(1500))
        with pytest.raises(GrammarError, match="more than 500 schemas"):
            lark(f"start: %json {json.dumps(chain(1500))}")

    def test_references_to_anything_outside_the_schema_are_refused(self) -> None:
        for reference in ("#/$defs/Nobody", "https://example.com/schema.json", "#nowhere", 5):
            assert "isn't in it" in refusal({"$ref": reference})
        assert "address" in refusal({"$ref": "#/$defs/A", "$defs": {"A": {"$id": "https://example.com/a"}}})
        assert holds({"$id": "https://x/y", "$ref": "https://x/y#/$defs/A", "$defs": {"A": {"const": 1}}}, 1)

    def test_pointers_and_anchors_are_followed(self) -> None:
        for reference in ("#/$defs/a~1b%20c", "#there"):
            schema = {"$ref": reference, "$defs": {"a/b c": {"$anchor": "there", "const": 1}}}
            assert holds(schema, 1)
            assert not holds(schema, 2)

    def test_a_property_may_have_the_name_of_a_keyword(self) -> None:
        schema = {"type": "object", "properties": {"$ref": {"const": 1}, "title": {"const": 2}, "oneOf": {"const": 3}}}
        assert holds(schema, {"$ref": 1, "title": 2, "oneOf": 3})


class TestKeywords:
    @pytest.mark.parametrize("format_", ["path", "binary", "password", "uuid4", "regex", "uri-reference", "idn-email"])
    def test_an_unknown_format_is_an_annotation(self, format_: str) -> None:
        assert holds({"type": "string", "format": format_}, "anything")
        assert not holds({"type": "string", "format": "date"}, "anything")

    def test_a_required_name_is_a_property_too(self) -> None:
        schema = PERSON | {"required": ["name", "age"]}
        assert holds(schema, {"name": "Ada", "age": [1]})
        assert not holds(schema, {"name": "Ada"})
        assert holds(schema | {"additionalProperties": {"type": "integer"}}, {"name": "Ada", "age": 3})
        assert not holds(schema | {"additionalProperties": {"type": "integer"}}, {"name": "Ada", "age": [1]})
        assert "age" in refusal(schema | {"additionalProperties": False})

    def test_the_number_of_properties_is_bounded(self) -> None:
        three = {"type": "object", "properties": {name: {"type": "integer"} for name in "abc"}}
        for least, most in ((1, 3), (2, 2), (0, 1), (3, 3), (0, 0)):
            schema = three | {"minProperties": least, "maxProperties": most}
            for count in range(4):
                value = dict.fromkeys("abc"[:count], 1)
                assert holds(schema, value) == (least <= count <= most)
        assert holds(three | {"minProperties": 4}, {"a": 1, "b": 1, "c": 1, "d": 1})
        assert not holds(three | {"minProperties": 4}, {"a": 1, "b": 1, "c": 1})

    @pytest.mark.parametrize(
        "bounds",
        [
            {"minimum": -(2**63), "maximum": 2**63 - 1},
            {"minimum": -(2**63)},
            {"maximum": 2**63 - 1},
            {"minimum": -(10**19), "maximum": 10**19},
            {"exclusiveMinimum": -1e300, "exclusiveMaximum": 1e300},
        ],
    )
    @pytest.mark.parametrize("type_", ["integer", "number"])
    def test_bounds_as_wide_as_a_64_bit_integer_work(self, bounds: dict[str, Any], type_: str) -> None:
        for value in (0, -5, 2**53 + 1, -(2**62)):
            assert holds({"type": type_, **bounds}, value)
        assert not holds({"type": type_, "minimum": 0, "maximum": 2**63}, 2**63 + 1024)

    def test_a_bound_that_no_float_represents_is_exact(self) -> None:
        assert not holds({"type": "integer", "minimum": 2**53 + 1}, 2**53)
        assert not holds({"type": "integer", "maximum": 2**53 + 3}, 2**53 + 4)


class TestPatternsOfNames:
    @pytest.mark.parametrize("pattern", ["^score$", "^(score|name)$", "^[s]core$", "^sco.e{1,2}$"])
    def test_a_comma_is_written_where_a_name_can_follow(self, pattern: str) -> None:
        named = {name: {"type": "integer", "maximum": 9, "minimum": 0} for name in ("score", "name")}
        schema = {"type": "object", "properties": named, "required": ["score", "name"]}
        schema |= {"additionalProperties": False, "patternProperties": {pattern: {"type": "integer"}}}
        for seed in range(20):
            assert walk(rules(schema), seed).end != "dead"

    def test_a_property_that_a_pattern_matches_follows_both_schemas(self) -> None:
        schema = {"type": "object", "properties": {"score": {"type": "integer"}}}
        for pattern in ("^score$", "^s", "or"):
            with_pattern = schema | {"patternProperties": {pattern: {"type": "integer", "minimum": 5, "maximum": 9}}}
            assert holds(with_pattern, {"score": 7})
            assert not holds(with_pattern, {"score": 3})

    def test_an_exact_pattern_is_a_name_that_occurs_once(self) -> None:
        schema = {"type": "object", "patternProperties": {"^a$": {"const": 1}, "^(b|c)$": {"const": 2}}}
        assert holds(schema, {"a": 1, "c": 2})
        assert not takes(rules(schema), '{"a": 1, "a": 1}')

    def test_a_pattern_that_backtracks_without_end_in_python_takes_no_time(self) -> None:
        schema = {"type": "object", "properties": {"a" * 40 + "!": {}}, "patternProperties": {"^(a+)+$": {}}}
        assert holds(schema, {"aa": 1})

    def test_very_many_patterns_are_refused(self) -> None:
        patterns = {f"^x{number}[ab]$": {} for number in range(200)}
        assert "patterns" in refusal({"type": "object", "properties": {"a": {}}, "patternProperties": patterns})


class TestSpace:
    """Between two tokens of JSON at most one blank, or one line break with its indentation."""

    SCHEMA: ClassVar = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "integer"}}},
        "required": ["a"],
    }

    @pytest.mark.parametrize(
        "text", ['{"a":[1,2]}', '{"a": [1, 2]}', '{ "a" : [ 1 ] }', json.dumps({"a": [1]}, indent=8)]
    )
    def test_json_may_be_compact_spaced_or_indented(self, text: str) -> None:
        assert takes(rules(self.SCHEMA, SPACED), text)

    @pytest.mark.parametrize("gap", ["  ", "\n\n", "\n \n", " \n", "\n" + " " * 33])
    @pytest.mark.parametrize(
        "place", ['{GAP"a": [1]}', '{"a"GAP: [1]}', '{"a":GAP[1]}', '{"a": [1GAP]}', '{"a": [1]GAP}']
    )
    def test_longer_space_is_refused_everywhere(self, place: str, gap: str) -> None:
        assert not takes(rules(self.SCHEMA, SPACED), place.replace("GAP", gap))

    def test_no_space_comes_before_or_after_the_value(self) -> None:
        for text in (' {"a":[]}', '{"a":[]}\n'):
            assert not takes(rules(self.SCHEMA, SPACED), text)


NAMES = st.sampled_from(["a", "b", "score"])
PATTERNS = st.sampled_from(["^a$", "^b$", "^(a|b)$", "^s", "^[ab]$", "^[a-c]{1,2}$"])
REFERENCES = st.sampled_from([{"$ref": "#"}, {"$ref": "#/$defs/D"}, {"$ref": "#/$defs/E"}])
VALUES = st.sampled_from(["x", "y", 1, 2, None])
SCALARS = st.one_of(
    st.sampled_from([{"type": "null"}, {"type": "boolean"}, {"type": "integer"}, True, False]),
    st.sampled_from([{"type": "integer", "minimum": 0, "maximum": 5}, {"type": "number", "minimum": 5, "maximum": 9}]),
    st.sampled_from([{"type": "string", "maxLength": 3}, {"type": "string", "format": "date"}, {"format": "path"}]),
    st.builds(lambda value: {"const": value}, VALUES),
    st.builds(lambda values: {"enum": values}, st.lists(VALUES, min_size=1, max_size=3, unique=True)),
)


def larger(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(schemas, min_size=1, max_size=3)
    objects = st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(NAMES, schemas, max_size=3),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": schemas,
            "patternProperties": st.dictionaries(PATTERNS, schemas, min_size=1, max_size=2),
            "maxProperties": st.integers(0, 3),
            "anyOf": some,
        },
    )
    lists = st.fixed_dictionaries(
        {"type": st.just("array"), "maxItems": st.just(2)},
        optional={"items": schemas, "prefixItems": some, "minItems": st.integers(0, 2)},
    )
    unions = st.builds(lambda key, branches: {key: branches}, st.sampled_from(["anyOf", "oneOf", "allOf"]), some)
    return objects | lists | unions


SCHEMAS = st.recursive(SCALARS | REFERENCES, larger, max_leaves=12)


@given(SCHEMAS, SCHEMAS, SCHEMAS, st.integers(0, 2**32))
def test_every_written_value_matches_and_can_be_completed(schema: Any, one: Any, other: Any, seed: int) -> None:
    assume(isinstance(schema, dict))
    schema = schema | {"$defs": {"D": one, "E": other}}
    try:
        grammar = rules(schema, SPACED)
    except GrammarError:
        return
    for number in range(4):
        end, text = walk(grammar, seed + number)
        assert end != "dead", text
        if end == "whole":
            try:
                value = json.loads(text, object_pairs_hook=_each_once)
                jsonschema.Draft202012Validator(schema).validate(value)
            except (_Twice, RecursionError):  # free names may repeat; jsonschema follows a recursive schema without end
                continue


class _Twice(Exception):
    pass


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _Twice
    return dict(pairs)
