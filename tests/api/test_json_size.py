"""Counting a JSON text's values without parsing it gives the same number as a parser."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aquilon.api.json_size import MOST_STRUCTURES, MOST_VALUES, holds_too_much

texts = st.text(alphabet='",:[{}]\\ \n\té', max_size=8)
contents = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)


def structures(value: Any) -> int:
    """Objects, lists and fields: the slow twin."""
    if isinstance(value, list):
        return 1 + sum(map(structures, value))
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(structures, value.values()))
    return 0


@given(contents, st.booleans())
def test_objects_lists_and_fields_are_counted_only_outside_strings(content: Any, ascii_only: bool) -> None:
    data = json.dumps(content, ensure_ascii=ascii_only).encode()
    count = structures(content)
    assert not holds_too_much(data, structures=count)
    if count:
        assert holds_too_much(data, structures=count - 1)


@given(st.lists(st.integers(0, 9) | texts, max_size=30))
def test_numbers_and_texts_are_counted_by_their_commas(entries: list[int | str]) -> None:
    data = json.dumps(entries).encode()
    between = max(0, len(entries) - 1)
    assert not holds_too_much(data, structures=1, values=1 + between)
    if between > 1:
        assert holds_too_much(data, structures=1, values=between)


def test_a_long_text_that_looks_like_json_is_one_value() -> None:
    text = json.dumps([{"a": 1, "b": [1, 2]}] * MOST_STRUCTURES) + "1,2,3\n" * MOST_VALUES
    assert not holds_too_much(json.dumps({"prompt": text}).encode())


def test_millions_of_empty_lists_fields_or_texts_are_too_much() -> None:
    for entry in (b"[]", b"{}", b'""', b"[[]]", b"0"):
        assert holds_too_much(b"[" + b",".join([entry] * 2_000_000) + b"]")
    assert holds_too_much(b"{" + b",".join(b'"u%d":0' % number for number in range(500_000)) + b"}")
