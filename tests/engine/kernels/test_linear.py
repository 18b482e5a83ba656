"""Packed linear layers: the values of the dequantized weights, and the same bits in every batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

from aquilon.engine.kernels import library, quanta
from aquilon.engine.kernels.linear import PackedEmbedding, PackedLinear
from aquilon.engine.kernels.packing import PackedMatrix

pytestmark = pytest.mark.skipif(not library.available(), reason=str(library.unavailable_reason()))

QUANTIZABLE = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
BLOCK_BYTES = {"Q4_K": (256, 144), "Q5_K": (256, 176), "IQ4_NL": (32, 18), "IQ4_XS": (256, 136), "MXFP4": (32, 17)}
SHAPES = ((48, 64), (100, 96), (576, 576), (33, 1536))


def weights(outputs: int, inputs: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.01, 0.05, (outputs, inputs)).astype(np.float32)


def gguf_blocks(block_type: str, outputs: int, inputs: int) -> np.ndarray:
    """Rows of a block format: quantized by the gguf package where it can, else random blocks with sane scales."""
    if block_type in QUANTIZABLE:
        return quantize(weights(outputs, inputs), GGMLQuantizationType[block_type])
    block_inputs, block_bytes = BLOCK_BYTES[block_type]
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (outputs, inputs // block_inputs, block_bytes), dtype=np.uint8)
    if block_type == "MXFP4":
        blocks[..., 0] = rng.integers(118, 126, blocks.shape[:2])
    else:
        blocks[..., :2] = rng.uniform(0.001, 0.01, (*blocks.shape[:2], 1)).astype(np.float16).view(np.uint8)
        if block_type.endswith("_K"):
            blocks[..., 2:4] = rng.uniform(0.001, 0.01, (*blocks.shape[:2], 1)).astype(np.float16).view(np.uint8)
    return blocks.reshape(outputs, -1)


def packed(weight: quanta.Quanta) -> PackedLinear:
    return PackedLinear([PackedMatrix(weight)])


def activations(rows: int, inputs: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, inputs, generator=generator)
    x[:, 5] *= 100  # real models have such outliers
    return x


def assert_product(got: torch.Tensor, weight: np.ndarray, x: torch.Tensor) -> None:
    """Check against the bound on the error of 16-bit activations in groups of 32, and of fp32."""
    w, wide = torch.from_numpy(weight).double(), x.double()
    half_step = wide.unflatten(-1, (-1, 32)).abs().amax(-1).repeat_interleave(32, dim=-1) / 32639 / 2
    allowed = half_step @ w.abs().T + 1e-6 * (wide.abs() @ w.abs().T)
    assert bool(((got - wide @ w.T).abs() <= allowed).all())


@pytest.mark.parametrize("block_type", [*QUANTIZABLE, *BLOCK_BYTES])
def test_block_formats_with_groups_of_32_map_exactly(block_type: str) -> None:
    blocks = gguf_blocks(block_type, 48, 512)
    expected = dequantize(blocks, GGMLQuantizationType[block_type])
    got = quanta.from_blocks(blocks, block_type, 512).dequantized()
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)


def test_other_block_formats_are_quantized_again_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (16, 2, 210), dtype=np.uint8)
    blocks[..., 208:] = np.float16(0.01).reshape(1).view(np.uint8)
    blocks = blocks.reshape(16, -1)
    expected = dequantize(blocks, GGMLQuantizationType.Q6_K)
    got = quanta.from_blocks(blocks, "Q6_K", 512).dequantized()
    step = np.abs(expected.reshape(16, 16, 32)).max(-1, keepdims=True) / 127
    assert (np.abs(got - expected).reshape(16, 16, 32) <= 0.51 * step + 1e-6).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_dense_weights_are_quantized_within_half_a_step(bits: int) -> None:
    weight = weights(32, 128)
    groups = weight.reshape(32, 4, 32)
    step = np.abs(groups).max(-1) / 127 if bits == 8 else (groups.max(-1) - groups.min(-1)) / 15
    error = np.abs(quanta.from_dense(weight, bits=bits).dequantized() - weight).reshape(32, 4, 32).max(-1)
    assert (error <= 0.51 * step + 1e-4).all()


@pytest.mark.parametrize(("outputs", "inputs"), SHAPES)
@pytest.mark.parametrize("block_type", ["Q4_0", "Q4_1", "Q5_1", "Q8_0"])
def test_a_product_equals_that_of_the_dequantized_weights(block_type: str, outputs: int, inputs: int) -> None:
    weight = quanta.from_blocks(gguf_blocks(block_type, outputs, inputs), block_type, inputs)
    x = activations(17, inputs)
    assert_product(packed(weight)(x), weight.dequantized(), x)


def test_scales_of_32_bits_are_kept() -> None:
    weight = quanta.from_blocks(gguf_blocks("Q4_K", 40, 512), "Q4_K", 512)
    x = activations(5, 512)
    assert weight.scale.dtype == np.float32
    assert_product(packed(weight)(x), weight.dequantized(), x)


@pytest.mark.parametrize("block_type", ["Q4_0", "Q4_1", "Q8_0", "Q4_K"])
def test_a_row_is_the_same_bit_for_bit_at_every_batch_width(block_type: str) -> None:
    layer = packed(quanta.from_blocks(gguf_blocks(block_type, 96, 256), block_type, 256))
    x = activations(64, 256)
    alone = torch.cat([layer(x[row : row + 1]) for row in range(64)])
    for rows in range(1, 65):
        assert torch.equal(layer(x[:rows]), alone[:rows]), rows


@pytest.mark.parametrize("block_type", ["Q4_0", "Q4_1", "Q8_0"])
def test_every_instruction_set_and_thread_count_gives_the_same_bits(block_type: str) -> None:
    native = library.load()
    layer = packed(quanta.from_blocks(gguf_blocks(block_type, 100, 256), block_type, 256))
    x, chosen, threads = activations(30, 256), library.instruction_set(), native.aq_threads()
    expected = layer(x)
    try:
        for name in (b"avx512", b"avx2", b"portable"):
            if native.aq_select(name) == 0:
                assert torch.equal(layer(x), expected), name
                assert torch.equal(layer(x[:3]), expected[:3]), name
        for count in (1, 2, 3):
            library.set_threads(count)
            assert torch.equal(layer(x), expected), count
    finally:
        native.aq_select(chosen.encode())
        library.set_threads(threads)


def test_two_callers_at_once_get_the_results_that_they_get_alone() -> None:
    """A model is packed in one thread while another answers in a second."""
    weight = quanta.from_dense(weights(200, 256), bits=8)
    layer, x = packed(weight), activations(20, 256)
    expected = layer(x)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: packed(weight)(x) if number % 2 else layer(x), range(60)))
    assert all(torch.equal(result, expected) for result in results)


def test_parts_lie_side_by_side_and_the_bias_is_added() -> None:
    parts = [quanta.from_blocks(gguf_blocks(kind, rows, 64), kind, 64) for kind, rows in (("Q4_0", 40), ("Q8_0", 24))]
    bias, x = torch.randn(64), activations(3, 64)
    layer = PackedLinear([PackedMatrix(part) for part in parts], bias)
    weight = np.concatenate([part.dequantized() for part in parts])
    assert layer.out_features == 64
    assert_product(layer(x) - bias, weight, x)


def test_parts_with_different_inputs_are_refused() -> None:
    parts = [PackedMatrix(quanta.from_dense(weights(16, inputs), bits=8)) for inputs in (32, 64)]
    with pytest.raises(ValueError, match="share one input"):
        PackedLinear(parts)


def test_zero_rows_and_zero_activations_are_fine() -> None:
    layer = packed(quanta.from_dense(weights(16, 32), bits=8))
    assert layer(torch.empty(0, 32)).shape == (0, 16)
    assert torch.equal(layer(torch.zeros(2, 32)), torch.zeros(2, 16))


@pytest.mark.parametrize("block_type", ["Q4_1", "Q8_0", "Q4_K"])
def test_an_embedding_gives_the_weights_own_rows(block_type: str) -> None:
    weight = quanta.from_blocks(gguf_blocks(block_type, 100, 256), block_type, 256)
    ids = torch.tensor([0, 99, 17, 17, 64])
    got = PackedEmbedding(PackedMatrix(weight))(ids)
    assert torch.equal(got, torch.from_numpy(weight.dequantized())[ids])


def test_an_embedding_refuses_ids_beyond_the_vocabulary() -> None:
    embedding = PackedEmbedding(PackedMatrix(quanta.from_dense(weights(16, 32), bits=8)))
    with pytest.raises(IndexError, match="0 to 15"):
        embedding(torch.tensor([16]))
