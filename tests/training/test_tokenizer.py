"""``aquilon train tokenizer``: what it learns, and that others read it as we do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.commands import aquilon, run_aquilon
from tests.support.llama_cpp import LlamaCppTokenizer
from tests.support.multilingual import texts
from tests.support.vocabulary_files import folder_metadata, write_vocabulary
from transformers import AutoTokenizer

from aquilon.text.fill import fill_format
from aquilon.text.gguf_vocabulary import tokenizer_from_gguf
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.text.messages import FunctionCall, Message, Tool, ToolCall
from aquilon.text.model import TextModel
from aquilon.text.subword import SubwordTokenizer
from aquilon.text.tool_calls.hermes import HermesFormat
from aquilon.training.data.language_sample import LanguageSample
from aquilon.training.tokenizer import CONTROLS, MARKS, WORDS, train_tokenizer

VOCABULARY = 1200
LEARNT = texts(600, seed=3) + [text.upper() for text in texts(300, seed=4)]
UNSEEN = texts(150, seed=5) + [text.upper() for text in texts(80, seed=6)]

WEATHER = Tool("weather", "Say the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CONVERSATION = [
    Message("system", "Réponds en français."),
    Message("user", "Quel temps à Paris ?"),
    Message(
        "assistant",
        "Je regarde.",
        reasoning="They ask for the weather.",
        tool_calls=(
            ToolCall("call_1", FunctionCall("weather", '{"city": "Paris"}')),
            ToolCall("call_2", FunctionCall("weather", '{"city": "Évry"}')),
        ),
    ),
    Message("tool", "18 °C", tool_call_id="call_1"),
    Message("tool", "17 °C", tool_call_id="call_2"),
    Message("assistant", "Il fait 18 °C."),
    Message("user", "Merci"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tokenizer") / "trained"
    train_tokenizer(iter(LEARNT * 3), VOCABULARY, out)
    return out


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> SubwordTokenizer:
    return tokenizer_from_folder(folder)


def test_a_vocabulary_has_the_size_that_was_asked_for(tokenizer: SubwordTokenizer) -> None:
    assert tokenizer.vocab_size == VOCABULARY


@settings(max_examples=150)
@given(st.text())
def test_any_text_is_encoded_and_comes_back(tokenizer: SubwordTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_transformers_and_llama_cpp_encode_as_we_do(folder: Path, tokenizer: SubwordTokenizer, tmp_path: Path) -> None:
    """Capitals with accents among them, where llama.cpp cuts words by other families' rules in its own way."""
    metadata = folder_metadata(folder, words=WORDS)
    from_gguf = tokenizer_from_gguf(metadata)
    llama_cpp = LlamaCppTokenizer(write_vocabulary(tmp_path / "model.gguf", metadata))
    transformers = AutoTokenizer.from_pretrained(folder)
    for text in UNSEEN:
        ids = tokenizer.encode(text)
        assert ids == from_gguf.encode(text) == llama_cpp.encode(text, add_special=True), repr(text)
        assert ids == transformers.encode(text, split_special_tokens=True), repr(text)


