"""Streamed answers are read: calls in every format, thoughts, and text that only looks like either."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aquilon.text.messages import FunctionCall, Message, Tool, ToolCall
from aquilon.text.reasoning import ReasoningFormat, reasoning_format
from aquilon.text.tool_calls import AnswerReader, CallBegun, CallGrown, Piece, Said, Thought, ToolFormat, tool_format
from aquilon.text.tool_calls.detection import mistral_tool_format
from aquilon.text.tool_calls.hermes import HermesFormat
from aquilon.text.tool_calls.llama import LlamaFormat
from aquilon.text.tool_calls.mistral import MistralListFormat, MistralNamedFormat
from aquilon.text.tool_calls.pieces import joined
from aquilon.text.tool_calls.preamble import PreambleFormat, with_tools

HERMES, LLAMA = HermesFormat({}), LlamaFormat({})
LIST, WITH_IDS, NAMED = (
    MistralListFormat({}),
    MistralNamedFormat({}, with_ids=True),
    MistralNamedFormat({}, with_ids=False),
)
THINKING = ReasoningFormat("<think>", "</think>")
WORDS = [
    "<tool_call>",
    "</tool_call>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<think>",
    "</think>",
    "<|python_tag|>",
    "<",
    "[",
    "{",
]


def read(
    format_: ToolFormat | None,
    parts: list[str],
    *,
    reasoning: ReasoningFormat | None = None,
    thinking: bool = False,
) -> list[Piece]:
    reader = AnswerReader(tools=format_, names=frozenset("fg"), reasoning=reasoning, thinking=thinking)
    pieces = [piece for part in parts for piece in reader.add(part)]
    return joined(pieces + reader.finish())


def call(name: str, arguments: str) -> list[Piece]:
    return [CallBegun(name), CallGrown(arguments)]


TWO_CALLS = [
    (
        HERMES,
        'Let me see.\n<tool_call>\n{"name": "f", "arguments": {"a": "}<tool"}}\n</tool_call>\n'
        '<tool_call>\n{"arguments": {"b": [1]}, "name": "g"}\n</tool_call>',
        [Said("Let me see."), *call("f", '{"a": "}<tool"}'), *call("g", '{"b": [1]}')],
    ),
    (
        LIST,
        '[TOOL_CALLS] [{"name": "f", "arguments": {"a": "\\"]"}}, {"name": "g", "arguments": {}, "id": "123456789"}]',
        [*call("f", '{"a": "\\"]"}'), *call("g", "{}")],
    ),
    (
        WITH_IDS,
        '[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]abcdefghi[ARGS]{}',
        [*call("f", '{"a": 1}'), *call("g", "{}")],
    ),
    (
        NAMED,
        'One.[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{}',
        [Said("One."), *call("f", '{"a": 1}'), *call("g", "{}")],
    ),
    (
        LLAMA,
        '<|python_tag|>{"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}}',
        [*call("f", '{"a": 1}'), *call("g", "{}")],
    ),
]
NO_CALLS = [
    (HERMES, "a < b, <tool> and <tool_cal"),
    (HERMES, "x <tool_call>\nnothing</tool_call> y"),
    (HERMES, '<tool_call>{"name": 3}</tool_call>'),
    (LLAMA, '{"name": "Bob", "age": 3} is his record'),
    (LLAMA, '{"name": "f", "age": 3}'),
    (LLAMA, 'It is {"name": "f", "parameters": {}}'),
    (LLAMA, " < 3"),
    (NAMED, "[TOOL_CALL"),
    (None, '<tool_call>{"name": "f", "arguments": {}}</tool_call>'),
]


@pytest.mark.parametrize(("format_", "text", "expected"), TWO_CALLS)
def test_calls_are_read(format_: ToolFormat, text: str, expected: list[Piece]) -> None:
    assert read(format_, [text]) == expected


@pytest.mark.parametrize(("format_", "text"), NO_CALLS)
def test_what_only_looks_like_a_call_is_text(format_: ToolFormat | None, text: str) -> None:
    assert read(format_, [text]) == [Said(text)]


@pytest.mark.parametrize(
    ("format_", "text"),
    [(format_, text) for format_, text, _ in TWO_CALLS] + NO_CALLS,
    ids=lambda value: str(value)[:30],
)
def test_an_answer_is_read_the_same_letter_by_letter(format_: ToolFormat | None, text: str) -> None:
    assert read(format_, list(text)) == read(format_, [text])


@given(
    parts=st.lists(st.sampled_from(WORDS) | st.text('ab "{}[]:,<>/\\n', max_size=5), max_size=12),
    cuts=st.lists(st.integers(1, 7), min_size=60, max_size=60),
    format_=st.sampled_from([None, HERMES, LLAMA, LIST, NAMED]),
    reasoning=st.sampled_from([None, THINKING]),
    thinking=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_however_a_text_is_cut_it_is_read_the_same(
    parts: list[str],
    cuts: list[int],
    format_: ToolFormat | None,
    reasoning: ReasoningFormat | None,
    thinking: bool,
) -> None:
    text, pieces = "".join(parts), []
    for length in cuts:
        pieces.append(text[:length])
        text = text[length:]
    pieces.append(text)
    thinking = thinking and reasoning is not None
    whole = read(format_, ["".join(pieces)], reasoning=reasoning, thinking=thinking)
    assert read(format_, pieces, reasoning=reasoning, thinking=thinking) == whole


@given(text=st.text("<tool_ca> \n", max_size=40))
def test_half_a_marker_is_never_shown(text: str) -> None:
    reader = AnswerReader(tools=HERMES)
    marked = text + '<tool_call>{"name": "f"}</tool_call>'
    shown = [piece for letter in marked for piece in reader.add(letter)]
    assert "".join(piece.text for piece in shown if isinstance(piece, Said)) == text.rstrip(" \n")


def test_arguments_are_streamed_as_they_are_written() -> None:
    reader = AnswerReader(tools=HERMES)
    reader.add('<tool_call>\n{"name": "f", "arguments": {"text": "')
    assert reader.add("once upon") == [CallGrown("once upon")]


@pytest.mark.parametrize(
    ("written", "arguments"),
    [('"{\\"a\\": 1}"', '{"a": 1}'), ("null", "{}"), ('{"a": {"b": "}"}}', '{"a": {"b": "}"}}')],
)
def test_arguments_in_other_notations_are_the_same(written: str, arguments: str) -> None:
    assert read(HERMES, [f'<tool_call>{{"name": "f", "arguments": {written}}}</tool_call>']) == call("f", arguments)


def test_a_call_without_arguments_has_none() -> None:
    assert read(HERMES, ['<tool_call>{"name": "f"}</tool_call>']) == call("f", "{}")


def test_a_call_cut_short_keeps_what_was_written() -> None:
    assert read(HERMES, ['<tool_call>\n{"name": "f", "arguments": {"a": "b']) == call("f", '{"a": "b')


class TestThoughts:
    def test_thoughts_are_kept_apart_from_the_answer(self) -> None:
        text = '<think>\nHm, <b>.\n</think>\n\nYes.\n<tool_call>\n{"name": "f"}\n</tool_call>'
        expected = [Thought("Hm, <b>."), Said("Yes."), *call("f", "{}")]
        assert read(HERMES, [text], reasoning=THINKING) == expected
        assert read(HERMES, list(text), reasoning=THINKING) == expected

    def test_thoughts_may_begin_in_the_prompt(self) -> None:
        assert read(None, list("Hm.</think>Yes."), reasoning=THINKING, thinking=True) == [Thought("Hm."), Said("Yes.")]
        assert THINKING.is_open("<|im_start|>assistant\n<think>\n")
        assert not THINKING.is_open("<think>\n\n</think>\n\n")

    def test_a_mark_that_opens_no_thoughts_is_text(self) -> None:
        assert read(None, ["<think>x</think>"]) == [Said("<think>x</think>")]
        assert read(None, ["ok <think>"], reasoning=THINKING) == [Said("ok <think>")]

    def test_a_template_with_the_marks_has_thoughts(self) -> None:
        assert reasoning_format("{% if '</think>' in content %}<think>", {}) == THINKING
        assert reasoning_format("{% set content = content.split('</think>')[-1] %}{{ content }}", {}) == THINKING
        assert reasoning_format("{{ content }}", {}) is None


class TestDetection:
    @pytest.mark.parametrize(
        ("template", "controls", "expected"),
        [
            (
                '{% for tool in tools %}<tool_call>\\n{"name": <name>, "arguments": <json>}</tool_call>',
                {},
                HermesFormat,
            ),
            ("{% if tools %}[AVAILABLE_TOOLS][TOOL_CALLS][{", {"[TOOL_CALLS]": 9}, MistralListFormat),
            ("{% if tools %}[TOOL_CALLS]{{ name }}[ARGS]", {"[TOOL_CALLS]": 9, "[ARGS]": 20}, MistralNamedFormat),
            ('tools {"name": function name, "parameters": dictionary} "parameters"', {}, LlamaFormat),
            ("{% for message in messages %}{{ message.content }}", {}, PreambleFormat),
            ("{% if tools %}<tool_call><function=a><parameter=b>", {}, PreambleFormat),
        ],
    )
    def test_the_format_is_detected_from_the_template(
        self, template: str, controls: dict[str, int], expected: type
    ) -> None:
        assert type(tool_format(template, controls)) is expected

    def test_the_format_follows_the_version_of_mistrals_tokenizer(self) -> None:
        controls = {"[TOOL_CALLS]": 9}
        assert type(mistral_tool_format(1, {})) is PreambleFormat
        assert type(mistral_tool_format(3, controls)) is MistralListFormat
        assert type(mistral_tool_format(13, controls)) is MistralNamedFormat


class TestPreamble:
    tool = Tool("f", "Does it", {"type": "object"})
    call = Message("assistant", tool_calls=(ToolCall("1", FunctionCall("f", '{"a": 1}')),))

    def test_tools_are_described_in_the_system_message(self) -> None:
        first, second = with_tools([Message("system", "Be brief."), Message("user", "hi")], [self.tool])
        assert first.role == "system"
        assert first.content.startswith("Be brief.\n\n")
        assert json.dumps({"name": "f", "description": "Does it", "parameters": {"type": "object"}}) in first.content
        assert second == Message("user", "hi")

    def test_tools_are_described_in_a_new_system_message_or_in_the_users(self) -> None:
        assert [message.role for message in with_tools([Message("user", "hi")], [self.tool])] == ["system", "user"]
        [only] = with_tools([Message("system", "A"), Message("user", "hi")], [self.tool], system=False)
        assert only.role == "user"
        assert only.content.startswith("A\n\n")
        assert only.content.endswith("\n\nhi")

    def test_calls_and_results_become_text_that_is_read_back(self) -> None:
        conversation: list[Any] = [Message("user", "hi"), self.call, Message("tool", "1"), Message("tool", "2")]
        _, called, results = with_tools(conversation, [])
        assert read(HERMES, [called.content]) == call("f", '{"a": 1}')
        assert results.role == "user"
        assert results.content.count("<tool_response>") == 2


class TestContinuing:
    """An answer that continues a prefix in the request."""

    def read(self, format_: ToolFormat | None, prefix: str, rest: str, **known: Any) -> list[Piece]:
        reader = AnswerReader(tools=format_, names=frozenset("fg"), prefix=prefix, **known)
        return joined([piece for character in rest for piece in reader.add(character)] + reader.finish())

    @pytest.mark.parametrize(("format_", "text", "pieces"), TWO_CALLS)
    def test_calls_are_whole_and_no_text_is_repeated(self, format_: ToolFormat, text: str, pieces: list[Piece]) -> None:
        said = "".join(piece.text for piece in pieces if isinstance(piece, Said))
        calls = [piece for piece in pieces if not isinstance(piece, Said)]
        for cut in range(1, len(text)):
            read = self.read(format_, text[:cut], text[cut:])
            assert [piece for piece in read if not isinstance(piece, Said)] == calls
            assert "".join(piece.text for piece in read if isinstance(piece, Said)) == said[cut:]

    @pytest.mark.parametrize("cut", range(1, 30))
    def test_thoughts_continue_after_the_prefix(self, cut: int) -> None:
        text = "<think>Is it? It is.</think>\n\nYes."
        read = self.read(None, text[:cut], text[cut:], reasoning=THINKING)
        before = max(0, cut - len("<think>"))
        assert read == joined([Thought("Is it? It is."[before:]), Said("Yes."[max(0, cut - 30) :])])

    def test_a_prefix_that_only_looked_like_a_call_is_not_repeated(self) -> None:
        assert self.read(HERMES, "a <tool", " is a hammer") == [Said(" is a hammer")]
        assert self.read(LLAMA, '{"name": "a', 'da"} says') == [Said('da"} says')]
        assert self.read(HERMES, "The sum of ", "1 and 2") == [Said("1 and 2")]
