"""An engine process's options: one value, passed to it when it starts."""

from __future__ import annotations

from typing import Literal

import msgspec

Dtype = Literal["auto", "bfloat16", "float32"]
Quantize = Literal["auto", "none", "int8", "int4"]


class EngineOptions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Defaults suit a server that has the machine to itself. Sizes are in bytes or tokens, as each says."""

    device: str = "auto"
    """``auto`` takes the first CUDA device, else the CPU; or a torch device string."""
    dtype: Dtype = "auto"
    quantize: Quantize = "auto"
    memory: int | None = None
    """Bytes that loaded models and their KV caches may take together; None takes most of what is free."""
    threads: int | None = None
    """Threads for arithmetic; None is one for each core this process may use."""
    block_size: int = 32
    """Tokens in one KV block."""
    kv_tokens: int | None = None
    """Tokens that one model's KV cache holds; None chooses by the memory there is."""
    step_tokens: int = 512
    """Most tokens that one step computes, over all sequences."""
    step_seconds: float | None = 1.0
    """A step's share of prompt tokens shrinks until it takes no longer than about this; None never shrinks it."""
    max_sequences: int = 64
    """Most sequences that run at once."""
    prefix_cache: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __post_init__(self) -> None:
        if self.step_tokens < self.block_size + self.max_sequences:
            raise ValueError(
                f"step_tokens is {self.step_tokens}: it must hold one block ({self.block_size} tokens) of a prompt "
                f"and one token of each of max_sequences ({self.max_sequences})"
            )
