"""How much memory the machine has for models, and how much of it a KV cache takes."""

from __future__ import annotations

from pathlib import Path

_SHARE_OF_FREE = 0.8
_SMALLEST_POOL = 384 * 2**20
_POOL_SHARE = 1 / 48
"""A KV cache's share of the memory limit, where that is more than ``_SMALLEST_POOL``."""


class NotEnoughMemory(Exception):
    """A model does not fit; the message says how much memory it needs and how much there is."""


def machine_limit() -> int:
    """Bytes that models may take on a CPU: most of what is free within the control group's limit."""
    free = 2**33
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free = min(free, max(0, int(limit) - int(used)))
    return int(free * _SHARE_OF_FREE)


def kv_tokens(*, bytes_per_token: int, max_context: int, weights: int, limit: int, free: int, block_size: int) -> int:
    """Tokens that a model's KV cache holds, a whole number of blocks.

    It holds one full context, or 384 MiB, or 1/48 of the limit, whichever is most;
    but no more than half of what ``free`` bytes leave beside the weights. Raises
    NotEnoughMemory where not even a few blocks fit.
    """
    preferred = max(max_context * bytes_per_token, _SMALLEST_POOL, int(limit * _POOL_SHARE))
    granted = min(preferred, (free - weights) // 2)
    blocks = granted // (bytes_per_token * block_size)
    if blocks < 4:
        raise NotEnoughMemory(
            f"it needs {_gigabytes(weights)} for its weights and more for its KV cache, of {_gigabytes(limit)} in all"
        )
    return min(blocks, -(-preferred // (bytes_per_token * block_size))) * block_size


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GB"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
