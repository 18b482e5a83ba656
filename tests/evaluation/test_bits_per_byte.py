"""Bits per byte: each byte counted once, with the context that the windows state, equal to transformers' loss."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint
from torch.optim import SGD

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.evaluation.bits_per_byte import TextScorer, read_texts, windows
from aquilon.evaluation.candidates import load_candidate
from aquilon.evaluation.measuring import bits_per_byte_measures
from aquilon.evaluation.results import TextRecord
from aquilon.evaluation.tasks import TextFile, TextTask
from aquilon.models.attention import DenseCausalAttention
from aquilon.models.transformer import Transformer
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training import sizes
from aquilon.training.checkpoints import CheckpointWriter, Progress, Trained
from aquilon.training.initialization import initialize
from aquilon.training.objective import LossModel, NextToken
from aquilon.training.protocol import TOKENIZER, Pretrain, Size, Source, write_job

TEXTS = ["Der Bär schläft. " * 30, "é", "Une phrase, puis une autre.", "x", "¿Qué tal? " * 14]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny"), tiny_checkpoint(context=64))


def write_texts(folder: Path, texts: list[str]) -> Path:
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def score(folder: Path, path: Path, **task: float | None) -> list[TextRecord]:
    loaded = load_candidate(folder, "auto", lambda share: None)
    order = TextTask(files=[TextFile(path=str(path))], **task)  # type: ignore[arg-type]
    return list(TextScorer(loaded.transformer, loaded.text.tokenizer, order).score(read_texts(order.files)))


@torch.no_grad()
def slowly(folder: Path, text: str, *, size: int, overlap: int) -> float:
    """The slow twin: each token alone, after the inputs that its window has before it."""
    loaded = load_candidate(folder, "float32", lambda share: None)
    ids = loaded.text.tokenizer.encode(text)
    bits = 0.0
    for begin, end, counted in windows(len(ids), size, overlap):
        for target in range(counted, end + 1):
            inputs = torch.tensor(ids[begin:target])
            attention = DenseCausalAttention([len(inputs)], loaded.transformer.architecture)
            hidden = loaded.transformer(inputs, torch.arange(len(inputs)), attention)
            logprobs = loaded.transformer.logits(hidden[-1:]).double().log_softmax(-1)
            bits -= float(logprobs[0, ids[target]]) / math.log(2)
    return bits


def test_the_files_of_a_folder_say_their_languages_by_their_names(tmp_path: Path) -> None:
    for name in ("de-novels.txt", "fr-prose.txt", "notes.txt"):
        (tmp_path / name).write_text(name)
    found = {document.text: language for document, language in read_texts([TextFile(path=str(tmp_path))])}
    assert found == {"de-novels.txt": "de", "fr-prose.txt": "fr", "notes.txt": None}
    assert {language for _, language in read_texts([TextFile(path=str(tmp_path), language="it")])} == {"it"}


def test_so_many_bytes_of_each_file_are_read_and_no_character_is_cut(tmp_path: Path) -> None:
    path = write_texts(tmp_path, ["four", "ééé", "x"])
    files = [TextFile(path=str(path))]
    read = {size: [document.text for document, _ in read_texts(files, bytes=size)] for size in (4, 5, 6, 7, 10, 11, 99)}
    assert read == {
        4: ["four"],
        5: ["four", ""],
        6: ["four", "é"],
        7: ["four", "é"],
        10: ["four", "ééé"],
        11: ["four", "ééé", "x"],
        99: ["four", "ééé", "x"],
    }
    sizes: list[int] = []
    list(read_texts(files, bytes=7, on_read=sizes.append))
    assert sum(sizes) == 6


@pytest.mark.parametrize(("tokens", "size", "overlap"), [(1, 4, 2), (2, 4, 2), (5, 4, 3), (100, 7, 0), (64, 8, 5)])
def test_windows_count_each_token_but_the_first_once_after_the_overlap(tokens: int, size: int, overlap: int) -> None:
    counted = []
    for begin, end, first in windows(tokens, size, overlap):
        assert 0 < end - begin <= size
        assert first - begin > overlap or begin == 0
        counted += range(first, end + 1)
    assert counted == list(range(1, tokens))


def test_bits_equal_those_of_the_slow_twin_in_windows(checkpoint: Path, tmp_path: Path) -> None:
    records = score(checkpoint, write_texts(tmp_path, TEXTS), window=32, overlap=0.25)
    predicted = [text for text in TEXTS if len(text.encode()) > 1]  # one byte is one token, and nothing is before it
    assert [record.bytes for record in records] == [len(text.encode()) - 1 for text in predicted]
    for record, text in zip(records, predicted, strict=True):
        assert record.bits == pytest.approx(slowly(checkpoint, text, size=32, overlap=8), rel=1e-5)


def test_bits_equal_the_loss_of_transformers(checkpoint: Path, tmp_path: Path) -> None:
    text = "Aquilon souffle du nord sur la plaine."
    [record] = score(checkpoint, write_texts(tmp_path, [text]))
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    ids = torch.tensor([tokenizer_from_folder(checkpoint).encode(text)])
    with torch.no_grad():
        loss = model(ids, labels=ids).loss.item()
    assert record.bits / record.tokens == pytest.approx(loss / math.log(2), rel=1e-5)


def test_the_bytes_of_a_gguf_model_are_those_of_the_text(default_model_file: Path, tmp_path: Path) -> None:
    text = "Il était une fois, à l'orée d'un bois, une chaumière."
    [record] = score(default_model_file, write_texts(tmp_path, [text]))
    first = len("Il")
    assert record.bytes == len(text.encode()) - first
    assert 0.5 < record.bits / record.bytes < 3


def test_a_file_that_is_all_of_its_language_is_shown_once() -> None:
    records = [
        TextRecord(file=f"texts/{file}", number=1, language=language, bits=bits, bytes=10, tokens=5)
        for file, language, bits in [("fr.txt", "fr", 10.0), ("de.txt", "de", 20.0), ("de2.txt", "de", 30.0)]
    ]
    measures = bits_per_byte_measures([*records, TextRecord(file="x", number=1, bits=5.0, bytes=10, tokens=5)])
    assert {name: (measure.value, measure.count) for name, measure in measures.items()} == {
        "bits_per_byte": (1.625, 4),
        "bits_per_byte/fr": (1.0, 1),
        "bits_per_byte/de": (2.5, 2),
        "bits_per_byte/de.txt": (2.0, 1),
        "bits_per_byte/de2.txt": (3.0, 1),
        "bits_per_byte/x": (0.5, 1),
    }


def test_a_run_is_measured_by_its_last_checkpoint_until_it_has_a_model(checkpoint: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(checkpoint, run / TOKENIZER)
    size = Size(depth=2, context=64, hidden_size=32)
    write_job(run, Pretrain(data=[Source(path="text")], tokenizer="tokenizer", model=size))
    transformer = Transformer(sizes.architecture(size, tokenizer_from_folder(checkpoint).vocab_size))
    initialize(transformer, 0)
    model = LossModel(transformer, NextToken(), torch.float32)
    writer = CheckpointWriter(run, keep=2, on_saved=lambda folder, progress: None)
    progress = Progress(step=7, tokens=1, seconds=1.0, loss=None, validation_loss=None)
    writer.save(Trained(model, [SGD(model.parameters(), lr=0.1)]), progress)
    writer.close()

    loaded = load_candidate(run, "auto", lambda share: None)
    assert loaded.step == 7
    assert all(
        torch.equal(ours, theirs)
        for ours, theirs in zip(loaded.transformer.parameters(), transformer.parameters(), strict=True)
    )

    write_checkpoint(run / "model", tiny_checkpoint(context=64))
    released = load_candidate(run, "auto", lambda share: None)
    assert released.step is None
    assert released.sha256 == load_candidate(checkpoint, "auto", lambda share: None).sha256
    assert open_checkpoint(run / "model").architecture == released.transformer.architecture
