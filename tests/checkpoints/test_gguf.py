"""GGUF files: every block format, llama.cpp's conventions, and headers with false claims."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.gguf_files import random_blocks, write_gguf, write_small_gguf
from tests.support.tiny_models import length_of, reference_logits, relative_difference, tiny_model
from tests.support.work import work

from aquilon.checkpoints.gguf_file import read_gguf
from aquilon.checkpoints.opening import CheckpointError, open_checkpoint
from aquilon.checkpoints.tensors import BLOCK_SIZES, TensorEntry
from aquilon.checkpoints.weights import load_tensor, load_transformer
from aquilon.models.architecture import UnsupportedArchitecture
from aquilon.models.attention import DenseCausalAttention

BLOCK_TYPES = [name for name in BLOCK_SIZES if name not in ("F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")]


def test_every_format_that_the_gguf_package_dequantizes_can_be_read() -> None:
    readable = {}
    for kind in gguf.GGMLQuantizationType:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        try:
            gguf.dequantize(np.zeros((1, size), dtype=np.uint8), kind)
        except NotImplementedError:
            continue
        readable[kind.name] = (block, size)
    assert readable == {name: sizes for name, sizes in BLOCK_SIZES.items() if not name.startswith("F8")}


@pytest.mark.parametrize("name", [*BLOCK_TYPES, "BF16", "F16", "F32"])
def test_blocks_dequantize_as_the_gguf_package_does(name: str, tmp_path: Path) -> None:
    kind = gguf.GGMLQuantizationType[name]
    blocks = random_blocks(kind, rows=6, columns=512)
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "llama")
    writer.add_tensor("blk.0.ffn_gate.weight", blocks, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    stored = read_gguf(tmp_path / "one.gguf")
    tensor = stored.tensors["blk.0.ffn_gate.weight"]
    assert tensor.shape == (6, 512)
    entry = TensorEntry(
        "layers.0.mlp.gate.weight", tensor.shape, tensor.block_type, file=stored.file, offset=tensor.offset
    )
    assert np.array_equal(entry.raw(), blocks)
    with np.errstate(all="ignore"):
        expected = gguf.dequantize(blocks if name not in ("F32", "F16") else _floats(blocks, name), kind)
        assert np.array_equal(load_tensor(entry).float().numpy(), expected, equal_nan=True)


def _floats(blocks: np.ndarray, name: str) -> np.ndarray:
    return blocks.view(np.float32 if name == "F32" else np.float16)


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("llama", "llama"),
        ("llama-tied-biased", "llama"),
        ("llama-linear", "llama"),
        ("llama-llama3", "llama"),
        ("mistral-without-window", "llama"),
        ("mixtral", "llama"),
        ("ministral3", "mistral3"),
        ("qwen2", "qwen2"),
        ("qwen2-yarn", "qwen2"),
        ("qwen3", "qwen3"),
    ],
)
def test_a_converted_model_computes_what_the_original_does(name: str, architecture: str, tmp_path: Path) -> None:
    reference = tiny_model(name)
    write_gguf(reference, tmp_path / "model.gguf", architecture)
    checkpoint = open_checkpoint(tmp_path)
    model = load_transformer(checkpoint)
    token_ids = torch.randint(0, checkpoint.architecture.vocab_size, (length_of(name),))
    attention = DenseCausalAttention([len(token_ids)], checkpoint.architecture)
    logits = model.logits(model(token_ids, torch.arange(len(token_ids)), attention))
    assert relative_difference(logits, reference_logits(reference, token_ids)) <= 1e-4
    assert checkpoint.architecture.max_context >= len(token_ids) or "linear" in name
    assert checkpoint.format == "gguf"
    assert checkpoint.eos_ids == {2}


def test_raw_blocks_of_reordered_rows_come_in_the_order_of_the_weights(tmp_path: Path) -> None:
    write_small_gguf(tmp_path / "small.gguf")
    query = open_checkpoint(tmp_path).tensors()["layers.0.attention.query.weight"]
    assert query.paired_heads == 2
    from_blocks = gguf.dequantize(query.raw(), gguf.GGMLQuantizationType.Q8_0)
    assert np.array_equal(from_blocks, load_tensor(query).numpy())
    stored = gguf.GGUFReader(tmp_path / "small.gguf")
    theirs = next(tensor for tensor in stored.tensors if tensor.name == "blk.0.attn_q.weight")
    rows = gguf.dequantize(theirs.data, gguf.GGMLQuantizationType.Q8_0)
    assert np.array_equal(from_blocks[:16], np.concatenate([rows[0:16:2], rows[1:16:2]]))


def test_blocks_are_the_mapped_file_itself_where_nothing_is_reordered(tmp_path: Path) -> None:
    write_small_gguf(tmp_path / "small.gguf")
    gate = open_checkpoint(tmp_path).tensors()["layers.0.mlp.gate.weight"]
    assert np.shares_memory(gate.raw(), gate.file.data)


def test_a_model_split_into_parts_is_one_model(tmp_path: Path) -> None:
    reference = tiny_model("llama")
    write_gguf(reference, tmp_path / "big.gguf", "llama", parts=3)
    checkpoint = open_checkpoint(tmp_path)
    assert len(checkpoint.files) == 3
    assert checkpoint.architecture.parameters() == reference.num_parameters()
    (tmp_path / "big-00002-of-00003.gguf").unlink()
    with pytest.raises(CheckpointError, match=r"big-00002-of-00003\.gguf is missing"):
        open_checkpoint(tmp_path)


def test_metadata_equals_what_the_gguf_package_reads(tmp_path: Path) -> None:
    write_small_gguf(tmp_path / "small.gguf")
    ours = read_gguf(tmp_path / "small.gguf")
    theirs = gguf.GGUFReader(tmp_path / "small.gguf")
    fields = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert ours.metadata == fields
    assert {name: tensor.offset for name, tensor in ours.tensors.items()} == {
        tensor.name: tensor.data_offset for tensor in theirs.tensors
    }


def test_another_architecture_is_refused_by_its_name(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "rwkv7")
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UnsupportedArchitecture, match=r"'rwkv7'.*llama.*upstream"):
        open_checkpoint(tmp_path / "other.gguf")


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write_small_gguf(path)
    return path


def _header_bytes(path: Path) -> int:
    return min(tensor.offset for tensor in read_gguf(path).tensors.values())


def test_a_truncated_file_is_refused_wherever_it_ends(small_file: Path, tmp_path: Path) -> None:
    whole = small_file.read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in [*range(0, _header_bytes(small_file), 7), len(whole) // 2, len(whole) - 40]:
        cut.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"cut\.gguf"):
            open_checkpoint(cut)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_header_with_flipped_bytes_opens_or_is_refused(
    flips: list[tuple[int, int]], small_file: Path, tmp_path: Path
) -> None:
    data = bytearray(small_file.read_bytes())
    header = _header_bytes(small_file)
    for position, mask in flips:
        data[position % header] ^= mask
    altered = tmp_path / "altered.gguf"
    altered.write_bytes(data)
    try:
        checkpoint = open_checkpoint(altered)
    except (CheckpointError, UnsupportedArchitecture):
        return
    assert checkpoint.architecture.parameters() < 10**6
    load_transformer(checkpoint)


def _header(num_tensors: int, num_key_values: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, num_tensors, num_key_values) + rest


def _text(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GGML" + bytes(40), "not GGUF"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(40), "version 1"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(40), "big-endian"),
        (_header(2**63, 0), "claims 9223372036854775808 tensors"),
        (_header(0, 2**63), "key-values"),
        (_header(0, 1, struct.pack("<Q", 2**62)), "bytes for a key"),
        (_header(0, 1, _text(b"a") + struct.pack("<IQ", 8, 2**40)), "bytes for the value of 'a'"),
        (_header(0, 1, _text(b"a") + struct.pack("<IIQ", 9, 4, 2**60)), "claims 1152921504606846976 elements"),
        (_header(0, 1, _text(b"a") + struct.pack("<IIQ", 9, 8, 2**21)), "ends inside"),
        (_header(0, 1, _text(b"a") + struct.pack("<IIQ", 9, 4, 2**21)), "ends inside"),
        (_header(0, 1, _text(b"a") + struct.pack("<IIQ", 9, 9, 1) + bytes(40)), "unsupported type 9"),
        (_header(0, 1, _text(b"a") + struct.pack("<I", 99)), "unknown type 99"),
        (_header(0, 1, _text(b"\xff\xfe") + bytes(40)), "UTF-8"),
        (_header(0, 2, 2 * (_text(b"a") + struct.pack("<II", 4, 1))), "twice"),
        (_header(1, 0, _text(b"t") + struct.pack("<I", 10**9)), "dimensions"),
        (_header(1, 0, _text(b"t") + struct.pack("<IQQIQ", 2, 2**60, 2**60, 0, 0)), "shape"),
        (_header(1, 0, _text(b"t") + struct.pack("<IQIQ", 1, 2**31, 0, 0)), "cut off"),
        (_header(1, 0, _text(b"t") + struct.pack("<IQIQ", 1, 1, 0, 2**63)), "cut off"),
        (_header(1, 0, _text(b"t") + struct.pack("<IQIQ", 1, 1, 77, 0)), "block type 77"),
        (_header(1, 0, _text(b"t") + struct.pack("<IQIQ", 1, 33, 2, 0) + bytes(99)), "in blocks of 32"),
        (_header(1, 0, _text(b"t") + struct.pack("<IQIQ", 1, 1, 0, 4) + bytes(99)), "multiple of 32"),
        (
            _header(2, 0, b"".join(_text(t) + struct.pack("<IQIQ", 1, 16, 0, 0) for t in (b"t", b"u")) + bytes(200)),
            "'u' lies over 't'",
        ),
        (
            _header(1, 1, _text(b"general.alignment") + struct.pack("<II", 4, 3) + _text(b"t") + bytes(4))
            + struct.pack("<IQ", 0, 0),
            "claims 0 dimensions",
        ),
        (
            _header(0, 1, _text(b"general.alignment") + struct.pack("<II", 4, 3)),
            "power of two",
        ),
    ],
)
def test_a_header_with_a_false_claim_is_refused_with_the_claim(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "lying.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=message) as caught:
            open_checkpoint(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "lying.gguf" in str(caught.value)
    assert peak < 2**20, "what is only claimed takes no room"


def test_a_large_sparse_file_cannot_make_the_header_grow(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as file:
        file.write(_header(0, 1, _text(b"a") + struct.pack("<IIQ", 9, 8, 2**22)))
        file.truncate(2**36)

    def open_sparse() -> None:
        with pytest.raises(CheckpointError):
            open_checkpoint(path)

    lengths = bytes(2**25)
    assert work(open_sparse, 1) < 20 * work(lambda: [length for (length,) in struct.iter_unpack("<Q", lengths)])


def test_opening_the_default_model_is_quick(default_model_file: Path) -> None:
    """It takes a fraction of the gguf package's work."""
    checkpoint = open_checkpoint(default_model_file)
    opening = work(lambda: open_checkpoint(default_model_file))
    assert opening < work(lambda: gguf.GGUFReader(default_model_file), 1) / 10
    assert checkpoint.architecture.parameters() == 134_515_008
    assert checkpoint.weight_bytes == 96_576_768
    assert checkpoint.architecture.max_context == 8192
    assert 2 in checkpoint.eos_ids
