"""Prepares JSON schemas for grammars: every value that matches the prepared schema matches the client's schema.

Open objects are closed, and parts that no finite value matches are removed. Parts that llguidance refuses, or that lead
it into a dead end, are written in another way where there is one.
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
"""Formats that a grammar can hold. Every other is an annotation (JSON Schema 2020-12, validation, section 7.2)."""
_WIDEST = 2**63 - 1024
"""The largest float below 2**63: llguidance can't have wider bounds."""
_PLAIN, _OPEN, _EXACT = range(3)
"""How a schema may be narrowed. Plain: it may allow fewer values. Open: another schema applies to the same values and
may name more properties, so that objects aren't closed. Exact: it must stay as it is, because values that don't match
it count too."""
_MOST_VARIANTS = 32
"""Sets of properties, for an object whose number of properties is limited."""
_MOST_LEVELS = 500
"""llguidance enters schemas recursively: at some 1,500 levels its stack overflows, and the process ends."""
_MOST_BRANCHES = 64
"""Of a ``oneOf`` whose branches are compared."""
_MOST_WORK = 20_000
"""Comparisons of two schemas."""
_MOST_PASSES = 50
_MOST_RESOLVED = 100
_TYPES = ("null", "boolean", "object", "array", "number", "string")
_EXACT_KEYS = re.compile(r"\^(?:\(\?:|\()([\w -]+(?:\|[\w -]+)*)\)\$|\^([\w -]+)\$")


class SchemaError(ValueError):
    """A schema that no value can match; the message says why."""


class Names(Protocol):
    """Matches names with patterns."""

    def match(self, pattern: str, name: str) -> bool: ...

    def exhausted(self, pattern: str, names: Sequence[str]) -> bool:
        """Whether a pattern matches only these names."""
        ...


def prepared(schema: dict[str, Any], names: Names) -> dict[str, Any]:
    """The schema without dead ends; objects that are open get no properties but the named ones.

    A model that is asked for a name and an age must answer with a name and an age. Raises SchemaError if no finite
    value matches the schema, for references to other documents, and for schemas too deep for llguidance.
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
        """The schema that the node's ``$ref`` refers to; None without one. Raises SchemaError if it isn't here."""
        if "$ref" not in node:
            return None
        written, own = node["$ref"], self.root.get("$id")
        reference = (
            written.removeprefix(own.partition("#")[0])
            if isinstance(written, str) and isinstance(own, str)
            else written
        )
        target = self._resolve(reference) if isinstance(reference, str) and reference.startswith("#") else None
        if not isinstance(target, dict | bool):
            raise SchemaError(f"it refers to {str(written)[:100]!r}, which isn't in it")
        return target

    def _resolve(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            return self.root if reference == "#" else self.anchors.get(reference[1:])
        node: Any = self.root
        for part in reference[2:].split("/"):
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and name in node:
                node = node[name]
            elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            else:
                return None
        return node

    def levels(self) -> int:
        """The most schemas that may be nested, through references too.

        It is the longest path through the graph of schemas, where each cycle counts with all its schemas.
        """
        order = self.in_order()
        places = {id(node): place for place, node in enumerate(order)}
        children = [[places[id(child)] for child in self._entered(node)] for node in order]
        parents: list[list[int]] = [[] for _ in order]
        for place, inner in enumerate(children):
            for child in inner:
                parents[child].append(place)
        components: list[list[int]] = []  # strongly connected, by S. R. Kosaraju's algorithm: the outer ones first
        component_of = [-1] * len(order)
        for start in reversed(range(len(order))):
            if component_of[start] >= 0:
                continue
            components.append([])
            pending = [start]
            while pending:
                place = pending.pop()
                if component_of[place] < 0:
                    component_of[place] = len(components) - 1
                    components[-1].append(place)
                    pending += parents[place]
        depths = [0] * len(components)
        for number in reversed(range(len(components))):
            entered = {component_of[child] for place in components[number] for child in children[place]} - {number}
            depths[number] = len(components[number]) + max((depths[inner] for inner in entered), default=0)
        return max(depths, default=0)

    def in_order(self) -> list[dict[str, Any]]:
        """All schemas that can be reached, inner ones before the schemas that contain them."""
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
                pending += [(child, False) for child in self._entered(node)]
        return order

    def _entered(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The schemas that a schema is made of; definitions only where it refers to them."""
        for child in (*_children(node, definitions=False), self.target(node)):
            if isinstance(child, dict):
                yield child

    def resolved(self, node: Any) -> Any:
        """The schema behind a node with only a reference, or only an ``allOf`` of one schema."""
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
    """The types that a schema's ``type`` allows."""
    types = node.get("type")
    if isinstance(types, str):
        return (types,)
    return tuple(type_ for type_ in types if isinstance(type_, str)) if isinstance(types, list) else _TYPES


