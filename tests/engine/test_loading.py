"""Loading a checkpoint: dtype, packing, KV cache, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.support.loaded_models import answer_all
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.engine.kernels import available
from aquilon.engine.kernels.linear import PackedLinear
from aquilon.engine.loading import LoadingPlan, plan_loading
from aquilon.engine.memory import NotEnoughMemory
from aquilon.engine.options import Dtype, EngineOptions, Quantize
from aquilon.engine.protocol import LoadModel, SamplingParameters, SequenceRequest

needs_kernels = pytest.mark.skipif(not available(), reason="no native kernels on this machine")
REQUEST = SequenceRequest(
    id="r", model="m", prompt_ids=list(range(40)), sampling=SamplingParameters(temperature=0, max_tokens=6, logprobs=1)
)


def plan(path: Path, quantize: Quantize = "auto", *, dtype: Dtype = "float32", **options: int) -> LoadingPlan:
    chosen = EngineOptions(dtype=dtype, quantize=quantize, threads=1, **options)  # type: ignore[arg-type]
    return plan_loading(LoadModel("m", str(path)), chosen)


def logprobs(planned: LoadingPlan) -> list[float]:
    model = planned.load(planned.limit, lambda share: None)
    outputs = answer_all(model, [REQUEST])["r", 0].outputs
    return [entry.logprob for output in outputs for entry in output.logprobs or ()]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny", tiny_checkpoint())


def test_plain_weights_stay_plain_unless_asked(tiny: Path) -> None:
    planned = plan(tiny)
    assert not planned.packed
    assert planned.dtype == planned.kv_dtype == torch.float32
    assert plan(tiny, dtype="bfloat16").kv_dtype == torch.bfloat16


@needs_kernels
def test_a_file_of_quantized_blocks_is_packed_as_it_is(default_model_file: Path) -> None:
    planned = plan(default_model_file)
    assert planned.packed
    assert planned.kv_dtype == torch.float16
    assert planned.weights < 100 * 2**20
    assert not plan(default_model_file, "none").packed


@needs_kernels
@pytest.mark.parametrize(("quantize", "tolerance"), [("int8", 0.1), ("int4", 1.0)])
def test_plain_weights_are_quantized_when_asked(tiny: Path, quantize: Quantize, tolerance: float) -> None:
    assert logprobs(plan(tiny, quantize))[0] == pytest.approx(logprobs(plan(tiny, "none"))[0], abs=tolerance)


@needs_kernels
def test_packing_leaves_no_dense_matrix_behind(default_model_file: Path) -> None:
    planned = plan(default_model_file, kv_tokens=64)
    shares: list[float] = []
    transformer = planned._load_transformer(shares.append)
    assert isinstance(transformer.head, PackedLinear)
    assert sum(parameter.numel() for parameter in transformer.parameters()) < 10**5
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_context_shrinks_to_what_the_cache_holds(tiny: Path) -> None:
    planned = plan(tiny, kv_tokens=128)
    assert planned.load(planned.limit, lambda share: None).max_context == 128


def test_a_model_larger_than_the_memory_given_is_refused(tiny: Path) -> None:
    planned = plan(tiny, memory=10_000)
    with pytest.raises(NotEnoughMemory, match="GB"):
        planned.load(planned.limit, lambda share: None)
