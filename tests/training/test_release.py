"""A finished run's released model, and ``aquilon export`` of runs and models."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from tests.support.commands import run_aquilon
from tests.support.prepared import python_with_torch
from tests.support.random_transformers import random_architecture, random_transformer
from tests.support.small_releases import small_tokenizer
from tests.support.training_runs import train

from aquilon.checkpoints.gguf_writing import write_gguf
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.checkpoints.weights import load_tensor, unfused
from aquilon.training.export import export
from aquilon.training.export_protocol import Message, Order, Writing
from aquilon.training.history import History
from aquilon.training.protocol import FINISHED, Pretrain, Sft, Size, Source, Training, UnusableJob, read_job, write_job
from aquilon.training.release import require_releasable
from aquilon.training.run_weights import last_weights


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four steps."""
    folder = tmp_path_factory.mktemp("runs")
    corpus = folder / "tides.txt"
    corpus.write_text("The sea rises and falls twice a day. La mer monte et descend deux fois par jour.\n" * 200)
    job = Pretrain(
        data=[Source(path=str(corpus))],
        tokenizer=str(small_tokenizer(folder / "tokenizer")),
        model=Size(depth=2, hidden_size=64, context=32),
        training=Training(steps=4, batch_tokens=256, precision="float32"),
    )
    assert train(folder / "run", job) == FINISHED
    return folder / "run"


@pytest.fixture
def unfinished(run: Path, tmp_path: Path) -> Path:
    """The same run before its model was released."""
    copy = tmp_path / "unfinished"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("model"))
    return copy


def order(source: Path, out: Path, **fields: str) -> Order:
    return Order(source=str(source), name="tides", out=str(out), **({"format": "hf", "type": "bf16"} | fields))  # type: ignore[arg-type]


def silent(message: Message) -> None:
    pass


def test_a_finished_run_holds_the_weights_of_its_last_step_as_a_standard_checkpoint(run: Path) -> None:
    checkpoint, last = open_checkpoint(run / "model"), last_weights(run, read_job(run))
    assert last.step == 4
    assert checkpoint.architecture.parameter_shapes() == last.architecture.parameter_shapes()
    for name, entry in checkpoint.tensors().items():
        assert torch.equal(load_tensor(entry), last.weights[name].bfloat16())
    text = load_text(checkpoint)
    assert text.template is not None
    ends = {text.tokenizer.control_tokens[name] for name in ("<|endoftext|>", "<|im_end|>")}
    assert checkpoint.eos_ids == ends, "a document's end ends what a base model writes, a turn's end an answer"


