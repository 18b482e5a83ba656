"""JSON schemas as a grammar can hold them: what matches the prepared schema matches the given one.

What is open is closed, what leads nowhere is cut off, and what llguidance refuses or runs into a dead end with is
written another way, where there is one.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol
from urllib.parse import unquote

_ANNOTATIONS = frozenset(
    {"$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator"}
)
_PLACES = frozenset({"$defs", "definitions", "$anchor", "$id", "$schema"})
_NAMING = frozenset(
    {"properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"}
)
_COMBINING = frozenset(
    {"allOf", "anyOf", "oneOf", "$ref", "not", "if", "dependentSchemas", "unevaluatedProperties", "$dynamicRef"}
)
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "additionalItems")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri", "unknown"}
)
"""Those that a grammar holds. Every other is an annotation (JSON Schema 2020-12, validation, section 7.2)."""
_WIDEST = 2**63 - 1024
"""The largest float below 2**63: further bounds can't be told."""
_PLAIN, _OPEN, _EXACT = range(3)
"""What a schema may be narrowed to. Plain: whatever matches it. Open: something else is said of the same values, which
may name more properties, so that it isn't closed. Exact: nothing, since what doesn't match it counts too."""
_MOST_VARIANTS = 32
"""Of an object whose properties are counted: choices of those that are there."""
_MOST_LEVELS = 500
"""llguidance enters schemas recursively: at some 1,500 levels its stack overflows, and the process ends."""
_MOST_BRANCHES = 64
"""Of a ``oneOf`` that is looked into."""
_MOST_WORK = 20_000
"""Comparisons of two schemas."""
_MOST_PASSES = 50
_MOST_RESOLVED = 100
_TYPES = ("null", "boolean", "object", "array", "number", "string")
_EXACT_KEYS = re.compile(r"\^(?:\(\?:|\()([\w -]+(?:\|[\w -]+)*)\)\$|\^([\w -]+)\$")


class SchemaError(ValueError):
    """A schema that nothing can match; says why."""


class Names(Protocol):
    """Which names patterns match."""

    def match(self, pattern: str, name: str) -> bool: ...

    def exhausted(self, pattern: str, names: Sequence[str]) -> bool:
        """Whether a pattern matches none but these."""
        ...


def prepared(schema: dict[str, Any], names: Names) -> dict[str, Any]:
    """The schema with no properties but those it names, where it leaves that open, and without dead ends.

    A model asked for a name and an age is to answer with a name and an age. Raises SchemaError where nothing that
    ends matches it, for references that lead out of it, and where it goes too deep for llguidance.
    """
    document = _Document(schema)
    if document.levels() > _MOST_LEVELS:
        raise SchemaError(f"its references lead through more than {_MOST_LEVELS} schemas one within the other")
    return _Preparation(document, names).schema()