def test_special_tokens_come_first_and_some_are_reserved_for_later(tokenizer: SubwordTokenizer) -> None:
    named = [*CONTROLS, *MARKS]
    assert [tokenizer.token_text(token_id) for token_id in range(len(named))] == named
    assert {name for name in tokenizer.control_tokens if name.startswith("<|reserved_")} == {
        f"<|reserved_{number}|>" for number in range(VOCABULARY // 128)
    }
    assert fill_format(tokenizer) is not None


def test_a_control_tokens_name_in_a_text_stays_text(tokenizer: SubwordTokenizer) -> None:
    ids = tokenizer.encode("<|im_end|><|endoftext|>")
    assert not any(map(tokenizer.is_control, ids))


def test_the_server_reads_the_template_as_one_with_tool_calls_and_thoughts(folder: Path) -> None:
    text = TextModel.from_folder(folder)
    assert isinstance(text.tools, HermesFormat)
    assert text.reasoning is not None
    assert text.reasoning.opening == "<think>"


@pytest.mark.parametrize("tools", [(), (WEATHER,)], ids=["without tools", "with tools"])
def test_transformers_renders_a_conversation_as_the_server_does(folder: Path, tools: tuple[Tool, ...]) -> None:
    text, transformers = TextModel.from_folder(folder), AutoTokenizer.from_pretrained(folder)
    described = [
        {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}
        for t in tools
    ]
    for end in range(1, len(CONVERSATION) + 1):
        rendered = transformers.apply_chat_template(
            [_as_transformers_takes_it(message) for message in CONVERSATION[:end]],
            tools=described or None,
            tokenize=False,
            add_generation_prompt=True,
        )
        assert text.template is not None
        assert text.template.render(CONVERSATION[:end], tools=tools) == rendered
        ids = text.template.encode(CONVERSATION[:end], tools=tools)
        assert ids == transformers.encode(rendered, add_special_tokens=False)


@pytest.mark.parametrize("tools", [(), (WEATHER,)], ids=["without tools", "with tools"])
def test_a_conversations_beginning_is_rendered_the_same_whatever_follows(folder: Path, tools: tuple[Tool, ...]) -> None:
    template = TextModel.from_folder(folder).template
    assert template is not None
    whole = template.render(CONVERSATION, tools=tools, add_generation_prompt=False)
    for end in range(1, len(CONVERSATION)):
        assert whole.startswith(template.render(CONVERSATION[:end], tools=tools, add_generation_prompt=False))
        if CONVERSATION[end].role == "assistant":
            assert whole.startswith(template.render(CONVERSATION[:end], tools=tools))


def _as_transformers_takes_it(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        plain["reasoning_content"] = message.reasoning
    if message.tool_calls:
        plain["tool_calls"] = [
            {
                "type": "function",
                "function": {"name": call.function.name, "arguments": json.loads(call.function.arguments)},
            }
            for call in message.tool_calls
        ]
    return plain


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from(["fr", "de", "it"]), st.integers(min_value=2000, max_value=60_000), min_size=1),
    st.integers(min_value=20_000, max_value=100_000),
)
def test_each_language_gives_as_many_bytes_in_bounded_memory(sizes: dict[str, int], most_bytes: int) -> None:
    sample = LanguageSample(most_bytes=most_bytes)
    for language, size in sizes.items():
        for start in range(0, size, 700):
            sample.add(language, "dé " * min(233, (size - start) // 3))
    given_bytes = {name: sum(len(text.encode()) for text in sample.learnt_of(name)) for name in sizes}
    assert all(sample.learnt_bytes() - 3 <= given <= sample.learnt_bytes() for given in given_bytes.values())
    assert sample.learnt_bytes() <= most_bytes


def test_text_that_is_held_back_is_not_learnt() -> None:
    sample = LanguageSample(most_bytes=2**20)
    numbered = [f"{number:06d} " * 100 for number in range(200)]
    for text in numbered:
        sample.add("fr", text)
    learnt, held_back = "".join(sample.learnt()), sample.held_back()["fr"]
    assert 0 < len(held_back) < len(learnt)
    assert all((text in learnt) != (text in held_back) for text in numbered)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Documents in two languages, and a file without a language."""
    folder = tmp_path / "sources"
    folder.mkdir()
    french = ["Le chat dort sur le tapis rouge près de la fenêtre ouverte. "] * 40
    german = ["Der Hund schläft auf dem Teppich neben dem offenen Fenster. "] * 400
    lines = [{"text": text * 3, "language": "fra"} for text in french]
    lines += [{"text": text * 3, "language": "de"} for text in german]
    (folder / "two.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "plain.txt").write_text("Il gatto dorme sul tappeto. " * 200)
    return folder


def test_the_command_balances_languages_and_compares_with_other_tokenizers(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "tokenizer"
    arguments = ["train", "tokenizer", str(sources / "two.jsonl"), str(sources / "plain.txt"), "--out", str(out)]
    report = json.loads(aquilon(tmp_path / "home", *arguments, "--vocab-size", "300", "--json"))
    assert {one["language"]: one["learnt_bytes"] for one in report["languages"]}.keys() == {"fr", "de", "plain"}
    assert len({one["learnt_bytes"] for one in report["languages"]}) == 1
    assert {one["tokenizer"] for one in report["measures"]} == {"this one", "Mistral v3", "Tekken"}
    assert report["missing_peers"] == ["smollm2-135m"]
    assert tokenizer_from_folder(out).vocab_size == 300
    page = (out / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page
    assert json.loads((out / "report.json").read_text()) == report


def test_languages_that_are_named_are_identified_where_a_document_does_not_say_its_own(
    sources: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tokenizer"
    arguments = ["train", "tokenizer", str(sources), "--out", str(out), "--vocab-size", "300", "--json"]
    report = json.loads(aquilon(tmp_path / "home", *arguments, "--languages", "it,fr"))
    assert [one["language"] for one in report["languages"]] == ["fr", "it"]


def test_lines_that_cannot_be_read_are_counted_and_a_damaged_file_is_refused(sources: Path, tmp_path: Path) -> None:
    with (sources / "two.jsonl").open("a") as file:
        file.write('\n{"content": "no text"}\n')
    arguments = ["train", "tokenizer", str(sources), "--out", str(tmp_path / "tokenizer"), "--vocab-size", "300"]
    outcome = run_aquilon(tmp_path / "home", *arguments)
    assert outcome.code == 0
    assert "1 lines or pieces of the sources can't be read and were left out." in outcome.err
    (sources / "damaged.txt.gz").write_bytes(b"\x1f\x8b\x08\x00")
    outcome = run_aquilon(tmp_path / "home", *arguments, "--out", str(tmp_path / "other"))
    assert outcome.code == 1
    assert "damaged.txt.gz: is damaged" in outcome.err


def test_the_same_command_again_does_nothing_and_another_never_overwrites(sources: Path, tmp_path: Path) -> None:
    out, home = tmp_path / "tokenizer", tmp_path / "home"
    arguments = ["train", "tokenizer", str(sources), "--out", str(out), "--vocab-size"]
    aquilon(home, *arguments, "300")
    before = (out / "tokenizer.json").stat()
    aquilon(home, *arguments, "300")
    outcome = run_aquilon(home, *arguments, "301")
    assert outcome.code == 1
    assert "holds a tokenizer from other sources or options already: name another --out" in outcome.err
    assert (out / "tokenizer.json").stat() == before


def test_too_little_text_for_a_vocabulary_is_refused_with_the_size_that_it_gives(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "tokenizer"
    outcome = run_aquilon(tmp_path, "train", "tokenizer", str(sources), "--vocab-size", "8192", "--out", str(out))
    assert outcome.code == 1
    assert "are too few for 8192 tokens: they give" in outcome.err
    assert not out.exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_folder_with_something_else_is_left_alone(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "documents"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    outcome = run_aquilon(tmp_path, "train", "tokenizer", str(sources), "--vocab-size", "300", "--out", str(out))
    assert outcome.code == 1
    assert "holds something else already" in outcome.err
    assert [path.name for path in out.iterdir()] == ["letter.txt"]


def test_an_unknown_language_is_refused_with_the_known_ones(sources: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "tokenizer")
    outcome = run_aquilon(tmp_path, "train", "tokenizer", str(sources), "--out", out, "--languages", "fr,klingon")
    assert outcome.code == 1
    assert "'klingon' is no language that is known here: the codes are af, ar," in outcome.err
