"""Turns the engine's tokens into events, and counts them."""

from __future__ import annotations

import pytest
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.engine.protocol import FinishReason, SequenceOutput, TokenLogprobs
from aquilon.generation.decoding import Decoding, Reading
from aquilon.request import Delta, Drawn, Finished
from aquilon.text.model import TextModel
from aquilon.text.reasoning import ReasoningFormat
from aquilon.text.tokenizer import Tokenizer
from aquilon.text.tool_calls import AnswerReader
from aquilon.text.tool_calls.hermes import HermesFormat


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A tokenizer with a token for each byte."""
    folder = write_checkpoint(tmp_path_factory.mktemp("tiny"), tiny_checkpoint())
    return TextModel.from_folder(folder).tokenizer


def output(ids: list[int], reason: FinishReason | None = None, *, scored: bool = False) -> SequenceOutput:
    logprobs = (
        [TokenLogprobs(token_id=token_id, logprob=-1.0, rank=1, top=[(token_id, -1.0)]) for token_id in ids]
        if scored
        else None
    )
    return SequenceOutput(id="request", index=0, token_ids=ids, finish_reason=reason, logprobs=logprobs)


def test_a_stop_string_counts_through_the_token_that_completes_it(tokenizer: Tokenizer) -> None:
    decoding = Decoding(tokenizer, [], index=0, stop=["END"])
    events = decoding.add(output(tokenizer.encode("abENDmore than was asked for")))
    assert events == [Delta(0, "ab"), Finished(0, "stop", "END")]
    assert decoding.completion_tokens == len("abEND")
    assert decoding.stopped_early


def test_a_stop_string_split_over_steps_is_never_shown(tokenizer: Tokenizer) -> None:
    decoding = Decoding(tokenizer, [], index=0, stop=["END"])
    shown = ""
    for step in ("a", "E", "N", "x", "EN", "D"):
        for event in decoding.add(output(tokenizer.encode(step))):
            shown += event.text if isinstance(event, Delta) else "|"
    assert shown == "aENx|"


def test_tokens_of_a_stop_string_are_not_reported(tokenizer: Tokenizer) -> None:
    decoding = Decoding(tokenizer, [], index=0, stop=["éND"])
    deltas: list[Delta] = []
    for token_id in tokenizer.encode("é" + "aé" + "éND"):
        deltas += [event for event in decoding.add(output([token_id], scored=True)) if isinstance(event, Delta)]
    assert "".join(delta.text for delta in deltas) == "éaé"
    assert b"".join(token.bytes for delta in deltas for token in delta.tokens) == "éaé".encode()
    assert decoding.completion_tokens == len("éaééND".encode())


def test_tokens_of_thoughts_and_calls_are_not_reported_with_the_text(tokenizer: Tokenizer) -> None:
    thinking = ReasoningFormat("<think>", "</think>")
    reader = AnswerReader(tools=HermesFormat({}), names=frozenset("f"), reasoning=thinking)
    decoding = Decoding(tokenizer, [], index=0, reading=Reading(reader, {}))
    events = []
    answer = '<think>Hm.</think>Yes.\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>\n'
    for token_id in tokenizer.encode(answer):
        events += decoding.add(output([token_id], scored=True))
    events += decoding.add(output([], "complete"))
    scores = [token for event in events if isinstance(event, Delta) for token in event.tokens]
    assert "".join(token.text for token in scores) == "Yes."


def test_the_end_token_is_counted_and_not_shown(tokenizer: Tokenizer) -> None:
    [end] = tokenizer.eos_ids
    decoding = Decoding(tokenizer, [], index=0)
    events = decoding.add(output([*tokenizer.encode("hi"), end], "stop", scored=True))
    [delta, finished] = events
    assert isinstance(delta, Delta)
    assert delta.text == "hi"
    assert [token.text for token in delta.tokens] == ["h", "i"]
    assert finished == Finished(0, "stop")
    assert decoding.completion_tokens == 3
    assert not decoding.stopped_early


def test_text_held_back_for_a_stop_string_is_shown_at_the_end(tokenizer: Tokenizer) -> None:
    decoding = Decoding(tokenizer, [], index=0, stop=["END"])
    assert decoding.add(output(tokenizer.encode("EN"))) == []
    assert decoding.add(output(tokenizer.encode("x"), "length")) == [Delta(0, "ENx"), Finished(0, "length")]


def test_a_character_of_several_tokens_is_shown_whole(tokenizer: Tokenizer) -> None:
    decoding = Decoding(tokenizer, [], index=0)
    deltas = [decoding.add(output([token_id])) for token_id in tokenizer.encode("é€")]
    assert deltas == [[], [Delta(0, "é")], [], [], [Delta(0, "€")]]
    assert decoding.add(output(tokenizer.encode("€")[:2], "length")) == [Delta(0, "�"), Finished(0, "length")]


def test_thoughts_are_counted_with_their_markers(tokenizer: Tokenizer) -> None:
    reader = AnswerReader(tools=None, reasoning=ReasoningFormat("<think>", "</think>"))
    decoding = Decoding(tokenizer, [], index=0, reading=Reading(reader, {}))
    for token_id in tokenizer.encode("<think>Is it? It is.</think>Yes."):
        decoding.add(output([token_id]))
    assert decoding.reasoning_tokens == len("<think>Is it? It is.</think>")
    assert decoding.completion_tokens == decoding.reasoning_tokens + len("Yes.")


def test_an_answer_without_thoughts_has_none_counted(tokenizer: Tokenizer) -> None:
    reader = AnswerReader(tools=None, reasoning=ReasoningFormat("<think>", "</think>"))
    decoding = Decoding(tokenizer, [], index=0, reading=Reading(reader, {}))
    for token_id in tokenizer.encode("<thin> Yes."):
        decoding.add(output([token_id]))
    assert decoding.reasoning_tokens == 0


def test_a_stop_string_in_the_last_step_is_a_stop(tokenizer: Tokenizer) -> None:
    decoding = Decoding(tokenizer, [], index=0, stop=["b"])
    assert decoding.add(output(tokenizer.encode("ab"), "length")) == [Delta(0, "a"), Finished(0, "stop", "b")]
    assert not decoding.stopped_early


def test_a_stop_string_is_shown_where_the_client_asks(tokenizer: Tokenizer) -> None:
    decoding = Decoding(tokenizer, [], index=0, stop=["END"], shows_stop=True)
    events = decoding.add(output(tokenizer.encode("abENDmore"), scored=True))
    [delta, finished] = events
    assert isinstance(delta, Delta)
    assert (delta.text, "".join(token.text for token in delta.tokens)) == ("abEND", "abEND")
    assert finished == Finished(0, "stop", "END")


def test_control_tokens_are_shown_by_name_where_the_client_asks(tokenizer: Tokenizer) -> None:
    [end] = tokenizer.eos_ids
    ids = [*tokenizer.encode("a"), end]
    assert Decoding(tokenizer, [], index=0, shows_control=True).add(output([*ids, ids[0]], "length"))[0] == Delta(
        0, "a<|end|>a"
    )
    both = Decoding(tokenizer, [], index=0, shows_control=True, shows_stop=True).add(output(ids, "stop"))
    assert both == [Delta(0, "a<|end|>"), Finished(0, "stop")]
    hidden = Decoding(tokenizer, [], index=0, shows_control=True).add(output(ids, "stop"))
    assert hidden == [Delta(0, "a"), Finished(0, "stop")]


def test_all_tokens_are_reported_by_id_even_those_whose_text_is_held_back(tokenizer: Tokenizer) -> None:
    [end] = tokenizer.eos_ids
    decoding = Decoding(tokenizer, [], index=0, stop=["END"], returns_ids=True)
    first, second = tokenizer.encode("EN"), tokenizer.encode("x")
    assert decoding.add(output(first)) == [Drawn(0, tuple(first))]
    events = decoding.add(output([*second, end], "stop"))
    assert events == [Drawn(0, (*second, end)), Delta(0, "ENx"), Finished(0, "stop")]
    stopped = Decoding(tokenizer, [], index=0, stop=["END"], returns_ids=True)
    ids = tokenizer.encode("END")
    assert stopped.add(output([*ids, *first]))[0] == Drawn(0, tuple(ids))
