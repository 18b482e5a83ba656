"""Energy that training takes: what the machine counts, else an estimate. Imports no torch."""

from __future__ import annotations

import re
import time
from pathlib import Path

_RAPL = Path("/sys/class/powercap")
_WATTS_A_THREAD, _WATTS_A_GPU = 10, 500
"""Assumed where nothing is counted: of a busy processor thread with its memory, and of a server's GPU with its host."""


def assumed_watts(device: str, ranks: int) -> int:
    """Of so many ranks; ``device`` as `Started` describes it."""
    threads = re.search(r"(\d+) threads?", device)
    return ranks * (_WATTS_A_THREAD * int(threads[1]) if threads else _WATTS_A_GPU)


def energy_text(joules: float, *, is_measured: bool) -> str:
    """``27 J``, ``1.2 kJ``, ``0.35 kWh``; ``about 1.2 kJ`` for an estimate."""
    if joules >= 3.6e5:
        amount = f"{joules / 3.6e6:,.3g} kWh"
    else:
        amount = f"{joules / 1e3:.3g} kJ" if joules >= 1000 else f"{joules:.0f} J"
    return amount if is_measured else f"about {amount}"


class EnergyMeter:
    """Joules that one rank takes: those of its GPU and, on the first rank of a machine, of the processor's packages.

    The processor's counters (RAPL) count all that runs on the machine. Where neither is counted, the joules are those
    of the assumed watts.
    """

    def __init__(self, *, gpu: int | None, watts: int, is_first_on_machine: bool) -> None:
        """``gpu``: its number, None on a processor; ``watts``: those to assume."""
        packages = _packages()
        self._gpu_number, self._gpu = gpu, _gpu_energy(gpu)
        self.is_measured = bool(packages) or self._gpu is not None
        self._packages = packages if is_first_on_machine else {}
        self._watts = watts
        self._joules = 0.0
        self._began = time.monotonic()

    def joules(self) -> float:
        """Since the meter was made."""
        if not self.is_measured:
            return self._watts * (time.monotonic() - self._began)
        for counter, (before, limit) in self._packages.items():
            current = int(counter.read_text())
            self._joules += ((current - before) % limit) / 1e6
            self._packages[counter] = (current, limit)
        current_gpu = _gpu_energy(self._gpu_number)
        if current_gpu is not None and self._gpu is not None:
            self._joules += (current_gpu - self._gpu) / 1e3
            self._gpu = current_gpu
        return self._joules


def _packages() -> dict[Path, tuple[int, int]]:
    """The counters of processor packages that may be read: their microjoules, and those at which they begin again."""
    packages = {}
    for zone in sorted(_RAPL.glob("intel-rapl:?")):  # AMD's too
        try:
            limit = int((zone / "max_energy_range_uj").read_text())
            packages[zone / "energy_uj"] = (int((zone / "energy_uj").read_text()), limit)
        except (OSError, ValueError):
            continue
    return packages


def _gpu_energy(number: int | None) -> int | None:
    """Millijoules by NVML since the driver was loaded; None without a GPU, or where NVML isn't installed."""
    if number is None:
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        energy: int = pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(number))
        return energy
    except Exception:  # NVML's errors have no common base outside the package, which may be missing
        return None
