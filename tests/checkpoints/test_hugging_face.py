"""Folders as transformers writes them: shards, 8-bit floats, ties, and refusals that name the damage."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.tiny_models import reference_logits, relative_difference, save_tiny_model, tiny_model
from torch import Tensor
from transformers import AutoModelForCausalLM, FineGrainedFP8Config

from aquilon.checkpoints.opening import Checkpoint, CheckpointError, open_checkpoint
from aquilon.checkpoints.weights import load_tensor, load_transformer
from aquilon.models.architecture import UnsupportedArchitecture
from aquilon.models.attention import DenseCausalAttention

TOKEN_IDS = torch.arange(3, 60) % 97


def logits_of(checkpoint: Checkpoint) -> Tensor:
    model = load_transformer(checkpoint)
    attention = DenseCausalAttention([len(TOKEN_IDS)], checkpoint.architecture)
    return model.logits(model(TOKEN_IDS, torch.arange(len(TOKEN_IDS)), attention))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny_model("llama", tmp_path)
    return tmp_path


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    save_tiny_model("llama", tmp_path, max_shard_size="200KB")
    return tmp_path


def test_weights_in_several_files_are_one_model(sharded: Path) -> None:
    checkpoint = open_checkpoint(sharded)
    assert len(checkpoint.files) > 2
    assert checkpoint.format == "huggingface"
    assert relative_difference(logits_of(checkpoint), reference_logits(tiny_model("llama"), TOKEN_IDS)) <= 1e-4


def test_loading_reports_the_share_of_bytes_read(folder: Path) -> None:
    shares: list[float] = []
    load_transformer(open_checkpoint(folder), progress=shares.append)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert len(shares) > 30


def test_tokens_that_end_an_answer_and_temperature_come_from_the_generation_config(folder: Path) -> None:
    assert open_checkpoint(folder).eos_ids == {2}
    assert open_checkpoint(folder).default_temperature is None
    generation = {"eos_token_id": [5, 7], "do_sample": True, "temperature": 0.6}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    assert open_checkpoint(folder).eos_ids == {5, 7}
    assert open_checkpoint(folder).default_temperature == 0.6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_keep_their_dtype_and_are_loaded_into_the_requested_one(dtype: torch.dtype, tmp_path: Path) -> None:
    reference = tiny_model("qwen3").to(dtype)
    reference.save_pretrained(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    name = "layers.1.mlp.down.weight"
    assert torch.equal(load_tensor(checkpoint.tensors()[name]), reference.model.layers[1].mlp.down_proj.weight)
    assert load_transformer(checkpoint, dtype=torch.bfloat16).layers[0].mlp.down.weight.dtype == torch.bfloat16


def test_a_stored_head_that_differs_is_not_tied_even_if_the_config_says_so(tmp_path: Path) -> None:
    reference = save_tiny_model("mistral3", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["tie_word_embeddings"]  # the class's default ties
    (tmp_path / "config.json").write_text(json.dumps(config))
    checkpoint = open_checkpoint(tmp_path)
    assert not checkpoint.architecture.tied_embeddings
    assert relative_difference(logits_of(checkpoint), reference_logits(reference, TOKEN_IDS)) <= 1e-4


def test_a_tied_head_that_is_stored_twice_is_one_weight(tmp_path: Path) -> None:
    reference = save_tiny_model("llama-tied-biased", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file(
        {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, tmp_path / "model.safetensors"
    )
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.architecture.parameters() == reference.num_parameters()
    model = load_transformer(checkpoint)
    assert model.head.weight is model.embedding.weight


def quantize_to_fp8(folder: Path, block: int | None) -> None:
    """Rewrite a folder's matrices as 8-bit floats, one scale for each square of ``block``, or one for all."""
    file = folder / "model.safetensors"
    tensors: dict[str, Tensor] = {}
    for name, tensor in load_file(file).items():
        if not name.endswith("_proj.weight"):
            tensors[name] = tensor
            continue
        rows, columns = tensor.shape
        side = block or max(rows, columns)
        padded = torch.zeros(-(-rows // side) * side, -(-columns // side) * side)
        padded[:rows, :columns] = tensor
        squares = padded.unflatten(0, (-1, side)).unflatten(2, (-1, side))  # (R, side, C, side)
        scale = squares.abs().amax(dim=(1, 3)) / 448
        scale[scale == 0] = 1
        quantized = (squares / scale[:, None, :, None]).flatten(0, 1).flatten(1, 2)[:rows, :columns]
        tensors[name] = quantized.to(torch.float8_e4m3fn).contiguous()
        tensors[name + "_scale_inv"] = scale if block else scale.reshape(())
        if block is None:
            tensors[name.replace("weight", "activation_scale")] = torch.tensor(0.5)
    save_file(tensors, file)
    quantization: dict[str, Any] = {"quant_method": "fp8", "weight_block_size": [block, block] if block else None}
    edit_json(folder / "config.json", quantization_config=quantization)


@pytest.mark.parametrize("block", [64, 128, None])
def test_fp8_weights_are_multiplied_by_their_scales(block: int | None, tmp_path: Path) -> None:
    reference = save_tiny_model("llama", tmp_path)
    quantize_to_fp8(tmp_path, block)
    checkpoint = open_checkpoint(tmp_path)
    down = checkpoint.tensors()["layers.2.mlp.down.weight"]
    assert down.block_type == "F8_E4M3"
    original = reference.model.layers[2].mlp.down_proj.weight
    error = (load_tensor(down) - original).abs()
    assert error.max() <= original.abs().max() / 16, "three bits of mantissa"
    assert error.max() > 0
    assert logits_of(checkpoint).isfinite().all()


@pytest.mark.parametrize("block", [8, None])
def test_fp8_weights_equal_transformers_dequantization(block: int | None, tmp_path: Path) -> None:
    save_tiny_model("llama", tmp_path)
    quantize_to_fp8(tmp_path, block)
    options = FineGrainedFP8Config(dequantize=True, weight_block_size=(block, block) if block else None)
    reference = AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=options, dtype=torch.float32)
    logits = logits_of(open_checkpoint(tmp_path))
    assert relative_difference(logits, reference_logits(reference, TOKEN_IDS)) <= 1e-4


def rewrite_header(file: Path, change: Any) -> None:
    """Apply ``change`` to a safetensors header and leave the data as it is."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    changed = change(header)
    text = changed if isinstance(changed, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def _set(name: str, **values: Any) -> Any:
    return lambda header: header[name].update(values)


NORM = "model.norm.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set(NORM, dtype="F4"), "unsupported type 'F4'"),
        (_set(NORM, dtype="I32"), "weights are floating-point numbers"),
        (_set(NORM, shape=[-72]), "has the shape"),
        (_set(NORM, shape=[2**39, 2**39, 2**39]), "bytes"),
        (_set(NORM, shape=[71]), "284|288|bytes"),
        (_set(NORM, shape=72), "is described by"),
        (_set(NORM, data_offsets=[0, 288]), "lies over|leaves a hole"),
        (_set(NORM, data_offsets=[2**70, 2**70 + 288]), "hole"),
        (lambda header: header.pop(NORM), "hole|belong to no tensor"),
        (lambda header: b"[" * 100_000, "not JSON"),
        (lambda header: b"\xff" * 30, "not JSON"),
        (lambda header: b"[1, 2]", "not a JSON object"),
    ],
)
def test_an_altered_header_is_refused(folder: Path, change: Any, message: str) -> None:
    rewrite_header(folder / "model.safetensors", change)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(folder)
    assert "model.safetensors" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 5, 8, 400, 0.5, -1])
def test_a_truncated_file_is_refused(folder: Path, keep: float) -> None:
    file = folder / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        open_checkpoint(folder)


def test_a_header_longer_than_its_file_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**63) + bytes(100))
    with pytest.raises(CheckpointError, match="not safetensors"):
        open_checkpoint(folder)


def test_a_missing_shard_is_named(sharded: Path) -> None:
    shard = sorted(sharded.glob("*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(CheckpointError, match=shard.name):
        open_checkpoint(sharded)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "model.bin", 7])
def test_an_index_cannot_name_a_file_elsewhere(sharded: Path, name: object) -> None:
    edit_json(sharded / "model.safetensors.index.json", weight_map={"lm_head.weight": name})
    with pytest.raises(CheckpointError, match="index"):
        open_checkpoint(sharded)


def test_a_tensor_that_the_index_lists_and_its_file_lacks_is_named(sharded: Path) -> None:
    index = json.loads((sharded / "model.safetensors.index.json").read_text())
    index["weight_map"]["model.layers.9.phantom.weight"] = index["weight_map"]["lm_head.weight"]
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="phantom"):
        open_checkpoint(sharded)


def test_missing_and_surplus_tensors_and_other_shapes_are_named(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file({name: tensor for name, tensor in tensors.items() if name != NORM}, file)
    with pytest.raises(CheckpointError, match=r"norm\.weight is missing"):
        open_checkpoint(folder)
    save_file({**tensors, "model.layers.0.self_attn.sinks.weight": torch.zeros(3)}, file)
    with pytest.raises(CheckpointError, match=r"sinks\.weight' is not part of a llama model"):
        open_checkpoint(folder)
    save_file({**tensors, NORM: torch.zeros(71)}, file)
    with pytest.raises(CheckpointError, match=r"norm\.weight has the shape \[71\] instead of \[72\]"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": -72}, "hidden_size is -72"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers"),
        ({"vocab_size": 10**15}, "vocab_size"),
        ({"head_dim": 10**9}, "head_dim"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps"),
        ({"num_key_value_heads": 4}, "multiple of num_kv_heads"),
        ({"eos_token_id": [2, -7]}, "eos_token_id"),
        ({"quantization_config": {"quant_method": "awq"}}, "'awq'"),
    ],
)
def test_an_invalid_config_is_refused_by_file_and_field(folder: Path, changes: dict[str, Any], message: str) -> None:
    (folder / "generation_config.json").unlink(missing_ok=True)
    edit_json(folder / "config.json", **changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(folder)
    assert "config.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "nan", '{"a": ' * 50_000, "\ud800"])
def test_a_config_that_isn_t_a_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        open_checkpoint(folder)


def test_another_architecture_is_refused_by_its_name(folder: Path) -> None:
    edit_json(folder / "config.json", model_type="gemma3_text")
    with pytest.raises(UnsupportedArchitecture, match=r"'gemma3_text' is not supported.*upstream"):
        open_checkpoint(folder)


def test_a_file_that_shrinks_after_it_was_opened_is_noticed_before_it_is_mapped(folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="bytes when it was opened"):
        load_transformer(checkpoint)


@pytest.mark.parametrize("content", [{}, {"README.md": "hello"}, {"config.json": "{}"}, {"pytorch_model.bin": "x"}])
def test_a_folder_without_a_model_is_refused(tmp_path: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(CheckpointError, match="holds"):
        open_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="does not exist"):
        open_checkpoint(tmp_path / "nowhere")
