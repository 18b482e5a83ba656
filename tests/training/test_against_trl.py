"""The losses of fine-tuning are TRL's, and the adapters that it writes are peft's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint
from torch import Tensor

from aquilon.checkpoints.adapters import OtherBase, open_adapter
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.weights import load_transformer, merge
from aquilon.models.attention import DenseCausalAttention
from aquilon.models.transformer import Transformer
from aquilon.training.adapter_release import release_adapter
from aquilon.training.batch import Batch, samples
from aquilon.training.conversations.base import open_base
from aquilon.training.conversations.preparing import conversation_documents, pair_documents, prepare
from aquilon.training.data.preparing import SourceFile
from aquilon.training.data.rows import PackedRows, PairRows
from aquilon.training.data.shards import Shard
from aquilon.training.devices import Device
from aquilon.training.dpo import PreferenceLoss, reference_log_probabilities
from aquilon.training.lora import add_lora, lora_layers
from aquilon.training.objective import LossModel, NextToken, Objective
from aquilon.training.protocol import Lora

CPU = Device(torch.device("cpu"), torch.float32, 0, 1)
PROMPTS = ["Say one.", "Say twenty-two, please.", "Où est la gare ?"]
ANSWERS = ["One.", "It is 22.", "Elle est là-bas, à gauche."]
WORSE = ["No.", "Twenty", "Je ne sais pas du tout."]

pytestmark = pytest.mark.slow  # trl takes long to import


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("base"), tiny_checkpoint())


def test_the_loss_of_conversations_and_its_gradients_are_trls(folder: Path, tmp_path: Path) -> None:
    import trl

    lines = [
        {"prompt": [{"role": "user", "content": prompt}], "completion": [{"role": "assistant", "content": answer}]}
        for prompt, answer in zip(PROMPTS, ANSWERS, strict=True)
    ]
    theirs, tokenizer = _theirs(folder)
    trainer = trl.SFTTrainer(
        model=theirs,
        args=trl.SFTConfig(**_arguments(tmp_path, max_length=None)),
        train_dataset=_dataset(lines),
        processing_class=tokenizer,
    )
    expected = trainer.compute_loss(theirs, next(iter(trainer.get_train_dataloader())))
    expected.backward()

    shard = _shard(folder, tmp_path, [{"messages": [*line["prompt"], *line["completion"]]} for line in lines])
    model = _ours(folder, NextToken())
    rows = [PackedRows(shard, 64).row(index) for index in range(len(PackedRows(shard, 64)))]
    loss = model(Batch.of(rows, CPU.device))[0] / samples(rows)
    loss.backward()
    assert len(rows) < len(lines)  # packed
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    _assert_same_gradients(model.transformer, theirs)


def test_the_loss_of_pairs_its_gradients_and_its_rewards_are_trls(folder: Path, tmp_path: Path) -> None:
    import trl

    lines = [
        {
            "prompt": [{"role": "user", "content": prompt}],
            "chosen": [{"role": "assistant", "content": better}],
            "rejected": [{"role": "assistant", "content": worse}],
        }
        for prompt, better, worse in zip(PROMPTS, ANSWERS, WORSE, strict=True)
    ]
    other = write_checkpoint(tmp_path / "reference", tiny_checkpoint(seed=1))
    theirs, tokenizer = _theirs(folder)
    trainer = trl.DPOTrainer(
        model=theirs,
        ref_model=_theirs(other)[0],
        args=trl.DPOConfig(**_arguments(tmp_path, beta=0.3, max_length=None)),
        train_dataset=_dataset(lines),
        processing_class=tokenizer,
    )
    expected = trainer.compute_loss(theirs, next(iter(trainer.get_train_dataloader())))
    expected.backward()
    measured = {name: values[0] for name, values in trainer._metrics["eval"].items()}

    shard = _shard(folder, tmp_path, lines, pairs=True)
    reference = _ours(other, PreferenceLoss(0.3))
    references = reference_log_probabilities(tmp_path / "references.bin", shard, reference, CPU)
    model = _ours(folder, PreferenceLoss(0.3))
    rows = [PairRows(shard, references).row(index) for index in range(3)]
    total, sums = model(Batch.of(rows, CPU.device))
    loss = total / samples(rows)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    _assert_same_gradients(model.transformer, theirs)
    assert {name: float(value) / 3 for name, value in sums.items() if name != "loss"} == pytest.approx(
        {
            "accuracy": measured["rewards/accuracies"],
            "margin": measured["rewards/margins"],
            "chosen_reward": measured["rewards/chosen"],
            "rejected_reward": measured["rewards/rejected"],
        },
        abs=1e-5,
    )


@pytest.mark.parametrize("targets", [Lora().targets, ["q_proj", "down_proj"]])
def test_an_adapter_computes_the_same_in_training_in_peft_and_merged(
    folder: Path, tmp_path: Path, targets: list[str]
) -> None:
    import peft

    checkpoint = open_checkpoint(folder)
    transformer = load_transformer(checkpoint)
    add_lora(transformer, Lora(rank=4, alpha=6.0, targets=targets), seed=3)
    torch.manual_seed(0)
    for _, _, layer in lora_layers(transformer):
        for b in layer.lora_b:
            torch.nn.init.normal_(b, std=0.2)
    files = [SourceFile(path=str(folder / "model.safetensors"), bytes=0, modified=0, sha256="ab")]
    release_adapter(tmp_path, transformer, base=checkpoint, base_files=files, is_first=True)

    ids = torch.arange(40) % 256
    trained = _logits(transformer, ids)
    plain, _ = _theirs(folder)
    with torch.no_grad():
        base_logits = plain(input_ids=ids[None]).logits[0].clone()
        adapted = peft.PeftModel.from_pretrained(plain, str(tmp_path / "model"))(input_ids=ids[None]).logits[0]
    assert (base_logits - trained).abs().max() > 0.1
    torch.testing.assert_close(adapted, trained, atol=1e-5, rtol=1e-5)

    merged = load_transformer(checkpoint)
    adapter = open_adapter(tmp_path / "model")
    merge(adapter, merged)
    torch.testing.assert_close(_logits(merged, ids), trained, atol=1e-5, rtol=1e-5)
    assert adapter.base_files == {"model.safetensors": "ab"}
    with pytest.raises(OtherBase, match=r"trained on another model\.safetensors"):
        adapter.require_base(checkpoint.architecture, {"model.safetensors": "cd"})


def _arguments(folder: Path, **more: object) -> dict[str, Any]:
    return {
        "output_dir": str(folder / "trl"),
        "per_device_train_batch_size": 3,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        **more,
    }


def _theirs(folder: Path) -> tuple[Any, Any]:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = "<|end|>"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, tokenizer


def _dataset(lines: list[dict[str, Any]]) -> Any:
    import datasets

    return datasets.Dataset.from_list(lines)


def _shard(folder: Path, tmp_path: Path, lines: list[dict[str, Any]], *, pairs: bool = False) -> Shard:
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)))
    prepared = prepare(
        tmp_path / "shards",
        base=open_base(folder, context=None),
        data=[data],
        validation=[],
        encode=pair_documents if pairs else conversation_documents,
        report=lambda *_: None,
    )
    return prepared.training


def _ours(folder: Path, objective: Objective) -> LossModel:
    return LossModel(load_transformer(open_checkpoint(folder)).requires_grad_(True), objective, torch.float32)


def _logits(transformer: Transformer, ids: Tensor) -> Tensor:
    with torch.no_grad():
        attention = DenseCausalAttention([len(ids)], transformer.architecture)
        return transformer.logits(transformer(ids, torch.arange(len(ids)), attention))


def _assert_same_gradients(ours: Transformer, theirs: Any) -> None:
    for index, layer in enumerate(theirs.model.layers):
        attention, mlp = layer.self_attn, layer.mlp
        fused = {
            "attention.qkv": [attention.q_proj, attention.k_proj, attention.v_proj],
            "attention.output": [attention.o_proj],
            "mlp.gate_up": [mlp.gate_proj, mlp.up_proj],
            "mlp.down": [mlp.down_proj],
        }
        for name, modules in fused.items():
            gradient = ours.layers[index].get_submodule(name).weight.grad
            expected = torch.cat([module.weight.grad for module in modules])
            torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours.embedding.weight.grad, theirs.model.embed_tokens.weight.grad, atol=1e-5, rtol=1e-4)
