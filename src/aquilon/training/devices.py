"""What a run computes on: its device, precision, peak speed and energy."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist

from aquilon.training.protocol import Training
from aquilon.training.speeds import PEAK

_RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Device:
    device: torch.device
    dtype: torch.dtype
    """Of products and activations."""
    rank: int
    ranks: int

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def peak_flops(self) -> float | None:
        """FLOPs per second of all ranks; None where the device's peak isn't known."""
        if self.device.type != "cuda" or self.dtype != torch.bfloat16:
            return None
        name = torch.cuda.get_device_name(self.device)
        peak = next((peak for part, peak in PEAK.items() if part in name), None)
        return None if peak is None else peak * self.ranks

    def __str__(self) -> str:
        precision = str(self.dtype).removeprefix("torch.")
        what = (
            torch.cuda.get_device_name(self.device)
            if self.device.type == "cuda"
            else f"cpu, {torch.get_num_threads()} threads"
        )
        return f"{what}, {precision}" + (f", {self.ranks} ranks" if self.ranks > 1 else "")


def choose_device(training: Training) -> Device:
    """The device of this rank. Under torchrun the process group is begun."""
    has_gpu = torch.cuda.is_available()
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if has_gpu else torch.device("cpu")
    if has_gpu:
        torch.cuda.set_device(device)
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo")
    return Device(device, _dtype(training, device), rank, ranks)


def _dtype(training: Training, device: torch.device) -> torch.dtype:
    if training.precision != "auto":
        return torch.bfloat16 if training.precision == "bfloat16" else torch.float32
    has_bf16 = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if has_bf16 else torch.float32


class EnergyMeter:
    """Joules that this machine's processor packages and this rank's GPU have taken, where they are measured.

    The processor's counters (RAPL) count all that runs on the machine.
    """

    def __init__(self, device: torch.device) -> None:
        self._packages = {}
        for zone in sorted(_RAPL.glob("intel-rapl:?")):
            try:
                limit = int((zone / "max_energy_range_uj").read_text())
                self._packages[zone / "energy_uj"] = (int((zone / "energy_uj").read_text()), limit)
            except (OSError, ValueError):
                continue
        self._gpu = _gpu_energy(device)
        self._device = device
        self._joules = 0.0
        self._began = time.monotonic()

    def joules(self) -> float | None:
        """Since the meter was made; None where nothing is measured."""
        if not self._packages and self._gpu is None:
            return None
        for counter, (before, limit) in self._packages.items():
            current = int(counter.read_text())
            self._joules += ((current - before) % limit) / 1e6
            self._packages[counter] = (current, limit)
        current_gpu = _gpu_energy(self._device)
        if current_gpu is not None and self._gpu is not None:
            self._joules += (current_gpu - self._gpu) / 1e3
            self._gpu = current_gpu
        return self._joules


def _gpu_energy(device: torch.device) -> int | None:
    """Millijoules by NVML since the driver was loaded; None without a GPU, or where NVML isn't installed."""
    if device.type != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        energy: int = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        return energy
    except Exception:  # NVML's errors have no common base outside the package, which may be missing
        return None
