"""Text that can't be trained on: the process says which file and why, and ends as for a wrong option."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.training_runs import tiny_job, train
from tests.support.training_texts import write_corpus, write_tokenizer

from aquilon.training.history import History
from aquilon.training.protocol import Failed, Training


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "{path}: holds no text"),
        (b"the cat", "data: source 1 is too small: it doesn't fill one row (a row has 32 tokens)"),
        (b"the cat \xff sat" * 1000, "{path}: is not UTF-8: invalid start byte near byte 8"),
        (None, "{path}: does not exist"),
    ],
)
def test_text_that_can_not_be_trained_on_is_refused(
    text: bytes | None, problem: str, tokenizer: Path, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    if text is not None:
        path.write_bytes(text)
    assert train(tmp_path / "run", tiny_job(path, tokenizer, Training(steps=5))) == 2
    end = History.of(tmp_path / "run").end
    assert isinstance(end, Failed)
    assert (end.code, end.message) == ("unusable_data", problem.format(path=path))


def test_a_tokenizer_without_an_end_of_document_is_refused(tokenizer: Path, tmp_path: Path) -> None:
    other = tmp_path / "tokenizer"
    other.mkdir()
    vocabulary = (tokenizer / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(vocabulary.replace("<|endoftext|>", "<|else|>"))
    corpus = write_corpus(tmp_path / "corpus.txt", words=1000)
    assert train(tmp_path / "run", tiny_job(corpus, other, Training(steps=5))) == 2
    end = History.of(tmp_path / "run").end
    assert isinstance(end, Failed)
    assert end.message.startswith("the tokenizer has no token that ends a document: it needs one of")
