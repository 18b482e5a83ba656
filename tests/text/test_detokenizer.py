"""Text that arrives token by token: whole characters only, and in the end the text of all tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.multilingual import texts
from tests.support.work import work

from aquilon.text.detokenizer import Detokenizer
from aquilon.text.subword import SubwordTokenizer

Chunks = list[list[int]]


@pytest.fixture(scope="module", params=["default_tokenizer", "sentencepiece_tokenizer"])
def tokenizer(request: pytest.FixtureRequest) -> SubwordTokenizer:
    tokenizer: SubwordTokenizer = request.getfixturevalue(request.param)
    return tokenizer


def chunks_of(vocab_size: int) -> st.SearchStrategy[Chunks]:
    """Ids with many single bytes among them, which are the beginnings of both vocabularies, in pieces."""
    ids = st.one_of(st.integers(0, vocab_size - 1), st.integers(17, 280), st.integers(771, 1027))
    return st.lists(st.lists(ids, max_size=4), max_size=20)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_pieces_add_up_to_the_text_of_all_ids(tokenizer: SubwordTokenizer, data: st.DataObject) -> None:
    chunks = data.draw(chunks_of(tokenizer.vocab_size))
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.add(chunk) for chunk in chunks]
    pieces.append(detokenizer.finish())
    assert "".join(pieces) == tokenizer.decode([token_id for chunk in chunks for token_id in chunk])


def test_no_half_character_is_ever_shown(tokenizer: SubwordTokenizer) -> None:
    for text in texts(200, seed=11):
        ids = tokenizer.encode(text, add_special=False)
        whole = tokenizer.decode(ids)  # less the characters that the vocabulary lacks
        if "\ufffd" in whole:
            continue
        detokenizer = Detokenizer(tokenizer)
        shown = ""
        for token_id in ids:
            shown += detokenizer.add([token_id])
            assert whole.startswith(shown)
        assert shown == whole
        assert detokenizer.finish() == ""


def test_invalid_bytes_are_shown_as_the_replacement_character(
    sentencepiece_tokenizer: SubwordTokenizer,
) -> None:
    first_byte = 771
    e_acute, letter = (
        [first_byte + 0xC3, first_byte + 0xA9],
        sentencepiece_tokenizer.encode("xa", add_special=False)[-1],
    )
    detokenizer = Detokenizer(sentencepiece_tokenizer)
    assert detokenizer.add(e_acute[:1]) == ""
    assert detokenizer.add(e_acute[1:]) == "é"
    assert detokenizer.add(e_acute[:1]) == ""
    assert detokenizer.add([letter]).startswith("\ufffd")
    assert detokenizer.add([first_byte + 0xFF]) == "\ufffd"
    assert detokenizer.add(e_acute[:1]) == ""
    assert detokenizer.finish() == "\ufffd"


def test_an_answer_after_a_control_token_begins_without_sentencepieces_space(
    sentencepiece_tokenizer: SubwordTokenizer,
) -> None:
    ids = sentencepiece_tokenizer.encode("Bonjour toi", add_special=False)
    end_of_prompt = 4  # [/INST]
    assert Detokenizer(sentencepiece_tokenizer, [1, end_of_prompt]).add(ids) == "Bonjour toi"
    assert Detokenizer(sentencepiece_tokenizer, ids).add(ids) == " Bonjour toi"
    assert Detokenizer(sentencepiece_tokenizer).add(ids) == "Bonjour toi"


@settings(max_examples=100, deadline=None)
@given(
    text=st.text(st.characters(min_codepoint=0x80, max_codepoint=0xFFFF, exclude_categories=("Cs",))), data=st.data()
)
def test_text_after_a_prompt_continues_the_prompt(
    default_tokenizer: SubwordTokenizer, text: str, data: st.DataObject
) -> None:
    ids = default_tokenizer.encode(text)
    cut = data.draw(st.integers(0, len(ids)))
    detokenizer = Detokenizer(default_tokenizer, ids[:cut])
    following = detokenizer.add(ids[cut:]) + detokenizer.finish()
    assert default_tokenizer.decode(ids).endswith(following)
    assert len(following) >= len(default_tokenizer.decode(ids)) - len(default_tokenizer.decode(ids[:cut]))


def test_a_long_answer_costs_the_same_for_each_token(default_tokenizer: SubwordTokenizer) -> None:
    sentence = default_tokenizer.encode("Der Wetterbericht für morgen: 20 °C. ", add_special=False)

    def say(sentences: int) -> None:
        detokenizer = Detokenizer(default_tokenizer)
        for token_id in sentence * sentences:
            detokenizer.add([token_id])

    assert work(lambda: say(20_000)) < 20 * work(lambda: say(2_000))


def test_control_tokens_have_no_text_but_a_name(default_tokenizer: SubwordTokenizer) -> None:
    assert default_tokenizer.token_bytes(2) == b""
    assert default_tokenizer.token_text(2) == "<|im_end|>"
    assert default_tokenizer.decode([2]) == ""
    assert default_tokenizer.decode([2], skip_special=False) == "<|im_end|>"


def test_part_of_a_character_has_its_bytes_and_a_readable_text(default_tokenizer: SubwordTokenizer) -> None:
    token_id = default_tokenizer.encode("ö", add_special=False)[0]
    assert default_tokenizer.token_bytes(token_id).decode() == "ö"
    clef = default_tokenizer.encode("😀", add_special=False)
    assert b"".join(map(default_tokenizer.token_bytes, clef)).decode() == "😀"
    assert "\ufffd" in default_tokenizer.token_text(clef[-1])


@pytest.mark.parametrize("token_id", [-1, 49152, 10**12])
def test_an_id_out_of_range_is_refused(token_id: int, default_tokenizer: SubwordTokenizer) -> None:
    with pytest.raises(ValueError, match="not in this vocabulary of 49152"):
        default_tokenizer.decode([token_id])
