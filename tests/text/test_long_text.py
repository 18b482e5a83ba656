"""Long prompts: the same ids whether cut or whole, soon and in little memory, and no library loaded for nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from tests.support.multilingual import texts
from tests.support.vocabulary_files import first_tokens
from tests.support.work import work

from aquilon.text import cutting
from aquilon.text.gguf_vocabulary import tokenizer_from_gguf
from aquilon.text.pretokenizers import WORD_RULES
from aquilon.text.subword import SubwordTokenizer

PROSE = "The quick brown fox jumps over 13 lazy dogs. L'été était chaud, à Paris;\nes war über-schön! 你好世界。\n"


@pytest.mark.parametrize("fixture", ["default_tokenizer", "sentencepiece_tokenizer"])
def test_a_text_in_pieces_has_the_ids_of_the_whole(
    fixture: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer: SubwordTokenizer = request.getfixturevalue(fixture)
    for text in ["".join(texts(30, seed=seed)) for seed in range(20)]:
        whole = tokenizer.encode(text)
        with monkeypatch.context() as patch:
            patch.setattr(cutting, "CHUNK_CHARACTERS", 1)
            assert tokenizer.encode(text) == whole


@pytest.mark.parametrize("rule", sorted(WORD_RULES))
def test_every_rule_for_words_gives_the_same_ids_in_pieces(
    rule: str, default_metadata: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tokenizer_from_gguf({**first_tokens(default_metadata, 3000), "tokenizer.ggml.pre": rule})
    text = "".join(texts(40, seed=len(rule)))
    whole = tokenizer.encode(text)
    monkeypatch.setattr(cutting, "CHUNK_CHARACTERS", 1)
    assert tokenizer.encode(text) == whole


@pytest.mark.slow
def test_a_long_prompt_is_little_more_work_than_its_lines_one_by_one(default_tokenizer: SubwordTokenizer) -> None:
    lines = 1_000_000 // len(PROSE)
    one_by_one = work(lambda: [default_tokenizer.encode(PROSE) for _ in range(lines)])
    assert work(lambda: default_tokenizer.encode(PROSE * lines)) < 2 * one_by_one


def test_a_very_long_word_is_cut_without_loss(default_tokenizer: SubwordTokenizer) -> None:
    text = "ab" * cutting.LONGEST_RUN
    assert default_tokenizer.decode(default_tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", ["a", " ", "\n", "<", "é", "<|im_end|>"])
def test_a_megabyte_of_repeated_text_is_encoded_in_time(text: str, default_tokenizer: SubwordTokenizer) -> None:
    ids = default_tokenizer.encode(text * (2**20 // len(text)))
    assert not any(map(default_tokenizer.is_control, ids))


def test_text_is_read_and_written_without_the_heavy_libraries(default_model_file: object) -> None:
    program = f"""
import sys
from pathlib import Path
from aquilon.checkpoints.gguf_file import read_gguf
metadata = read_gguf(Path({str(default_model_file)!r})).metadata
def memory():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before = memory()
from aquilon.text.messages import Message
from aquilon.text.model import TextModel
model = TextModel.from_gguf(metadata)
ids = model.template.encode([Message("user", "Bonjour")])
assert model.tokenizer.decode(ids)
heavy = [name for name in ("torch", "transformers", "mistral_common", "sentencepiece", "gguf") if name in sys.modules]
print(memory() - before, heavy)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    grown, heavy = run.stdout.split(maxsplit=1)
    assert heavy.strip() == "[]"
    assert int(grown) < 60 * 2**20
