"""Runs of fine-tuning, in this process: what is written, what goes on where it was, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.checkpoints.adapters import open_adapter
from aquilon.checkpoints.arrival import no_progress
from aquilon.checkpoints.pull_path import pull_path
from aquilon.checkpoints.store import ModelStore
from aquilon.training.job import main
from aquilon.training.model_card import model_card
from aquilon.training.protocol import (
    FAILED,
    FINISHED,
    UNUSABLE,
    Dpo,
    Failed,
    Finished,
    Lora,
    Pretrain,
    Sft,
    Source,
    Started,
    Training,
    read_events,
    steps_taken,
    write_job,
)

TRAINING = Training(
    steps=6, batch_tokens=60, learning_rate=3e-3, checkpoint_steps=2, keep_checkpoints=9, precision="float32"
)
WORDS = ["sea", "wind", "north", "rain", "ship", "cloud", "sail", "wave"]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The process takes over signals, and asks torch for deterministic algorithms."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("base"), tiny_checkpoint())


def _chats(folder: Path) -> Path:
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Say {word}"},
                {"role": "assistant", "content": word * (1 + at % 3)},
            ]
        }
        for at, word in enumerate(WORDS)
    ]
    return _write(folder / "chats.jsonl", lines)


def _pairs(folder: Path) -> Path:
    lines = [{"prompt": f"Say {word}", "chosen": word, "rejected": word[::-1] + "!"} for word in WORDS]
    return _write(folder / "pairs.jsonl", lines)


def _write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


MakeJob = Callable[[Path, Path], Sft | Dpo]
JOBS: dict[str, MakeJob] = {
    "conversations": lambda model, folder: Sft(
        model=str(model),
        data=[str(_chats(folder))],
        validation=[str(_chats(folder))],
        lora=Lora(rank=4),
        training=TRAINING,
    ),
    "preferences": lambda model, folder: Dpo(
        model=str(model), data=[str(_pairs(folder))], lora=Lora(rank=4), training=TRAINING
    ),
}


@pytest.mark.parametrize("kind", JOBS)
def test_a_run_that_goes_on_from_a_checkpoint_is_bitwise_equal(kind: str, model: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    write_job(whole, JOBS[kind](model, tmp_path))
    assert main(whole) == FINISHED
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "model")
    for later in (4, 6):
        shutil.rmtree(cut / "checkpoints" / f"step-{later:08d}")
    assert main(cut) == FINISHED

    assert [event.step for event in read_events(cut) if isinstance(event, Started)] == [0, 2]
    both = [
        [(step.step, step.loss, step.metrics, step.data) for step in steps_taken(read_events(run))]
        for run in (whole, cut)
    ]
    assert both[0] == both[1]
    adapters = [(run / "model" / "adapter_model.safetensors").read_bytes() for run in (whole, cut)]
    assert adapters[0] == adapters[1]
    assert set(open_adapter(whole / "model").base_files) == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_preferences_begin_at_chance_and_are_learnt(model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = JOBS["preferences"](model, tmp_path)
    write_job(run, msgspec.structs.replace(job, training=msgspec.structs.replace(TRAINING, steps=30)))
    assert main(run) == FINISHED
    first, *_, last = steps_taken(read_events(run))
    assert first.loss == pytest.approx(0.6931, abs=1e-3)
    assert first.metrics["margin"] == pytest.approx(0, abs=1e-4)
    assert last.loss < first.loss
    assert last.metrics["accuracy"] == 1
    assert last.metrics["margin"] == pytest.approx(
        last.metrics["chosen_reward"] - last.metrics["rejected_reward"], rel=1e-4
    )


def test_a_model_card_names_the_base_its_licence_and_its_very_weights(model: Path, tmp_path: Path) -> None:
    store, run = ModelStore(tmp_path / "models"), tmp_path / "run"
    base = pull_path(model, store, name="seafarer", progress=no_progress)
    store.rewrite(
        msgspec.structs.replace(
            base, source="hf:acme/Seafarer", revision="5f2c8e1", license="apache-2.0", languages=["nl"]
        )
    )
    job = JOBS["preferences"](store.get("seafarer").path, tmp_path)
    write_job(run, msgspec.structs.replace(job, training=msgspec.structs.replace(TRAINING, steps=2)))
    assert main(run) == FINISHED
    card = (run / "model" / "README.md").read_text()
    weights = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    for line in (
        "license: apache-2.0",
        "base_model: seafarer",
        "language: [nl]",
        "This adapter was aligned with preferences (direct preference optimization) with",
        "| name | `seafarer` |",
        "| source | hf:acme/Seafarer, revision `5f2c8e1` |",
        "| licence | apache-2.0 |",
        f"| SHA-256 of `model.safetensors` | `{weights}` |",
        "| 8 pairs |",
        "depends on: `seafarer`, whose own summary applies too",
        "A model of 26,912 parameters states",
        "`aquilon chat --model NAME` begins a conversation",
    ):
        assert line in card
    assert str(tmp_path) not in card, "paths on this machine are nobody else's business"


def test_the_card_of_a_model_without_a_chat_template_offers_completions(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "base", tiny_checkpoint(chat=False))
    card = model_card(tmp_path, Pretrain(data=[Source(path="/text.txt")], base=str(model)))
    assert "aquilon chat" not in card
    assert "/v1/completions" in card
    assert "| licence | not stated |" in card


def test_all_weights_are_trained_without_an_adapter(model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    longer = msgspec.structs.replace(TRAINING, steps=20)
    write_job(run, msgspec.structs.replace(JOBS["conversations"](model, tmp_path), lora=None, training=longer))
    assert main(run) == FINISHED
    [started] = [event for event in read_events(run) if isinstance(event, Started)]
    assert started.trained_parameters == started.parameters == 26_912
    *_, finished = read_events(run)
    assert isinstance(finished, Finished)
    assert finished.validation_loss is not None
    assert finished.validation_loss < 0.8 * steps_taken(read_events(run))[0].loss


def test_data_or_a_model_that_has_changed_is_refused(model: Path, tmp_path: Path) -> None:
    base, run = tmp_path / "base", tmp_path / "run"
    shutil.copytree(model, base)
    write_job(run, JOBS["conversations"](base, tmp_path))
    assert main(run) == FINISHED
    template = (base / "tokenizer_config.json").read_text()
    (base / "tokenizer_config.json").write_text(template.replace("<|end|>", "<|end|> "))
    assert main(run) == UNUSABLE
    *_, failed = read_events(run)
    assert isinstance(failed, Failed)
    assert "tokenizer_config.json has changed since the run began" in failed.message
    (base / "tokenizer_config.json").write_text(template)
    (tmp_path / "chats.jsonl").write_text((tmp_path / "chats.jsonl").read_text().replace("sea", "bay"))
    assert main(run) == UNUSABLE


@pytest.mark.parametrize("kind", ["text", *JOBS])
def test_a_model_with_another_models_tokenizer_is_refused(kind: str, tmp_path: Path) -> None:
    """One that makes texts of more tokens than the model has weights for."""
    files = tiny_checkpoint()
    tokenizer = json.loads(files["tokenizer.json"])
    rows = len(tokenizer["model"]["vocab"])
    tokenizer["model"] |= {"vocab": {**tokenizer["model"]["vocab"], "se": rows}, "merges": [["s", "e"]]}
    base = write_checkpoint(tmp_path / "base", files | {"tokenizer.json": json.dumps(tokenizer).encode()})
    text = Pretrain(base=str(base), data=[Source(path=str(_chats(tmp_path)))], training=TRAINING)
    run = tmp_path / "run"
    write_job(run, text if kind == "text" else JOBS[kind](base, tmp_path))
    assert main(run) == UNUSABLE
    *_, failed = read_events(run)
    assert isinstance(failed, Failed)
    assert f"{base}" in failed.message
    assert f"tokens up to {rows}, and the model has weights for the tokens from 0 to {rows - 1} only" in failed.message


def test_a_line_that_cannot_be_trained_ends_the_run_with_its_number(model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = JOBS["conversations"](model, tmp_path)
    with (tmp_path / "chats.jsonl").open("a") as file:
        file.write('\n{"messages": [{"content": "?"}]}')
    write_job(run, job)
    assert main(run) == UNUSABLE
    *_, failed = read_events(run)
    assert isinstance(failed, Failed)
    assert f"chats.jsonl, line {len(WORDS) + 1}: messages[0]: 'role' is missing" in failed.message


def test_a_loss_that_is_no_number_stops_the_run(model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = msgspec.structs.replace(JOBS["conversations"](model, tmp_path), lora=None)
    write_job(run, msgspec.structs.replace(job, training=msgspec.structs.replace(TRAINING, learning_rate=1e30)))
    assert main(run) == FAILED
    *_, failed = read_events(run)
    assert isinstance(failed, Failed)
    assert failed.code == "not_finite"
