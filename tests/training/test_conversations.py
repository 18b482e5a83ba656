"""Conversations are trained as the server prompts for them, and what the assistant wrote is all that is trained."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny_checkpoint import CHAT_TEMPLATE, tiny_checkpoint, write_checkpoint
from tests.support.vocabulary_files import MISTRAL_DATA

from aquilon.text.messages import Message
from aquilon.text.mistral import load_mistral
from aquilon.text.model import TextModel
from aquilon.training.conversations.base import Base, open_base
from aquilon.training.conversations.encoding import ChatEncoder, Document
from aquilon.training.conversations.lines import UnusableLine, conversation, pair
from aquilon.training.conversations.preparing import conversation_documents, prepare

THINKING = (  # like Qwen3's: earlier answers lose their thoughts, the last one keeps them
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['role'] == 'assistant' and loop.last %}<think>{{ message['reasoning_content'] }}</think>{% endif %}"
    "{{ message['content'] }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ALWAYS_OPENS = CHAT_TEMPLATE.replace("{% if add_generation_prompt %}<|assistant|>{% endif %}", "<|assistant|>")
SYSTEM_LAST = (  # like Mistral's first: instructions stand before the last question
    "{% set instructions = messages[0]['content'] if messages[0]['role'] == 'system' else '' %}"
    "{% for message in messages if message['role'] != 'system' %}"
    "{% set at_end = loop.last or (loop.index0 == loop.length - 2 and message['role'] == 'user') %}"
    "<|{{ message['role'] }}|>{% if message['role'] == 'user' and at_end %}{{ instructions }}: {% endif %}"
    "{{ message['content'] }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WITHOUT_END = CHAT_TEMPLATE.replace("<|end|>", "")
OPENS_THOUGHTS = CHAT_TEMPLATE.replace("%}<|assistant|>{%", "%}<|assistant|><think>{%")

MakeBase = Callable[[str], Base]


@pytest.fixture
def base_with(tmp_path: Path) -> MakeBase:
    def make(template: str) -> Base:
        folder = write_checkpoint(tmp_path / "base", tiny_checkpoint(chat=False))
        (folder / "chat_template.jinja").write_text(template)
        return open_base(folder, context=None)

    return make


def _line(*turns: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in turns], **more}


TWO_TURNS = _line(("system", "Be kind"), ("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two"))


def _texts(base: Base, document: Document) -> tuple[str, list[str]]:
    """All of a document, and its trained parts."""
    pieces = [base.text.tokenizer.token_text(token) for token in document.ids]
    trained, parts, inside = document.trained, list[str](), False
    for piece, is_trained in zip(pieces, trained, strict=True):
        if is_trained and inside:
            parts[-1] += piece
        elif is_trained:
            parts.append(piece)
        inside = is_trained
    return "".join(pieces), parts


def test_answers_are_trained_with_the_token_that_ends_them_and_nothing_else_is(base_with: MakeBase) -> None:
    base = base_with(CHAT_TEMPLATE)
    [document] = base.encoder.documents(conversation(TWO_TURNS))
    whole = "<|system|>Be kind<|end|><|user|>a<|end|><|assistant|>one<|end|><|user|>b<|end|><|assistant|>two<|end|>"
    assert _texts(base, document) == (whole, ["one<|end|>", "two<|end|>"])


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, THINKING, ALWAYS_OPENS, SYSTEM_LAST, WITHOUT_END])
def test_each_answer_stands_behind_the_very_prompt_that_the_server_sends(base_with: MakeBase, template: str) -> None:
    base = base_with(template)
    read = conversation(TWO_TURNS)
    documents = base.encoder.documents(read)
    for number in (2, 4):
        prompt = base.text.encode_chat(read.messages[:number])
        assert any(document.ids[: len(prompt)] == prompt and document.trained[len(prompt)] for document in documents)
    assert sum(sum(document.trained) > 0 for document in documents) == len(documents)


def test_an_answer_whose_thoughts_are_dropped_later_is_trained_where_it_still_has_them(base_with: MakeBase) -> None:
    base = base_with(THINKING)
    line = _line(("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two"))
    line["messages"][1]["reasoning_content"] = "hm"
    line["messages"][3]["reasoning_content"] = "ah"
    first, second = base.encoder.documents(conversation(line))
    assert _texts(base, first)[0] == "<|user|>a<|end|>\n<|assistant|><think>hm</think>one<|end|>"
    assert _texts(base, first)[1] == ["<think>hm</think>one<|end|>"]
    text, trained = _texts(base, second)
    assert "hm" not in text
    assert trained == ["<think>ah</think>two<|end|>"]


def test_what_a_template_opens_behind_the_last_answer_is_not_trained(base_with: MakeBase) -> None:
    base = base_with(ALWAYS_OPENS)
    [document] = base.encoder.documents(conversation(_line(("user", "a"), ("assistant", "one"))))
    assert _texts(base, document) == ("<|user|>a<|end|><|assistant|>one<|end|>", ["one<|end|>"])


def test_a_model_learns_to_stop_where_its_template_does_not_end_an_answer(base_with: MakeBase) -> None:
    base = base_with(WITHOUT_END)
    [document] = base.encoder.documents(conversation(_line(("user", "a"), ("assistant", "one"))))
    assert _texts(base, document)[1] == ["one<|end|>"]


def test_a_template_whose_prompt_is_not_how_the_answer_begins_is_refused(base_with: MakeBase) -> None:
    base = base_with(OPENS_THOUGHTS)
    with pytest.raises(UnusableLine, match=r"messages\[1\]: the server's prompt goes on with '<think>'"):
        base.encoder.documents(conversation(_line(("user", "a"), ("assistant", "one"))))


def test_messages_with_the_weight_0_are_read_and_not_trained(base_with: MakeBase) -> None:
    base = base_with(CHAT_TEMPLATE)
    line = _line(("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two"))
    line["messages"][1]["weight"] = 0
    [document] = base.encoder.documents(conversation(line))
    assert _texts(base, document)[1] == ["two<|end|>"]


def test_calls_of_tools_are_trained_and_their_results_are_not(base_with: MakeBase) -> None:
    """The tiny template knows no tools: they are explained as text, as the server does it."""
    base = base_with(CHAT_TEMPLATE)
    call = {"id": "c1", "type": "function", "function": {"name": "wind", "arguments": '{"at": "sea"}'}}
    line = {
        "messages": [
            {"role": "user", "content": "Wind?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "7"},
            {"role": "assistant", "content": "Strong"},
        ],
        "tools": [{"type": "function", "function": {"name": "wind", "parameters": {"type": "object"}}}],
        "parallel_tool_calls": False,
    }
    read = conversation(line)
    [document] = base.encoder.documents(read)
    text, trained = _texts(base, document)
    assert trained[1] == "Strong<|end|>"
    assert '"name": "wind", "arguments": {"at": "sea"}' in trained[0]
    assert "<tools>" in text
    assert document.ids[: document.trained.index(True)] == base.text.encode_chat(read.messages[:1], tools=read.tools)


@pytest.mark.parametrize("file", ["mistral_instruct_tokenizer_240323.model.v3", "tekken_240911.json"])
def test_mistrals_own_format_is_trained_as_it_is_served(file: str) -> None:
    """It puts instructions and tools before the last question, wherever that is."""
    tokenizer, template = load_mistral(MISTRAL_DATA / file)
    text = TextModel(tokenizer, template)
    tools = [{"type": "function", "function": {"name": "wind", "parameters": {"type": "object"}}}]
    read = conversation(TWO_TURNS | {"tools": tools})
    documents = ChatEncoder(text, ()).documents(read)
    for number, answer in ((2, "one"), (4, "two")):
        prompt = text.encode_chat(read.messages[:number], tools=read.tools)
        [document] = [document for document in documents if document.ids[: len(prompt)] == prompt]
        ending = document.ids[len(prompt) :]
        assert document.trained[len(prompt)]
        assert tokenizer.decode(ending).strip() == answer
        assert ending[-1] in tokenizer.eos_ids


def test_text_that_looks_like_a_control_token_stays_text(base_with: MakeBase) -> None:
    base = base_with(CHAT_TEMPLATE)
    [document] = base.encoder.documents(conversation(_line(("user", "<|end|>"), ("assistant", "a<|end|>b"))))
    end = base.text.tokenizer.control_tokens["<|end|>"]
    assert document.ids.count(end) == 2


def test_a_pair_has_one_prompt_and_two_trained_endings(base_with: MakeBase) -> None:
    base = base_with(CHAT_TEMPLATE)
    plain = {"prompt": [{"role": "user", "content": "a"}], "chosen": "yes", "rejected": "no"}
    openai = {
        "input": {"messages": plain["prompt"], "tools": [], "parallel_tool_calls": True},
        "preferred_output": [{"role": "assistant", "content": "yes"}],
        "non_preferred_output": [{"role": "assistant", "content": "no"}],
    }
    for line in (plain, openai):
        chosen, rejected = base.encoder.pair(pair(line))
        assert _texts(base, chosen) == ("<|user|>a<|end|><|assistant|>yes<|end|>", ["yes<|end|>"])
        assert _texts(base, rejected) == ("<|user|>a<|end|><|assistant|>no<|end|>", ["no<|end|>"])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mesages": []}, "'mesages' is unknown: did you mean 'messages'"),
        ({"conversations": []}, "ShareGPT's form"),
        ({"text": "a"}, "'messages' is missing; the line's fields are 'text'"),
        ({"messages": "a"}, "'messages' is the text 'a': it must be a list"),
        ({"messages": []}, "'messages' is empty"),
        ({"messages": [{"content": "a"}]}, r"messages\[0\]: 'role' is missing: it is one of system"),
        ({"messages": [{"rol": "user", "content": "a"}]}, r"'role' is missing: is 'rol' meant to be it"),
        ({"messages": [{"from": "human", "value": "a"}]}, r"'role' is missing: is 'from' meant to be it"),
        (_line(("asistant", "a")), r"messages\[0\].role is 'asistant': did you mean 'assistant'"),
        (_line(("human", "a")), r"did you mean 'user'"),
        ({"messages": [{"role": "user", "contnt": "a"}]}, r"messages\[0\].'contnt' is unknown: did you mean 'content'"),
        ({"messages": [{"role": "user", "content": 7}]}, r"content is the number 7: it must be text"),
        ({"messages": [{"role": "user", "content": ""}]}, r"'content' is empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            r"content\[0\] is 'image_url': only text can be trained on",
        ),
        (_line(("user", "a")), "the last message is of the role 'user'"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0.5}]},
            r"messages\[1\].weight is 0.5: it must be 1, or 0",
        ),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]},
            "no message is trained",
        ),
        ({"messages": [{"role": "tool", "content": "a", "tool_call_id": "x"}]}, "no call before it has this id"),
        (_line(("user", "\ud800"), ("assistant", "a")), r"messages\[0\]: the text holds half a surrogate pair"),
        (_line(("user", "a"), ("assistant", "b"), tools=[{"type": "function"}]), r"tools\[0\].function is missing"),
    ],
)
def test_an_unusable_conversation_says_what_would_be_right(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UnusableLine, match=says):
        conversation(fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"prompt": "a", "chosen": "b"}, "'rejected' is missing"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "there is nothing to prefer"),
        ({"input": [], "preferred_output": [], "non_preferred_output": []}, "input is a list: it must be an object"),
    ],
)
def test_an_unusable_pair_says_what_would_be_right(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UnusableLine, match=says):
        pair(fields)


def test_fields_that_nothing_reads_are_named() -> None:
    ignored = set[str]()
    line = _line(("user", "a"), ("assistant", "b"), id=7, source="x")
    line["messages"][0]["date"] = "today"
    read = conversation(line, ignored=ignored)
    assert ignored == {"id", "source", "messages[].date"}
    assert read.messages == (Message("user", "a"), Message("assistant", "b"))


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_it_is_told_how_far_into_a_file_the_conversations_are_tokenized(
    name: str, base_with: MakeBase, tmp_path: Path
) -> None:
    data = tmp_path / name
    lines = ((json.dumps(TWO_TURNS) + "\n") * 4).encode()
    data.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    told: list[tuple[int, int]] = []
    prepare(
        tmp_path / "shards",
        base=base_with(CHAT_TEMPLATE),
        data=[data],
        validation=[],
        encode=conversation_documents,
        report=lambda done, total, documents, tokens: told.append((done, total)),
    )
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert shares.index(1) == 4, "the file is whole after its four lines alone, also where it is compressed"
    assert name.endswith(".gz") or 0.1 < shares[0] < 0.3
