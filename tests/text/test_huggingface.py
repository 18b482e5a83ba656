"""Hugging Face folders, against transformers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.support.chat_folders import CHATML, CONTROL_TOKENS, write_folder
from tests.support.multilingual import texts
from tests.support.vocabulary_files import MISTRAL_DATA, sentencepiece_metadata
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from aquilon.text.huggingface import templates_from_folder, tokenizer_from_folder
from aquilon.text.messages import Message
from aquilon.text.model import TextModel
from aquilon.text.sentencepiece import pipelines
from aquilon.text.template import JinjaTemplate
from aquilon.text.tokenizer import TokenizerError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("folder"))


def test_a_folders_tokenizer_encodes_and_decodes_as_transformers_does(folder: Path) -> None:
    ours, transformers = tokenizer_from_folder(folder), AutoTokenizer.from_pretrained(folder)
    for text in [*texts(300, seed=5), "a<think> b </think>c<tool_call>"]:
        ids = transformers.encode(text, split_special_tokens=True)
        assert ours.encode(text) == ids
        assert ours.decode(ids) == transformers.decode(ids, skip_special_tokens=True) == text


def test_files_that_begin_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    expected = tokenizer_from_folder(folder).encode("hello"), templates_from_folder(folder)
    marked = [path for path in folder.iterdir() if path.suffix in (".json", ".jinja")]
    for path in marked:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(marked) > 1
    assert (tokenizer_from_folder(folder).encode("hello"), templates_from_folder(folder)) == expected


def test_control_tokens_in_text_stay_text(folder: Path) -> None:
    tokenizer = tokenizer_from_folder(folder)
    for token in CONTROL_TOKENS:
        ids = tokenizer.encode(f"a{token}b", add_special=False)
        assert not any(map(tokenizer.is_control, ids))
        assert tokenizer.decode(ids) == f"a{token}b"


def test_text_never_becomes_a_control_token_of_the_vocabulary(tmp_path: Path) -> None:
    """With ``ignore_merges`` a word that is in the vocabulary is one token, control tokens too."""
    byte_level = {character: token_id for token_id, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab={**byte_level, "STOP": 256}, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("STOP", special=True, normalized=False)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = tokenizer_from_folder(tmp_path)
    ids = ours.encode("STOP it, STOP")
    assert 256 not in ids
    assert ours.decode(ids) == "STOP it, STOP"
    assert JinjaTemplate("STOP{{ messages[0].content }}STOP", ours).encode([Message("user", "STOP")]).count(256) == 2


@pytest.mark.parametrize("scheme", ["first", "always", "never"])
def test_a_sentencepiece_folder_encodes_as_transformers_does(tmp_path: Path, scheme: str) -> None:
    metadata = sentencepiece_metadata(MISTRAL_DATA / "mistral_instruct_tokenizer_240323.model.v3")
    pieces = {piece: token_id for token_id, piece in enumerate(metadata["tokenizer.ggml.tokens"])}
    first, _ = pipelines(pieces, metadata["tokenizer.ggml.scores"], unmergeable=range(1027), add_space_prefix=False)
    tokenizer = Tokenizer(first.model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    strip = [decoders.Strip(" ", 1, 0)] if scheme != "never" else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in ("<s>", "</s>", "[INST]", "[/INST]")])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(names))
    template = "<s>[INST] {{ messages[0].content }} [/INST]</s>{{ messages[1].content }}"
    (tmp_path / "chat_template.jinja").write_text(template)
    transformers = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    ours = TextModel.from_folder(tmp_path)
    assert ours.template is not None
    for text in texts(150, seed=6):
        ids = transformers.encode(text, add_special_tokens=False, split_special_tokens=True)
        assert ours.tokenizer.encode(text) == ids
        if not any(token in text for token in ("<s>", "</s>", "[INST]", "[/INST]")):
            rendered = f"<s>[INST] {text} [/INST]</s>{text}"
            expected = transformers.encode(rendered, add_special_tokens=False, split_special_tokens=False)
            assert ours.template.encode([Message("user", text), Message("assistant", text)]) == expected


def test_a_normalizer_is_applied(tmp_path: Path) -> None:
    write_folder(tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = tokenizer_from_folder(tmp_path)
    assert ours.decode(ours.encode("e\u0301")) == "é"


def test_added_tokens_keep_their_attributes(tmp_path: Path) -> None:
    write_folder(tmp_path)
    path = str(tmp_path / "tokenizer.json")
    tokenizer = Tokenizer.from_file(path)
    tokenizer.add_tokens(
        [
            AddedToken("<left>", lstrip=True, normalized=False),
            AddedToken("<right>", rstrip=True, normalized=False),
            AddedToken("word", single_word=True, normalized=False),
        ]
    )
    tokenizer.save(path)
    ours, transformers = tokenizer_from_folder(tmp_path), PreTrainedTokenizerFast(tokenizer_file=path)
    for text in ("a  <left> b", "a <right>  b", "sword word words", " <right> <left> ", "<right>  <right>word"):
        assert ours.encode(text, add_special=False) == transformers.encode(text, add_special_tokens=False), text


def test_the_tokens_that_end_an_answer_come_from_every_file(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9]}))
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 11}))
    tokenizer = tokenizer_from_folder(tmp_path)
    end = tokenizer.encode_markup("<|im_end|>")[0]
    assert tokenizer.eos_ids == {7, 9, 11, end}


def test_bos_is_added_as_the_folder_says(tmp_path: Path) -> None:
    with_bos = tokenizer_from_folder(write_folder(tmp_path / "with"))
    without = tokenizer_from_folder(write_folder(tmp_path / "without", add_bos_token=False))
    assert with_bos.encode("a")[0] == with_bos.bos_id
    assert without.encode("a") == with_bos.encode("a", add_special=False)


def test_templates_are_found_in_every_place_where_folders_keep_them(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "one"}, {"name": "tool_use", "template": "two"}]
    assert templates_from_folder(write_folder(tmp_path / "a")) == {"default": CHATML}
    assert templates_from_folder(write_folder(tmp_path / "b", named)) == {"default": "one", "tool_use": "two"}
    folder = write_folder(tmp_path / "c", None)
    assert templates_from_folder(folder) == {}
    assert TextModel.from_folder(folder).template is None
    (folder / "chat_template.jinja").write_text("drei", encoding="utf-8")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("vier", encoding="utf-8")
    assert templates_from_folder(folder) == {"default": "drei", "tool_use": "vier"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "can't be read"),
        ("[]", "can't be read"),
        (Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).to_str(), "WordLevel"),
        (Tokenizer(models.WordPiece({"a": 0}, unk_token="a")).to_str(), "WordPiece"),
    ],
)
def test_a_damaged_or_unknown_tokenizer_is_refused_with_the_file(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(TokenizerError, match=re.escape(str(tmp_path)) + ".*" + message):
        TextModel.from_folder(tmp_path)


def test_a_folder_without_a_tokenizer_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"neither tokenizer\.json"):
        TextModel.from_folder(tmp_path)


MALFORMED = {
    "tokenizer_config.json": [
        b"{",
        b"\xff\xfe{}",
        b"[]",
        b'"text"',
        b"[" * 100_000,
        {"added_tokens_decoder": ["a"]},
        {"added_tokens_decoder": "a"},
        {"added_tokens_decoder": {"one": {"content": "a"}}},
        {"added_tokens_decoder": {"-1": {"content": "a"}}},
        {"added_tokens_decoder": {"9" * 40: {"content": "a"}}},
        {"added_tokens_decoder": {"1300": "a"}},
        {"added_tokens_decoder": {"1300": {}}},
        {"added_tokens_decoder": {"1300": {"content": 3}}},
        {"added_tokens_decoder": {"1300": None}},
        {"chat_template": 3},
        {"chat_template": ["a"]},
        {"chat_template": [{"name": "default"}]},
        {"chat_template": [{"template": "a"}]},
        {"chat_template": [{"name": "default", "template": 3}]},
        {"chat_template": [{"name": [], "template": "a"}]},
        {"chat_template": {"default": None}},
        {"add_bos_token": "yes"},
        {"add_eos_token": [1]},
        {"bos_token": 3},
        {"eos_token": {"content": ["a"]}},
        {"unk_token": ["a"]},
    ],
    "special_tokens_map.json": [b"{", b"3", {"pad_token": 3}, {"cls_token": {"content": 3}}],
    "generation_config.json": [b"{", {"eos_token_id": "two"}, {"eos_token_id": [[2]]}, {"eos_token_id": {"id": 2}}],
    "chat_template.json": [b"{", {"chat_template": 3}],
    "chat_template.jinja": [b"\xff\xfe"],
    "tokenizer.json": [b"{", b"{}", b"\xff", {"version": "1.0", "model": {"type": "BPE", "vocab": 3, "merges": []}}],
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name, contents in MALFORMED.items() for content in contents]
)
def test_every_kind_of_malformed_file_is_named(
    folder: Path, tmp_path: Path, name: str, content: bytes | dict[str, object]
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(TokenizerError, match=re.escape(name)):
        TextModel.from_folder(tmp_path)


def test_a_text_with_parsed_control_tokens_has_the_ids_that_transformers_gives_it(folder: Path) -> None:
    ours, transformers = tokenizer_from_folder(folder), AutoTokenizer.from_pretrained(folder)
    for text in [*texts(50, seed=6), "<|im_start|>user\na<|im_end|>\n<|im_start|>", "[INST] a [/INST]", "<|im_start"]:
        assert ours.encode(text, parse_special=True) == transformers.encode(text)
        assert ours.encode(text, add_special=False, parse_special=True) == transformers.encode(
            text, add_special_tokens=False
        )


def test_a_hole_in_the_vocabulary_is_unused(tmp_path: Path) -> None:
    write_folder(tmp_path, added_tokens_decoder={"1300": {"content": "<far>", "special": True}})
    tokenizer = tokenizer_from_folder(tmp_path)
    last = max(token.id for token in tokenizer.added_tokens if token.text != "<far>")
    assert tokenizer.vocab_size == 1301
    assert tokenizer.unused_ids == frozenset(range(last + 1, 1300))
    fewer = tokenizer_from_folder(tmp_path, rows=1250)
    assert fewer.vocab_size == 1250
    assert fewer.unused_ids == frozenset(range(last + 1, 1250))
    assert fewer.decode(fewer.encode("a<far>b")) == "a<far>b"
    with pytest.raises(ValueError, match="'<far>' is token 1300"):
        fewer.encode("a<far>b", parse_special=True)


@pytest.mark.parametrize("special", [True, False])
def test_a_token_without_weights_is_text_in_a_message_and_refused_in_a_template(tmp_path: Path, special: bool) -> None:
    write_folder(tmp_path, added_tokens_decoder={"1300": {"content": "<far>", "special": special}})
    tokenizer = tokenizer_from_folder(tmp_path, rows=1250)
    template = JinjaTemplate("{% for message in messages %}{{ message.content }}{% endfor %}", tokenizer)
    for role in ("user", "assistant"):
        assert tokenizer.decode(template.encode([Message(role, "a<far>b")])) == "a<far>b"
    with pytest.raises(ValueError, match="'<far>' is token 1300"):
        JinjaTemplate("<far>{{ messages[0].content }}", tokenizer).encode([Message("user", "a")])
