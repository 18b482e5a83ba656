"""How each family of byte-level BPE vocabularies cuts text into words before merging.

A GGUF names the rule in ``tokenizer.ggml.pre``. The names are llama.cpp's; the rules are
written as in the models' own ``tokenizer.json``. Several patterns apply one after the
other, each to the text that the patterns before it left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Regex, pre_tokenizers

from aquilon.text.tokenizer import TokenizerError

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_TAIL_WITH_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_LLAMA3 = rf"(?:{_CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}"
_QWEN2 = rf"(?:{_CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}"
_QWEN35 = (
    rf"(?:{_CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|\p{{N}}|{_TAIL_WITH_SLASH}"
)
_GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+(?:{_CONTRACTIONS})?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*(?:{_CONTRACTIONS})?|\p{{N}}{{1,3}}|{_TAIL_WITH_SLASH}"
)
_DEEPSEEK_V3 = (
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
_DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}")
_DEFAULT = (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")


@dataclass(frozen=True)
class WordRule:
    """``patterns`` split text into words; with ``whole_words``, a word that is a token needs no merges."""

    patterns: tuple[str, ...]
    whole_words: bool = False
    add_bos: bool = False
    """The default for files without ``add_bos_token``."""


_GPT2_RULE = WordRule((_GPT2,))
_DIGITS_RULE = WordRule((r"\p{N}", _GPT2))
_LLAMA3_RULE = WordRule((_LLAMA3,), whole_words=True, add_bos=True)
_QWEN2_RULE = WordRule((_QWEN2,))
_GPT4O_RULE = WordRule((_GPT4O,))

WORD_RULES: dict[str, WordRule] = {
    "default": WordRule(_DEFAULT),
    **dict.fromkeys(("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4"), _GPT2_RULE),
    **dict.fromkeys(("a.x-4.0", "gigachat", "mellum", "modern-bert"), _GPT2_RULE),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"), _DIGITS_RULE),
    **dict.fromkeys(("minerva-7b", "mellum2"), _DIGITS_RULE),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2"), _LLAMA3_RULE),
    "midm-2.0": _LLAMA3_RULE,
    **dict.fromkeys(("dbrx", "smaug-bpe", "chatglm-bpe", "glm4"), WordRule((_LLAMA3,))),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "megrez", "kormo", "stablelm2", "hunyuan"), _QWEN2_RULE),
    **dict.fromkeys(("grok-2", "solar-open"), _QWEN2_RULE),
    "qwen35": WordRule((_QWEN35,)),
    "tekken": WordRule((_TEKKEN,), whole_words=True, add_bos=True),
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "minimax-m2"), _GPT4O_RULE),
    **dict.fromkeys(("deepseek-v3", "hunyuan-dense"), WordRule(_DEEPSEEK_V3)),
    "deepseek-coder": WordRule(_DEEPSEEK_CODER),
}


def word_rule(name: object) -> WordRule:
    """The rule that a GGUF names; ``default`` if it names none, as older files do. Raises TokenizerError."""
    rule = WORD_RULES.get(name or "default") if name is None or isinstance(name, str) else None
    if rule is None:
        raise TokenizerError(
            f"this file's vocabulary needs the pre-tokenizer '{name}'; the supported ones are "
            + ", ".join(sorted(WORD_RULES))
        )
    return rule


def byte_level_words(rule: WordRule) -> pre_tokenizers.PreTokenizer:
    """The rule as a pre-tokenizer, with bytes spelled in GPT-2's printable alphabet at its end."""
    splits = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in rule.patterns]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*splits, byte_level])


_ANY_CASE = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
"""How many files write the English contractions."""


def patterns_of(state: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """The patterns that a ``tokenizer.json``'s byte-level pre-tokenizer splits text by, spelled as in the rules here.

    None for a pre-tokenizer that does something else, too.
    """
    if state is None:
        return None
    steps = state["pretokenizers"] if state.get("type") == "Sequence" else [state]
    patterns: list[str] = []
    for step in steps:
        match step:
            case {"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": str(behavior), **rest}:
                # What lies outside of the matches is empty for patterns that match any character.
                if (behavior, bool(rest.get("invert"))) not in (("Isolated", False), ("Removed", True)):
                    return None
                patterns.append(pattern.replace(_ANY_CASE, f"(?:{_CONTRACTIONS})"))
            case {"type": "Digits", "individual_digits": bool(individual)}:
                patterns.append(r"\p{N}" if individual else r"\p{N}+")
            case {"type": "ByteLevel", "add_prefix_space": False, **rest}:
                patterns += [_GPT2] if rest.get("use_regex", True) else []
            case _:
                return None
    return tuple(patterns) if steps and steps[-1]["type"] == "ByteLevel" else None


def rules_with(patterns: tuple[str, ...]) -> dict[str, WordRule]:
    """The rules that split text by these patterns, by their names."""
    return {name: rule for name, rule in WORD_RULES.items() if rule.patterns == patterns}
