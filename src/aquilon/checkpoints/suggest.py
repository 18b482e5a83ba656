"""Suggestions of open models for a machine with a given memory, European ones first."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path

import msgspec

CONTEXT = 8192
"""Tokens of context that a suggestion leaves room for."""

_PROGRAM_BYTES = 700 * 10**6
"""Memory of the two processes beside weights and cache."""
_PACKED_FACTOR = 1.3
"""Blocks of a GGUF file are kept with wider scales in memory than on disk."""
_QUICK_BYTES = 6 * 10**9
"""Weights that a processor reads several times a second, so that an answer comes as fast as a person reads."""
_USABLE_SHARE = 0.85
"""The share of the machine's memory for models; the rest is the system's."""


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``suggested_models.toml``, where the fields are explained."""

    title: str
    source: str
    maker: str
    country: str
    european: bool
    license: str
    parameters: int
    download_bytes: int
    kv_bytes: int
    context: int
    good_for: str
    languages: list[str]
    good_start: bool = False

    @property
    def memory_bytes(self) -> int:
        """Estimated memory to serve it, with ``CONTEXT`` tokens in the cache."""
        is_packed = self.source.endswith(".gguf")
        weights = self.download_bytes * (_PACKED_FACTOR if is_packed else 1 if computes_in_16_bits() else 2)
        return int(weights + self.kv_bytes * min(CONTEXT, self.context) + _PROGRAM_BYTES)

    @property
    def command(self) -> str:
        return f"aquilon pull {self.source}"


class _File(msgspec.Struct, frozen=True):
    model: list[Suggestion]


@cache
def all_suggestions() -> tuple[Suggestion, ...]:
    """Every entry of the curated file, in its order."""
    text = Path(__file__).with_name("suggested_models.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text), _File).model)


def suggest(memory: int, language: str | None = None) -> list[Suggestion]:
    """Models that fit ``memory`` bytes and speak a language (ISO 639 code); European ones first, then by size."""
    fitting = [
        model
        for model in all_suggestions()
        if model.memory_bytes <= memory * _USABLE_SHARE and (language is None or language.lower() in model.languages)
    ]
    return sorted(fitting, key=lambda model: (not model.european, -model.parameters))


def good_starts(memory: int, *, gpu: bool) -> list[Suggestion]:
    """At most three models to use after the default one, the smallest first; without a GPU only quick ones."""
    marked = [model for model in suggest(memory) if model.good_start and (gpu or model.download_bytes <= _QUICK_BYTES)]
    return sorted(marked or suggest(memory), key=lambda model: model.parameters)[-3:]


@cache
def computes_in_16_bits() -> bool:
    """Whether this machine keeps 16-bit weights; a processor without bfloat16 instructions needs 32 bits."""
    try:
        return has_gpu() or " avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def has_gpu() -> bool:
    """Whether NVIDIA's driver runs on this machine; no library is loaded for it."""
    return Path("/dev/nvidiactl").exists()


def machine_memory() -> int:
    """Bytes that programs on this machine may use: the installed memory, or the container's limit."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return installed
    return min(installed, int(limit)) if limit.isdigit() else installed
