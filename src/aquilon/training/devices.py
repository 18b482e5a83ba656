"""What a run computes on: its device, precision and peak speed."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist

from aquilon.training.protocol import Training
from aquilon.training.speeds import PEAK
from aquilon.wording import counted


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
    def is_first_on_machine(self) -> bool:
        return os.environ.get("LOCAL_RANK", "0") == "0"

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
            else f"cpu, {counted(torch.get_num_threads(), 'thread')}"
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
