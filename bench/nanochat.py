"""nanochat's model, from ``bench/.cache/nanochat``, a clone of https://github.com/karpathy/nanochat."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

CLONE = Path(__file__).parent / ".cache" / "nanochat"


def gpt(*, depth: int, vocabulary: int, context: int, precision: str) -> Any:
    """Its model, initialized, with 64 channels a head and no sliding windows, as its ``runs/runcpu.sh`` has it."""
    if str(CLONE) not in sys.path:
        sys.path.insert(0, str(CLONE))
    for name in [name for name in sys.modules if name.partition(".")[0] == "nanochat"]:
        del sys.modules[name]  # it fixes its precision when it is imported
    os.environ["NANOCHAT_DTYPE"] = precision
    from nanochat.gpt import GPT, GPTConfig  # type: ignore[import-not-found]

    model = GPT(
        GPTConfig(
            sequence_len=context,
            vocab_size=vocabulary,
            n_layer=depth,
            n_head=depth,
            n_kv_head=depth,
            n_embd=64 * depth,
            window_pattern="L",
        )
    )
    model.init_weights()
    return model
