"""Filters by the attributes of documents, as a search names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from aquilon.errors import invalid

Attribute = str | float | bool
Attributes = Mapping[str, Attribute]
MOST_FILTERS = 100
MOST_DEPTH = 8
MOST_VALUES = 1000


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str
    value: str | float | bool | list[str | float | bool]


class Compound(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["and", "or"]
    filters: tuple[Filter, ...]


Filter = Comparison | Compound


def filter_of(body: Any, param: str = "filters") -> Filter:
    """The filter that a client sent as JSON. Raises ApiError 400."""
    return _filter(body, param, depth=0, budget=[MOST_FILTERS])


def _filter(body: Any, param: str, *, depth: int, budget: list[int]) -> Filter:
    budget[0] -= 1
    if budget[0] < 0:
        raise invalid(f"The filter has more than {MOST_FILTERS} comparisons", param=param, code="too_many_values")
    if depth > MOST_DEPTH:
        raise invalid(f"The filter is nested more than {MOST_DEPTH} levels deep", param=param, code="too_deep")
    if not isinstance(body, dict):
        raise invalid("A filter is an object with a 'type'", param=param, code="filter_invalid")
    kind = body.get("type")
    if kind in ("and", "or"):
        parts = body.get("filters")
        if not isinstance(parts, list) or not parts:
            raise invalid(
                f"A filter '{kind}' needs 'filters', a list with at least one",
                param=f"{param}.filters",
                code="filter_invalid",
            )
        filters = tuple(
            _filter(part, f"{param}.filters.{at}", depth=depth + 1, budget=budget) for at, part in enumerate(parts)
        )
        return Compound(type=kind, filters=filters)
    try:
        comparison = msgspec.convert(body, Comparison)
    except msgspec.ValidationError as error:
        raise invalid(
            f"The filter isn't one of and, or, eq, ne, gt, gte, lt, lte, in, nin with 'key' and 'value': {error}",
            param=param,
            code="filter_invalid",
        ) from None
    return _possible(comparison, param)


def _possible(comparison: Comparison, param: str) -> Comparison:
    value, takes_list = comparison.value, comparison.type in ("in", "nin")
    if isinstance(value, list) != takes_list:
        kind = "a list" if takes_list else "one value"
        raise invalid(
            f"The filter '{comparison.type}' compares with {kind}", param=f"{param}.value", code="filter_value_invalid"
        )
    if isinstance(value, list) and len(value) > MOST_VALUES:
        raise invalid(
            f"The filter has {len(value)} values; it may have {MOST_VALUES}",
            param=f"{param}.value",
            code="too_many_values",
        )
    if comparison.type in ("gt", "gte", "lt", "lte") and isinstance(value, bool):
        raise invalid(
            f"The filter '{comparison.type}' compares numbers or texts",
            param=f"{param}.value",
            code="filter_value_invalid",
        )
    return comparison


def matches(filter_: Filter, attributes: Attributes) -> bool:
    """A document without the attribute matches ``ne`` and ``nin`` alone; values of two kinds are never equal."""
    if isinstance(filter_, Compound):
        results = (matches(part, attributes) for part in filter_.filters)
        return all(results) if filter_.type == "and" else any(results)
    actual, value = attributes.get(filter_.key), filter_.value
    match filter_.type:
        case "eq":
            return _equal(actual, value)
        case "ne":
            return not _equal(actual, value)
        case "in":
            return any(_equal(actual, one) for one in _values(value))
        case "nin":
            return not any(_equal(actual, one) for one in _values(value))
        case _:
            return _ordered(filter_.type, actual, value)


def _values(value: Any) -> list[Any]:
    assert isinstance(value, list)
    return value


def _equal(actual: Any, value: Any) -> bool:
    if isinstance(actual, bool) or isinstance(value, bool):
        return actual is value
    return actual is not None and actual == value


def _ordered(kind: str, actual: Any, value: Any) -> bool:
    numbers = isinstance(actual, int | float) and isinstance(value, int | float) and not isinstance(actual, bool)
    if not numbers and not (isinstance(actual, str) and isinstance(value, str)):
        return False
    if kind in ("gt", "gte"):
        return bool(actual > value or (kind == "gte" and actual == value))
    return bool(actual < value or (kind == "lte" and actual == value))