def test_the_sums_of_all_released_files_are_listed(run: Path) -> None:
    lines = (run / "model" / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums.keys() == {path.name for path in (run / "model").iterdir()} - {"SHA256SUMS"}
    assert all(hashlib.sha256((run / "model" / name).read_bytes()).hexdigest() == sums[name] for name in sums)


def test_the_model_card_says_what_the_model_was_made_from_and_how(run: Path) -> None:
    card = (run / "model" / "README.md").read_text()
    history = History.of(run)
    assert "| steps | 4 |" in card
    assert ", 1 rank |" in card
    assert "resumed 0 times" in card
    assert "tides.txt" in card
    assert hashlib.sha256((run.parent / "tides.txt").read_bytes()).hexdigest() in card
    assert f"{history.validations[-1].bits_per_byte:.4f}" in card
    assert (history.joules or 0) > 0
    assert ("an estimate for" in card) == (not history.is_energy_measured)
    assert "Regulation (EU) 2024/1689" in card
    assert str(run.parent) not in card, "paths on this machine are nobody else's business"


@pytest.mark.slow
def test_a_later_evaluation_stands_in_the_card_of_the_released_model_and_its_sums_hold(
    run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (tmp_path / "fr.txt").write_text("Le vent souffle. " * 20)
    assert run_aquilon(tmp_path, "eval", str(copy), "--task", "bpb", "--data", str(tmp_path / "fr.txt")).code == 0
    assert "| bpb | bits_per_byte | " in (copy / "model" / "README.md").read_text()
    test_the_sums_of_all_released_files_are_listed(copy)


def test_measured_results_of_the_run_stand_in_the_card_of_an_export(unfinished: Path, tmp_path: Path) -> None:
    (unfinished / "evaluations").mkdir()
    measured = {"task": "bpb", "measures": {"bits_per_byte/fr": {"value": 1.25, "low": 1.2, "high": 1.3, "count": 40}}}
    (unfinished / "evaluations" / "bpb.json").write_text(json.dumps(measured))
    (unfinished / "evaluations" / "torn.json").write_text("{")
    (unfinished / "evaluations" / "scorecard.json").write_text('{"languages": []}')
    export(order(unfinished, tmp_path / "out"), silent)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| bpb | bits_per_byte/fr | 1.25 (1.2 to 1.3 with 95 % confidence), n = 40 |" in card
    assert "torn.json" in card
    assert "scorecard" not in card
    assert (tmp_path / "out" / "scorecard.json").is_file()


def test_an_unfinished_run_is_exported_from_its_last_checkpoint_and_says_so(
    unfinished: Path, run: Path, tmp_path: Path
) -> None:
    messages: list[Message] = []
    exported = export(order(unfinished, tmp_path / "out"), messages.append)
    assert exported.step == 4
    assert isinstance(messages[-1], Writing)
    assert messages[-1].share == 1.0
    written, released = ((folder / "model.safetensors").read_bytes() for folder in (tmp_path / "out", run / "model"))
    assert written == released


@pytest.mark.parametrize("type_", ["bf16", "q8_0"])
def test_a_run_becomes_a_gguf_file(type_: str, run: Path, tmp_path: Path) -> None:
    exported = export(order(run, tmp_path / "out", format="gguf", type=type_, license="mit"), silent)
    assert exported.files == ["README.md", "SHA256SUMS", f"tides-{type_}.gguf"]
    checkpoint = open_checkpoint(tmp_path / "out")
    assert checkpoint.metadata["general.license"] == "mit"
    assert checkpoint.eos_ids == open_checkpoint(run / "model").eos_ids


@pytest.mark.slow
def test_a_gguf_base_becomes_a_folder_with_the_same_values(default_model_file: Path, tmp_path: Path) -> None:
    export(order(default_model_file, tmp_path / "out"), silent)
    written, original = open_checkpoint(tmp_path / "out"), open_checkpoint(default_model_file)
    assert written.eos_ids == original.eos_ids
    for name in ("layers.7.attention.query.weight", "embedding.weight"):
        assert torch.equal(load_tensor(written.tensors()[name]), load_tensor(original.tensors()[name]).bfloat16())


def test_nothing_is_overwritten_and_a_failed_export_leaves_nothing(unfinished: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(ValueError, match="is there already"):
        export(order(unfinished, tmp_path / "kept"), silent)
    shutil.rmtree(unfinished / "checkpoints")
    with pytest.raises(ValueError, match="neither a released model nor a whole checkpoint"):
        export(order(unfinished, tmp_path / "out"), silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "unfinished"]


def test_the_command_names_what_it_wrote_and_how_to_go_on(unfinished: Path, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "my-model"
    outcome = run_aquilon(home, "export", str(unfinished), "--out", str(out), "--license", "apache-2.0")
    assert outcome.code == 0, outcome
    assert outcome.out.startswith(f"{out}  ")
    assert "The run isn't finished: these are the weights after step 4" in outcome.err
    assert f"Next: aquilon pull {out}" in outcome.err
    pulled = run_aquilon(home, "pull", str(out), "--json")
    assert (json.loads(pulled.out)["name"], json.loads(pulled.out)["license"]) == ("my-model", "apache-2.0")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["no-such-model"], 1, "There is no model 'no-such-model'"),
        (["./nowhere"], 1, "does not exist"),
        (["model", "--type", "q8_0"], 2, "hf has bf16"),
        (["model", "--format", "onnx"], 2, "onnx"),
    ],
)
def test_the_command_refuses_what_it_cannot_write(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    outcome = run_aquilon(tmp_path, "export", *arguments, "--out", str(tmp_path / "out"))
    assert outcome.code == code
    assert words in outcome.err


@pytest.mark.slow
def test_ranks_that_hold_parts_of_the_weights_release_the_whole(run: Path, tmp_path: Path) -> None:
    assert train(tmp_path / "run", read_job(run), ranks=2) == FINISHED
    last = last_weights(tmp_path / "run", read_job(run))
    for name, entry in open_checkpoint(tmp_path / "run" / "model").tensors().items():
        assert torch.equal(load_tensor(entry), last.weights[name].bfloat16())


def test_a_base_whose_trained_weights_could_not_be_written_is_refused_before_training(tmp_path: Path) -> None:
    base = tmp_path / "base.gguf"
    architecture = random_architecture()
    weights = unfused(random_transformer(architecture).state_dict(), architecture)
    tokens = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["a"] * 160}
    write_gguf(base, architecture, weights.__getitem__, vocabulary=tokens)
    with pytest.raises(UnusableJob, match=r"base\.gguf can be tuned with an adapter \(--lora\) only.*'llama'"):
        require_releasable(open_checkpoint(base))


def test_an_export_of_a_run_whose_base_is_gone_says_which_model_to_put_back(tmp_path: Path) -> None:
    run, base = tmp_path / "run", tmp_path / "models" / "small"
    write_job(run, Sft(model=str(base), data=["chats.jsonl"]))
    order = Order(source=str(run), name="x", format="hf", type="bf16", out=str(tmp_path / "out"))
    with pytest.raises(
        UnusableJob, match=f"was tuned from the model {base}, which isn't there any more. Put that model back"
    ):
        export(order, lambda message: None)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says when a process ends")
def test_an_export_ends_with_the_command_that_started_it(unfinished: Path, tmp_path: Path) -> None:
    """It waits for an evaluation, for the card, that nobody writes."""
    (unfinished / "evaluations").mkdir()
    os.mkfifo(unfinished / "evaluations" / "waiting.json")
    ordered = msgspec.json.encode(order(unfinished, tmp_path / "out")).decode()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as command:
        process = subprocess.Popen(
            [python_with_torch(), "-P", "-m", "aquilon.training.export", ordered],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"AQUILON_STARTED_BY": str(command.pid)},
        )
        with (unfinished / "evaluations" / "waiting.json").open("w"):  # returns when it is read
            command.kill()
            assert process.wait(60) == 1
