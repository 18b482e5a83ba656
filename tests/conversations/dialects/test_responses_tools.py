"""A custom tool's input between the client's text and the arguments of a function."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.conversations.dialects.responses_tools import InputReader, arguments_of_input, input_of_arguments


@given(st.text())
def test_the_input_comes_back_from_its_arguments(text: str) -> None:
    assert input_of_arguments(arguments_of_input(text)) == text


@given(st.text(), st.data())
def test_of_arguments_that_were_cut_the_beginning_of_the_input_is_read(text: str, data: st.DataObject) -> None:
    arguments = arguments_of_input(text)
    cut = data.draw(st.integers(len('{"input":"'), len(arguments)))
    assert text.startswith(input_of_arguments(arguments[:cut]))


@given(st.text(), st.data())
def test_the_input_is_read_while_its_arguments_are_written(text: str, data: st.DataObject) -> None:
    arguments, reader = data.draw(st.sampled_from([arguments_of_input, escaped]))(text), InputReader()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arguments)))))
    pieces = [arguments[start:end] for start, end in pairwise([0, *cuts, len(arguments)])]
    assert "".join(reader.read(piece) for piece in pieces) == reader.text == text


def escaped(text: str) -> str:
    """All but ASCII as escapes, with blanks between, as other servers write it."""
    return json.dumps({"input": text})


@pytest.mark.parametrize("arguments", ["*** Begin Patch", "{}", '{"patch": "x"}', '["input"]', "", "3"])
def test_arguments_of_another_form_are_the_input(arguments: str) -> None:
    assert input_of_arguments(arguments) == arguments
