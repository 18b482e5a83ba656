"""The default model's text side, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.vocabulary_files import MISTRAL_DATA, read_tokenizer_metadata, sentencepiece_metadata

from aquilon.text.model import TextModel
from aquilon.text.subword import SubwordTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@pytest.fixture(scope="session")
def default_metadata(default_model_file: Path) -> dict[str, Any]:
    return read_tokenizer_metadata(default_model_file)


@pytest.fixture(scope="session")
def default_text(default_metadata: dict[str, Any]) -> TextModel:
    return TextModel.from_gguf(default_metadata)


@pytest.fixture(scope="session")
def default_tokenizer(default_text: TextModel) -> SubwordTokenizer:
    assert isinstance(default_text.tokenizer, SubwordTokenizer)
    return default_text.tokenizer


@pytest.fixture(scope="session")
def default_reference(default_model_file: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that transformers reads from the default model's file."""
    from transformers import AutoTokenizer  # slow, and few tests need it

    return AutoTokenizer.from_pretrained(default_model_file.parent, gguf_file=default_model_file.name)


@pytest.fixture(scope="session")
def mistral_metadata() -> dict[str, Any]:
    """Mistral's third vocabulary, SentencePiece, as a GGUF holds it."""
    return sentencepiece_metadata(MISTRAL_DATA / "mistral_instruct_tokenizer_240323.model.v3")


@pytest.fixture(scope="session")
def sentencepiece_tokenizer(mistral_metadata: dict[str, Any]) -> SubwordTokenizer:
    tokenizer = TextModel.from_gguf(mistral_metadata).tokenizer
    assert isinstance(tokenizer, SubwordTokenizer)
    return tokenizer