class _Document:
    """A schema and what its references lead to."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root
        self.anchors: dict[str, Any] = {}
        for node in _within(root):
            if isinstance(node, dict) and isinstance(anchor := node.get("$anchor"), str):
                self.anchors[anchor] = node
            if isinstance(node, dict) and node is not root and isinstance(node.get("$id"), str):
                raise SchemaError("a schema within it has an address ('$id'): refer to schemas as '#/$defs/NAME'")

    def target(self, node: dict[str, Any]) -> Any:
        """What its ``$ref`` leads to; None where it has none. Raises SchemaError for what isn't in the schema."""
        if "$ref" not in node:
            return None
        given, own = node["$ref"], self.root.get("$id")
        reference = (
            given.removeprefix(own.partition("#")[0]) if isinstance(given, str) and isinstance(own, str) else given
        )
        found = self._found(reference) if isinstance(reference, str) and reference.startswith("#") else None
        if not isinstance(found, dict | bool):
            raise SchemaError(f"it refers to {str(given)[:100]!r}, which isn't in it")
        return found

    def _found(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            return self.root if reference == "#" else self.anchors.get(reference[1:])
        found: Any = self.root
        for part in reference[2:].split("/"):
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return found

    def levels(self) -> int:
        """How many schemas may be entered one within the other at most, through references too.

        The longest path through the graph of schemas, in which each circle counts whole.
        """
        order = self.in_order()
        places = {id(node): place for place, node in enumerate(order)}
        within = [[places[id(each)] for each in self._entered(node)] for node in order]
        around: list[list[int]] = [[] for _ in order]
        for place, inner in enumerate(within):
            for each in inner:
                around[each].append(place)
        circles: list[list[int]] = []  # S. R. Kosaraju's algorithm: the outer ones come first
        circle_of = [-1] * len(order)
        for start in reversed(range(len(order))):
            if circle_of[start] >= 0:
                continue
            circles.append([])
            pending = [start]
            while pending:
                place = pending.pop()
                if circle_of[place] < 0:
                    circle_of[place] = len(circles) - 1
                    circles[-1].append(place)
                    pending += around[place]
        deep = [0] * len(circles)
        for number in reversed(range(len(circles))):
            entered = {circle_of[each] for place in circles[number] for each in within[place]} - {number}
            deep[number] = len(circles[number]) + max((deep[each] for each in entered), default=0)
        return max(deep, default=0)

    def in_order(self) -> list[dict[str, Any]]:
        """All that can be reached, first what others are made of."""
        order: list[dict[str, Any]] = []
        seen: set[int] = set()
        pending = [(self.root, False)]
        while pending:
            node, done = pending.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                pending.append((node, True))
                pending += [(each, False) for each in self._entered(node)]
        return order

    def _entered(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The schemas that a schema is made of; definitions only where it refers to them."""
        for each in (*_children(node, definitions=False), self.target(node)):
            if isinstance(each, dict):
                yield each

    def resolved(self, node: Any) -> Any:
        """Through references that stand by themselves, and ``allOf`` of one."""
        for _ in range(_MOST_RESOLVED):
            if not isinstance(node, dict):
                return node
            kept = node.keys() - _ANNOTATIONS - _PLACES
            if kept == {"$ref"} and (target := self.target(node)) is not None:
                node = target
            elif kept == {"allOf"} and isinstance(node["allOf"], list) and len(node["allOf"]) == 1:
                node = node["allOf"][0]
            else:
                return node
        return node


def _within(root: Any) -> Iterator[Any]:
    """A schema and all schemas in it."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, dict):
            pending += _children(node)


def _children(node: dict[str, Any], *, definitions: bool = True) -> Iterator[Any]:
    for key in _SINGLE:
        if isinstance(node.get(key), dict):
            yield node[key]
    for key in _LISTS:
        if isinstance(node.get(key), list):
            yield from node[key]
    for key in _MAPS:
        if isinstance(node.get(key), dict) and (definitions or key not in _PLACES):
            yield from node[key].values()


def _types(node: dict[str, Any]) -> tuple[str, ...]:
    """Those that a schema's ``type`` allows."""
    given = node.get("type")
    if isinstance(given, str):
        return (given,)
    return tuple(type_ for type_ in given if isinstance(type_, str)) if isinstance(given, list) else _TYPES


def _names(node: dict[str, Any]) -> list[str]:
    required = node.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class _Endings:
    """Which schemas something finite matches: those that don't require themselves, however far around.

    A least fixed point. ``false`` counts as such a schema: that nothing matches it is seen elsewhere.
    """

    def __init__(self, document: _Document, names: Names) -> None:
        self._document = document
        self._names = names
        self._ending: set[int] = set()
        order = document.in_order()
        for _ in range(_MOST_PASSES):
            before = len(self._ending)
            for node in order:
                if id(node) not in self._ending and any(self.ends_as(node, type_) for type_ in _types(node)):
                    self._ending.add(id(node))
            if len(self._ending) == before:
                break

    def add(self, node: dict[str, Any]) -> None:
        """A schema made of others."""
        self._ending.add(id(node))

    def ends(self, node: Any) -> bool:
        return not isinstance(node, dict) or id(node) in self._ending

    def ends_as(self, node: dict[str, Any], type_: str) -> bool:
        if "$ref" in node and not self.ends(self._document.target(node)):
            return False
        if together := _list(node.get("allOf")):
            kinds = [_kinds(each) for each in together if isinstance(each, dict)]
            if not all(map(self.ends, together)) or (kinds and not set.intersection(*kinds)):
                return False
        for key in ("anyOf", "oneOf"):
            if (branches := _list(node.get(key))) and not any(map(self.ends, branches)):
                return False
        if "const" in node or "enum" in node:
            return True
        if type_ == "object":
            return all(self.ends(self._property(node, name)) for name in _names(node))
        if type_ == "array":
            least = node.get("minItems", 0)
            prefix, rest = _items(node)
            if not isinstance(least, int) or least <= 0:
                return True
            return all(map(self.ends, prefix[:least])) and (least <= len(prefix) or self.ends(rest))
        return True

    def _property(self, node: dict[str, Any], name: str) -> Any:
        """The schema of one property; the first where several apply."""
        if name in (properties := _dict(node.get("properties"))):
            return properties[name]
        for pattern, schema in _dict(node.get("patternProperties")).items():
            if self._names.match(pattern, name):
                return schema
        return node.get("additionalProperties", True)


def _items(node: dict[str, Any]) -> tuple[list[Any], Any]:
    """Of a list's first places, and of all others."""
    items = node.get("items", True)
    if isinstance(items, list):
        return items, node.get("additionalItems", True)
    return _list(node.get("prefixItems")), items


class _Preparation:
    def __init__(self, document: _Document, names: Names) -> None:
        self._document = document
        self._names = names
        self._endings = _Endings(document, names)
        self._work = 0
        self._values: dict[int, set[str] | None] = {}
        self._references: dict[tuple[int, int], str] = {}
        self._pending: list[tuple[str, dict[str, Any], int]] = []
        """What references lead to, and isn't built yet."""
        self._definitions: dict[str, Any] = {}
        self._kept: list[Any] = []
        """Schemas made here, so that no other gets their identity."""

    def schema(self) -> dict[str, Any]:
        root = self._document.root
        if not self._endings.ends(root):
            raise SchemaError("nothing that ends matches it: it leads back to itself, and nowhere else")
        made = self._build(root, _PLAIN)
        if made is False:
            raise SchemaError("nothing matches it")
        made = {} if made is True else made
        while self._pending:
            name, target, use = self._pending.pop()
            self._definitions[name] = self._build(target, use)
        if "$schema" in root:
            made["$schema"] = root["$schema"]
        if self._definitions:
            made["$defs"] = self._definitions
        return made

    def _build(self, node: Any, use: int) -> Any:
        if not isinstance(node, dict):
            return node
        if not self._endings.ends(node):
            return False
        made = {key: value for key, value in node.items() if key not in _ANNOTATIONS and key not in _PLACES}
        if "$ref" in made and isinstance(target := self._document.target(node), bool):
            if target is False:
                return False
            del made["$ref"]
        if isinstance(made.get("format"), str) and made["format"] not in _FORMATS:
            del made["format"]
        if use != _EXACT:
            _narrow_bounds(made)
        if isinstance(made.get("type"), list):
            made["type"] = [type_ for type_ in made["type"] if self._endings.ends_as(node, type_)]
        combining = _COMBINING & made.keys()
        names = bool(_NAMING & made.keys())
        single = combining == {"allOf"} and isinstance(made["allOf"], list) and len(made["allOf"]) == 1
        if single and made.keys() == {"allOf"}:
            return self._build(made["allOf"][0], use)
        joined = len(combining) > 1 or (names and combining) or combining & {"allOf", "not", "if"}
        self._build_combined(made, node, max(use, _OPEN) if joined else use)
        use = max(use, _OPEN) if combining else use
        self._build_items(made, node, use)
        if names and "object" in _types(made) and _is_well_formed(made):
            return self._build_object(made, use)
        return made

    def _build_combined(self, made: dict[str, Any], node: dict[str, Any], use: int) -> None:
        if "$ref" in made:
            target = self._document.target(node)
            if isinstance(target, dict):
                made["$ref"] = self._reference(target, use if len(made) == 1 else max(use, _OPEN))
        if isinstance(made.get("allOf"), list):
            made["allOf"] = [self._build(each, max(use, _OPEN)) for each in made["allOf"]]
        if isinstance(made.get("oneOf"), list) and "anyOf" not in made:
            branches = [each for each in made["oneOf"] if self._endings.ends(each)]
            if (apart := self._apart(branches, use)) is not None:
                del made["oneOf"]
                made["anyOf"] = [self._build(each, use) for each in apart]
                return
        for key in ("anyOf", "oneOf"):
            if isinstance(made.get(key), list):
                within = _EXACT if key == "oneOf" else use
                made[key] = [self._build(each, within) for each in made[key] if self._endings.ends(each)]

    def _build_items(self, made: dict[str, Any], node: dict[str, Any], use: int) -> None:
        if not {"items", "prefixItems"} & made.keys() or not isinstance(made.get("prefixItems", []), list):
            return
        prefix, rest = _items(node)
        ending = list(itertools.takewhile(self._endings.ends, prefix))
        rest = rest if len(ending) == len(prefix) and self._endings.ends(rest) else False
        for key in ("items", "prefixItems", "additionalItems"):
            made.pop(key, None)
        if ending:
            made["prefixItems"] = [self._build(each, use) for each in ending]
        if rest is not True:
            made["items"] = self._build(rest, use)

    def _reference(self, target: dict[str, Any], use: int) -> str:
        key = id(target), use
        if key not in self._references:
            self._references[key] = f"_{len(self._references)}"
            self._pending.append((self._references[key], target, use))
        return f"#/$defs/{self._references[key]}"

    # Unions

    def _apart(self, branches: list[Any], use: int) -> list[Any] | None:
        """The branches of a ``oneOf`` of which no value matches two; None where that can't be seen.

        Where only the value of one property tells them apart, each requires it.
        """
        if len(branches) > _MOST_BRANCHES:
            return None
        pairs = list(itertools.combinations(branches, 2))
        if all(self._exclude(one, other) for one, other in pairs):
            return branches
        found = [self._document.resolved(branch) for branch in branches]
        if use == _EXACT or not all(isinstance(each, dict) and each.get("type") == "object" for each in found):
            return None
        for name in _dict(found[0].get("properties")):
            told = [_dict(each.get("properties")).get(name) for each in found]
            if all(isinstance(each, dict) for each in told) and all(
                self._exclude(one, other) for one, other in itertools.combinations(told, 2)
            ):
                return [self._requiring(each, name) for each in found]
        return None

    def _requiring(self, node: dict[str, Any], name: str) -> dict[str, Any]:
        return self._new(node | {"required": list(dict.fromkeys([*_names(node), name]))})

    def _new(self, node: dict[str, Any]) -> dict[str, Any]:
        """A schema that is made of given ones."""
        self._kept.append(node)
        if any(self._endings.ends_as(node, type_) for type_ in _types(node)):
            self._endings.add(node)
        return node

    def _exclude(self, one: Any, other: Any, depth: int = 4) -> bool:
        """Whether it can be seen that nothing matches both."""
        one, other = self._document.resolved(one), self._document.resolved(other)
        if one is False or other is False:
            return True
        self._work += 1
        if not isinstance(one, dict) or not isinstance(other, dict) or depth == 0 or self._work > _MOST_WORK:
            return False
        for a, b in ((one, other), (other, one)):
            for key, all_or_any in (("anyOf", all), ("oneOf", all), ("allOf", any)):
                if (branches := _list(a.get(key))) and all_or_any(self._exclude(e, b, depth - 1) for e in branches):
                    return True
        values, others = self._values_of(one), self._values_of(other)
        if values is not None and others is not None:
            return values.isdisjoint(others)
        types, other_types = _kinds(one), _kinds(other)
        if types.isdisjoint(other_types):
            return True
        if types & other_types != {"object"}:
            return False
        for a, b in ((one, other), (other, one)):
            theirs = _dict(b.get("properties"))
            for name in _names(a):
                ours = _dict(a.get("properties")).get(name)
                if name in theirs and self._exclude(ours, theirs[name], depth - 1):
                    return True
                if name not in theirs and b.get("additionalProperties") is False and not b.get("patternProperties"):
                    return True
        return False

    def _values_of(self, node: dict[str, Any]) -> set[str] | None:
        if id(node) not in self._values:
            self._values[id(node)] = _values(node)
        return self._values[id(node)]

    # Objects

    def _build_object(self, made: dict[str, Any], use: int) -> dict[str, Any]:
        patterns = dict(_dict(made.pop("patternProperties", None)))
        given = dict(_dict(made.get("properties")))
        rest = made.get("additionalProperties", True)
        for pattern in list(patterns):
            if (exact := _EXACT_KEYS.fullmatch(pattern)) is not None:
                schema = patterns.pop(pattern)
                for name in (exact[1] or exact[2]).split("|"):
                    given[name] = self._new({"allOf": [given[name], schema]}) if name in given else schema
        properties = {name: self._property_of(schema, name, patterns, use) for name, schema in given.items()}
        required = _names(made)
        for name in required:
            if name not in properties:
                properties[name] = self._property_of(None, name, patterns, use, otherwise=rest)
                if properties[name] is None:  # nothing may have this name: let it be refused
                    del properties[name]
        patterns = {
            pattern: self._build(schema, use)
            for pattern, schema in patterns.items()
            if not self._names.exhausted(pattern, list(properties))
        }
        least = made.get("minProperties", 0)
        if "additionalProperties" in made:
            made["additionalProperties"] = self._build(rest, use)
        elif use == _PLAIN and (
            patterns or ((properties or "properties" in made) and not _above(least, len(properties)))
        ):
            made["additionalProperties"] = False
        if properties or "properties" in made:
            made["properties"] = properties
        if patterns:
            made["patternProperties"] = patterns
        return made if use == _EXACT else self._counted(made)

    def _property_of(self, schema: Any, name: str, patterns: dict[str, Any], use: int, *, otherwise: Any = None) -> Any:
        """With what patterns say of it too."""
        said = [] if schema is None else [schema]
        said += [each for pattern, each in patterns.items() if self._names.match(pattern, name)]
        if not said:
            return None if otherwise is False else self._build(otherwise, use)
        if len(said) == 1:
            return self._build(said[0], use)
        return {"allOf": [self._build(each, max(use, _OPEN)) for each in said]}

    def _counted(self, made: dict[str, Any]) -> dict[str, Any]:
        """How many properties there are, told by which: llguidance counts only where all that are named are there."""
        least, most = made.get("minProperties", 0), made.get("maxProperties")
        if not isinstance(least, int) or not isinstance(most, int | None):
            return made
        properties = {name: each for name, each in _dict(made.get("properties")).items() if each is not False}
        required = {name: None for name in _names(made) if name in properties}
        free = [name for name in properties if name not in required]
        closed = made.get("additionalProperties") is False and not made.get("patternProperties")
        if least <= len(required):
            made.pop("minProperties", None)
        if most is not None and closed and most >= len(properties):
            del made["maxProperties"]
            most = None
        if not {"minProperties", "maxProperties"} & made.keys() or not free:
            return made
        if not closed and (most is None or most >= len(properties)):
            return made | {"required": [*_names(made), *free]}
        needed, room = max(0, least - len(required)), len(free) if most is None else most - len(required)
        if needed > len(free) or room < needed:
            return made  # refused with the reason
        bare = {key: value for key, value in made.items() if key not in ("minProperties", "maxProperties")}
        bare = {key: value for key, value in bare.items() if key != "patternProperties"}
        size = needed if room >= len(free) else room
        variants = []
        for chosen in itertools.islice(itertools.combinations(free, size), _MOST_VARIANTS):
            there = properties if room >= len(free) else {*required, *chosen}
            kept = {name: self._shared(each) for name, each in properties.items() if name in there}
            one = bare | {"properties": kept, "additionalProperties": False}
            variants.append(one | {"required": [*_names(made), *chosen[:needed]]})
        return variants[0] if len(variants) == 1 else {"anyOf": variants}

    def _shared(self, schema: Any) -> Any:
        """The same schema in several places, written down once."""
        if not isinstance(schema, dict) or schema.keys() <= {"type", "$ref"}:
            return schema
        key = id(schema), _PLAIN
        if key not in self._references:
            self._kept.append(schema)
            self._references[key] = f"_{len(self._references)}"
            self._definitions[self._references[key]] = schema
        return {"$ref": f"#/$defs/{self._references[key]}"}


def _values(node: dict[str, Any]) -> set[str] | None:
    """All that a schema allows, where it lists them; each as text."""
    if "const" in node:
        return {_text(node["const"])}
    return set(map(_text, node["enum"])) if isinstance(node.get("enum"), list) else None


def _text(value: Any) -> str:
    """The same for values that JSON Schema takes for equal."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _kinds(node: dict[str, Any]) -> set[str]:
    """The types that a schema allows, ``integer`` among the numbers."""
    if (values := [node["const"]] if "const" in node else node.get("enum")) is not None and isinstance(values, list):
        return set(map(_kind, values))
    return {"number" if type_ == "integer" else type_ for type_ in _types(node)}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names.get(type(value), "null")


def _is_well_formed(node: dict[str, Any]) -> bool:
    maps = (node.get("properties", {}), node.get("patternProperties", {}))
    return all(isinstance(each, dict) for each in maps) and isinstance(node.get("required", []), list)


def _above(count: Any, most: int) -> bool:
    return isinstance(count, int) and count > most


def _narrow_bounds(made: dict[str, Any]) -> None:
    """Bounds are floats to llguidance: the next ones within, and none as far out as a 64-bit integer goes."""
    for key, inward in (("minimum", math.inf), ("exclusiveMinimum", math.inf)):
        _narrow(made, key, inward)
    for key, inward in (("maximum", -math.inf), ("exclusiveMaximum", -math.inf)):
        _narrow(made, key, inward)


def _narrow(made: dict[str, Any], key: str, inward: float) -> None:
    value = made.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if (value < -_WIDEST) if inward > 0 else (value > _WIDEST):
        made[key] = -_WIDEST if inward > 0 else _WIDEST
    elif isinstance(value, int) and abs(value) > 2**53 and abs(value) <= _WIDEST:
        near = float(value)
        beyond = near < value if inward > 0 else near > value
        made[key] = int(math.nextafter(near, inward) if beyond else near)
