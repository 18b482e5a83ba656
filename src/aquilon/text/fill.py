"""Fill in the middle: the prompts with the text before and after a gap.

Bavarian et al., "Efficient Training of Language Models to Fill in the Middle", arXiv:2207.14255.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aquilon.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class FillFormat:
    """``encode(prefix, suffix)`` returns the prompt; tokens of ``end_ids`` end the filled-in text."""

    encode: Callable[[str, str], list[int]]
    """Raises ValueError."""
    end_ids: tuple[int, ...] = ()


_NAMES = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen2.5-Coder
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),  # CodeLlama
    ("<PRE>", "<SUF>", "<MID>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek-Coder
)
_SUFFIX_FIRST = ("[SUFFIX]", "[PREFIX]")  # Codestral
_ENDS = ("<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<fim_pad>", "<file_sep>", "▁<EOT>", "<EOT>")
_KEYS = (
    ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.fim_mid_token_id"),
    ("tokenizer.ggml.prefix_token_id", "tokenizer.ggml.suffix_token_id", "tokenizer.ggml.middle_token_id"),
)


def fill_format(tokenizer: Tokenizer, metadata: Mapping[str, Any] | None = None) -> FillFormat | None:
    """The format in GGUF's metadata, else the one of the vocabulary's control tokens; None without either."""
    controls = tokenizer.control_tokens
    ends = tuple(controls[name] for name in _ENDS if name in controls)
    for keys in _KEYS:
        ids = [(metadata or {}).get(key) for key in keys]
        if all(isinstance(token_id, int) and 0 <= token_id < tokenizer.vocab_size for token_id in ids):
            return FillFormat(_in_order(tokenizer, [int(token_id) for token_id in ids if token_id is not None]), ends)
    for names in _NAMES:
        if all(name in controls for name in names):
            return FillFormat(_in_order(tokenizer, [controls[name] for name in names]), ends)
    if all(name in controls for name in _SUFFIX_FIRST):
        suffix_id, prefix_id = (controls[name] for name in _SUFFIX_FIRST)
        return FillFormat(_suffix_first(tokenizer, suffix_id, prefix_id), ends)
    return None


def _in_order(tokenizer: Tokenizer, ids: Sequence[int]) -> Callable[[str, str], list[int]]:
    """``ids``: the tokens before the prefix, the suffix and the middle."""
    prefix_id, suffix_id, middle_id = ids

    def encode(prefix: str, suffix: str) -> list[int]:
        before, after = (tokenizer.encode(text, add_special=False) for text in (prefix, suffix))
        return [*_begin(tokenizer), prefix_id, *before, suffix_id, *after, middle_id]

    return encode


def _suffix_first(tokenizer: Tokenizer, suffix_id: int, prefix_id: int) -> Callable[[str, str], list[int]]:
    def encode(prefix: str, suffix: str) -> list[int]:
        before, after = (tokenizer.encode(text, add_special=False) for text in (prefix, suffix))
        return [*_begin(tokenizer), suffix_id, *after, prefix_id, *before]

    return encode


def _begin(tokenizer: Tokenizer) -> list[int]:
    """The token that every text of this model begins with, as a list; empty where there is none."""
    return [token_id for token_id in tokenizer.encode("")[:1] if token_id == tokenizer.bos_id]
