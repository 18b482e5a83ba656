"""One product of the default model's widest layer: packed weights against torch's own bf16 and fp32."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from aquilon.engine.kernels import library
from aquilon.engine.kernels.linear import PackedLinear
from aquilon.engine.kernels.packing import PackedMatrix
from aquilon.engine.kernels.quanta import from_dense
from bench import report

_OUTPUTS, _INPUTS = 3072, 576
_COPIES = 30
"""Layers of it, as a model has them: more than the caches hold."""
_ROWS = (1, 4, 16, 64, 512)


def main(*, quick: bool = False) -> None:
    threads = library.set_threads(torch.get_num_threads())
    print(f"{_COPIES} products of {_OUTPUTS} x {_INPUTS} on {threads} threads, {library.instruction_set()}")
    weights = np.random.default_rng(0).normal(0, 0.05, (_OUTPUTS, _INPUTS)).astype(np.float32)
    packed4 = [PackedLinear([PackedMatrix(from_dense(weights, bits=4))]) for _ in range(_COPIES)]
    packed8 = [PackedLinear([PackedMatrix(from_dense(weights, bits=8))]) for _ in range(_COPIES)]
    wide = [torch.from_numpy(weights).clone() for _ in range(_COPIES)]
    half = [weight.bfloat16() for weight in wide]
    contenders: dict[str, Callable[[Tensor], object]] = {
        "packed 4 bits": lambda x: [layer(x) for layer in packed4],
        "packed 8 bits": lambda x: [layer(x) for layer in packed8],
        "torch bfloat16": lambda x: [linear(x.bfloat16(), weight) for weight in half],
        "torch float32": lambda x: [linear(x, weight) for weight in wide],
    }
    figures: dict[str, dict[int, float]] = {name: {} for name in contenders}
    with torch.inference_mode():
        for rows in _ROWS:
            x = torch.randn(rows, _INPUTS)
            seconds: dict[str, list[float]] = {name: [] for name in contenders}
            for _ in range(3 if quick else 15):
                for name, multiply in contenders.items():
                    started = time.perf_counter()
                    multiply(x)
                    seconds[name].append(time.perf_counter() - started)
            for name, times in seconds.items():
                figures[name][rows] = 2 * rows * _OUTPUTS * _INPUTS * _COPIES / statistics.median(times) / 1e9
    rows_of_table = [[name, *(f"{speed:,.0f}" for speed in speeds.values())] for name, speeds in figures.items()]
    print(report.table(["GFLOP/s, medians", *(f"{rows} rows" for rows in _ROWS)], rows_of_table))
    print(f"kept in {report.keep('kernels', figures)}")