def _required(node: dict[str, Any]) -> list[str]:
    required = node.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class _Endings:
    """The schemas that finite values match: those that don't require themselves, directly or through others.

    They are computed as a least fixed point. ``false`` counts among them; other code sees that no value matches it.
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
        """Add a new schema that was made of others."""
        self._ending.add(id(node))

    def ends(self, node: Any) -> bool:
        return not isinstance(node, dict) or id(node) in self._ending

    def ends_as(self, node: dict[str, Any], type_: str) -> bool:
        if "$ref" in node and not self.ends(self._document.target(node)):
            return False
        if parts := _list(node.get("allOf")):
            kinds = [_kinds(part) for part in parts if isinstance(part, dict)]
            if not all(map(self.ends, parts)) or (kinds and not set.intersection(*kinds)):
                return False
        for key in ("anyOf", "oneOf"):
            if (branches := _list(node.get(key))) and not any(map(self.ends, branches)):
                return False
        if "const" in node or "enum" in node:
            return True
        if type_ == "object":
            return all(self.ends(self._property(node, name)) for name in _required(node))
        if type_ == "array":
            least = node.get("minItems", 0)
            prefix, rest = _items(node)
            if not isinstance(least, int) or least <= 0:
                return True
            return all(map(self.ends, prefix[:least])) and (least <= len(prefix) or self.ends(rest))
        return True

    def _property(self, node: dict[str, Any], name: str) -> Any:
        """The schema of one property; the first if several apply."""
        if name in (properties := _dict(node.get("properties"))):
            return properties[name]
        for pattern, schema in _dict(node.get("patternProperties")).items():
            if self._names.match(pattern, name):
                return schema
        return node.get("additionalProperties", True)


def _items(node: dict[str, Any]) -> tuple[list[Any], Any]:
    """The schemas of an array's first items, and the schema of all others."""
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
        """Targets of references that aren't built yet: name, schema and use."""
        self._definitions: dict[str, Any] = {}
        self._kept: list[Any] = []
        """New schemas, kept alive so that no other object gets their ``id``."""

    def schema(self) -> dict[str, Any]:
        root = self._document.root
        if not self._endings.ends(root):
            raise SchemaError("no finite value matches it: it leads back to itself only")
        schema = self._build(root, _PLAIN)
        if schema is False:
            raise SchemaError("no value matches it")
        schema = {} if schema is True else schema
        while self._pending:
            name, target, use = self._pending.pop()
            self._definitions[name] = self._build(target, use)
        if "$schema" in root:
            schema["$schema"] = root["$schema"]
        if self._definitions:
            schema["$defs"] = self._definitions
        return schema

    def _build(self, node: Any, use: int) -> Any:
        if not isinstance(node, dict):
            return node
        if not self._endings.ends(node):
            return False
        rewritten = {key: value for key, value in node.items() if key not in _ANNOTATIONS and key not in _PLACES}
        if "$ref" in rewritten and isinstance(target := self._document.target(node), bool):
            if target is False:
                return False
            del rewritten["$ref"]
        if isinstance(rewritten.get("format"), str) and rewritten["format"] not in _FORMATS:
            del rewritten["format"]
        if use != _EXACT:
            _narrow_bounds(rewritten)
        if isinstance(rewritten.get("type"), list):
            rewritten["type"] = [type_ for type_ in rewritten["type"] if self._endings.ends_as(node, type_)]
        combining = _COMBINING & rewritten.keys()
        names = bool(_NAMING & rewritten.keys())
        single = combining == {"allOf"} and isinstance(rewritten["allOf"], list) and len(rewritten["allOf"]) == 1
        if single and rewritten.keys() == {"allOf"}:
            return self._build(rewritten["allOf"][0], use)
        joined = len(combining) > 1 or (names and combining) or combining & {"allOf", "not", "if"}
        self._build_combined(rewritten, node, max(use, _OPEN) if joined else use)
        use = max(use, _OPEN) if combining else use
        self._build_items(rewritten, node, use)
        if names and "object" in _types(rewritten) and _is_well_formed(rewritten):
            return self._build_object(rewritten, use)
        return rewritten

    def _build_combined(self, rewritten: dict[str, Any], node: dict[str, Any], use: int) -> None:
        if "$ref" in rewritten:
            target = self._document.target(node)
            if isinstance(target, dict):
                rewritten["$ref"] = self._reference(target, use if len(rewritten) == 1 else max(use, _OPEN))
        if isinstance(rewritten.get("allOf"), list):
            rewritten["allOf"] = [self._build(part, max(use, _OPEN)) for part in rewritten["allOf"]]
        if isinstance(rewritten.get("oneOf"), list) and "anyOf" not in rewritten:
            branches = [branch for branch in rewritten["oneOf"] if self._endings.ends(branch)]
            if (apart := self._apart(branches, use)) is not None:
                del rewritten["oneOf"]
                rewritten["anyOf"] = [self._build(branch, use) for branch in apart]
                return
        for key in ("anyOf", "oneOf"):
            if isinstance(rewritten.get(key), list):
                within = _EXACT if key == "oneOf" else use
                branches = [branch for branch in rewritten[key] if self._endings.ends(branch)]
                rewritten[key] = [self._build(branch, within) for branch in branches]

    def _build_items(self, rewritten: dict[str, Any], node: dict[str, Any], use: int) -> None:
        if not {"items", "prefixItems"} & rewritten.keys() or not isinstance(rewritten.get("prefixItems", []), list):
            return
        prefix, rest = _items(node)
        ending = list(itertools.takewhile(self._endings.ends, prefix))
        rest = rest if len(ending) == len(prefix) and self._endings.ends(rest) else False
        for key in ("items", "prefixItems", "additionalItems"):
            rewritten.pop(key, None)
        if ending:
            rewritten["prefixItems"] = [self._build(item, use) for item in ending]
        if rest is not True:
            rewritten["items"] = self._build(rest, use)

    def _reference(self, target: dict[str, Any], use: int) -> str:
        key = id(target), use
        if key not in self._references:
            self._references[key] = f"_{len(self._references)}"
            self._pending.append((self._references[key], target, use))
        return f"#/$defs/{self._references[key]}"

    # Unions

    def _apart(self, branches: list[Any], use: int) -> list[Any] | None:
        """The branches of a ``oneOf`` if no value can match two of them; None if that can't be seen.

        If only the value of one property distinguishes them, each branch requires it.
        """
        if len(branches) > _MOST_BRANCHES:
            return None
        pairs = list(itertools.combinations(branches, 2))
        if all(self._exclude(one, other) for one, other in pairs):
            return branches
        objects = [self._document.resolved(branch) for branch in branches]
        if use == _EXACT or not all(isinstance(node, dict) and node.get("type") == "object" for node in objects):
            return None
        for name in _dict(objects[0].get("properties")):
            values = [_dict(node.get("properties")).get(name) for node in objects]
            if all(isinstance(value, dict) for value in values) and all(
                self._exclude(one, other) for one, other in itertools.combinations(values, 2)
            ):
                return [self._requiring(node, name) for node in objects]
        return None

    def _requiring(self, node: dict[str, Any], name: str) -> dict[str, Any]:
        return self._new(node | {"required": list(dict.fromkeys([*_required(node), name]))})

    def _new(self, node: dict[str, Any]) -> dict[str, Any]:
        """Register a new schema, so that its ``id`` stays its own and `_Endings` knows it."""
        self._kept.append(node)
        if any(self._endings.ends_as(node, type_) for type_ in _types(node)):
            self._endings.add(node)
        return node

    def _exclude(self, one: Any, other: Any, depth: int = 4) -> bool:
        """Whether it can be seen that no value matches both schemas."""
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
            for name in _required(a):
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

    def _build_object(self, rewritten: dict[str, Any], use: int) -> dict[str, Any]:
        patterns = dict(_dict(rewritten.pop("patternProperties", None)))
        named = dict(_dict(rewritten.get("properties")))
        rest = rewritten.get("additionalProperties", True)
        for pattern in list(patterns):
            if (exact := _EXACT_KEYS.fullmatch(pattern)) is not None:
                schema = patterns.pop(pattern)
                for name in (exact[1] or exact[2]).split("|"):
                    named[name] = self._new({"allOf": [named[name], schema]}) if name in named else schema
        properties = {
            name: self._property_of(schema, name, patterns=patterns, use=use) for name, schema in named.items()
        }
        required = _required(rewritten)
        for name in required:
            if name not in properties:
                properties[name] = self._property_of(None, name, patterns=patterns, use=use, otherwise=rest)
                if properties[name] is None:  # no property may have this name: llguidance refuses it
                    del properties[name]
        patterns = {
            pattern: self._build(schema, use)
            for pattern, schema in patterns.items()
            if not self._names.exhausted(pattern, list(properties))
        }
        least = rewritten.get("minProperties", 0)
        if "additionalProperties" in rewritten:
            rewritten["additionalProperties"] = self._build(rest, use)
        elif use == _PLAIN and (
            patterns or ((properties or "properties" in rewritten) and not _above(least, len(properties)))
        ):
            rewritten["additionalProperties"] = False
        if properties or "properties" in rewritten:
            rewritten["properties"] = properties
        if patterns:
            rewritten["patternProperties"] = patterns
        return rewritten if use == _EXACT else self._counted(rewritten)

    def _property_of(self, schema: Any, name: str, *, patterns: dict[str, Any], use: int, otherwise: Any = None) -> Any:
        """A property's schema, with the schemas of the patterns that its name matches."""
        parts = [] if schema is None else [schema]
        parts += [part for pattern, part in patterns.items() if self._names.match(pattern, name)]
        if not parts:
            return None if otherwise is False else self._build(otherwise, use)
        if len(parts) == 1:
            return self._build(parts[0], use)
        return {"allOf": [self._build(part, max(use, _OPEN)) for part in parts]}

    def _counted(self, rewritten: dict[str, Any]) -> dict[str, Any]:
        """Limits on the number of properties, written as sets of properties.

        llguidance can count properties only if all named ones are required.
        """
        least, most = rewritten.get("minProperties", 0), rewritten.get("maxProperties")
        if not isinstance(least, int) or not isinstance(most, int | None):
            return rewritten
        properties = {name: each for name, each in _dict(rewritten.get("properties")).items() if each is not False}
        required = {name: None for name in _required(rewritten) if name in properties}
        free = [name for name in properties if name not in required]
        closed = rewritten.get("additionalProperties") is False and not rewritten.get("patternProperties")
        if least <= len(required):
            rewritten.pop("minProperties", None)
        if most is not None and closed and most >= len(properties):
            del rewritten["maxProperties"]
            most = None
        if not {"minProperties", "maxProperties"} & rewritten.keys() or not free:
            return rewritten
        if not closed and (most is None or most >= len(properties)):
            return rewritten | {"required": [*_required(rewritten), *free]}
        needed, room = max(0, least - len(required)), len(free) if most is None else most - len(required)
        if needed > len(free) or room < needed:
            return rewritten  # llguidance refuses it, and says why
        bare = {key: value for key, value in rewritten.items() if key not in ("minProperties", "maxProperties")}
        bare = {key: value for key, value in bare.items() if key != "patternProperties"}
        size = needed if room >= len(free) else room
        variants = []
        for chosen in itertools.islice(itertools.combinations(free, size), _MOST_VARIANTS):
            allowed = properties if room >= len(free) else {*required, *chosen}
            kept = {name: self._shared(schema) for name, schema in properties.items() if name in allowed}
            variant = bare | {"properties": kept, "additionalProperties": False}
            variants.append(variant | {"required": [*_required(rewritten), *chosen[:needed]]})
        return variants[0] if len(variants) == 1 else {"anyOf": variants}

    def _shared(self, schema: Any) -> Any:
        """A reference to a schema that is used in several places, so that it is written once."""
        if not isinstance(schema, dict) or schema.keys() <= {"type", "$ref"}:
            return schema
        key = id(schema), _PLAIN
        if key not in self._references:
            self._kept.append(schema)
            self._references[key] = f"_{len(self._references)}"
            self._definitions[self._references[key]] = schema
        return {"$ref": f"#/$defs/{self._references[key]}"}


