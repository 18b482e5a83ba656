"""How fast this machine multiplies, for estimates: nothing here imports torch."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

PEAK = {  # dense bf16 FLOPs per second, from the vendors' data sheets
    "H200": 989e12,
    "H100": 989e12,
    "H800": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}

_UNKNOWN_GPU = 50e12
_GPU_SHARE, _CPU_SHARE = 0.35, 0.5
"""Of the peak, and of what plain products reach: what training makes of it."""
_BF16_GAIN = 1.5
"""Of a CPU that multiplies bf16 itself."""
_GPUS = Path("/proc/driver/nvidia/gpus")
_MEASURED_SECONDS = 0.1


@dataclass(frozen=True)
class Machine:
    """What a training process will probably compute on."""

    name: str
    flops: float
    """Per second, of training."""
    is_gpu: bool
    value_bytes: int
    """Of a weight in the compute dtype."""


def this_machine() -> Machine:
    """The first GPU that the driver lists, else the CPU, whose speed is measured for a moment."""
    for information in sorted(_GPUS.glob("*/information")):
        name = next((line for line in information.read_text().splitlines() if line.startswith("Model:")), "Model: GPU")
        name = name.removeprefix("Model:").strip()
        peak = next((peak for part, peak in PEAK.items() if part in name), _UNKNOWN_GPU)
        return Machine(name, peak * _GPU_SHARE, True, 2)
    has_bf16 = "avx512_bf16" in _cpu_flags()
    speed = _measured_products() * _CPU_SHARE * (_BF16_GAIN if has_bf16 else 1.0)
    return Machine(f"CPU, {len(os.sched_getaffinity(0))} cores", speed, False, 2 if has_bf16 else 4)


def _cpu_flags() -> str:
    try:
        return next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    except OSError:
        return ""


def _measured_products() -> float:
    """FLOPs per second of products of matrices in fp32 on all cores, by the time that they compute, so that other work
    on the machine counts little. Of one product alone it may be 0 where the machine is busy."""
    import numpy as np

    side = 768
    matrix = np.full((side, side), 0.5, dtype=np.float32)
    matrix @ matrix  # the library begins its threads
    began, products, seconds = time.process_time(), 0, 0.0
    while seconds < _MEASURED_SECONDS:
        matrix @ matrix
        products += 1
        seconds = time.process_time() - began  # of all threads together
    return 2 * side**3 * products / seconds * len(os.sched_getaffinity(0))