def _values(node: dict[str, Any]) -> set[str] | None:
    """All values that a schema allows, as texts; None if it doesn't list them."""
    if "const" in node:
        return {_text(node["const"])}
    return set(map(_text, node["enum"])) if isinstance(node.get("enum"), list) else None


def _text(value: Any) -> str:
    """A value as a text, the same for values that are equal in JSON Schema."""
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
    return all(isinstance(schemas, dict) for schemas in maps) and isinstance(node.get("required", []), list)


def _above(count: Any, most: int) -> bool:
    return isinstance(count, int) and count > most


def _narrow_bounds(rewritten: dict[str, Any]) -> None:
    """Replace bounds by floats, as llguidance reads them: the nearest within the bound, and within `_WIDEST`."""
    for key, inward in (("minimum", math.inf), ("exclusiveMinimum", math.inf)):
        _narrow(rewritten, key, inward)
    for key, inward in (("maximum", -math.inf), ("exclusiveMaximum", -math.inf)):
        _narrow(rewritten, key, inward)


def _narrow(rewritten: dict[str, Any], key: str, inward: float) -> None:
    value = rewritten.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if (value < -_WIDEST) if inward > 0 else (value > _WIDEST):
        rewritten[key] = -_WIDEST if inward > 0 else _WIDEST
    elif isinstance(value, int) and abs(value) > 2**53 and abs(value) <= _WIDEST:
        near = float(value)
        beyond = near < value if inward > 0 else near > value
        rewritten[key] = int(math.nextafter(near, inward) if beyond else near)
