"""How well tokenizers spell each language: bytes per token and tokens per word, side by side on the same text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from aquilon.text.mistral import load_mistral
from aquilon.text.tokenizer import Tokenizer
from aquilon.training.report_page import bars, page, paragraph, table

_WORD = re.compile(r"\w+")
_AT_ONCE = 2**14

_MISTRAL_FILES = {
    "Mistral v3": "mistral_instruct_tokenizer_240323.model.v3",
    "Tekken": "tekken_240911.json",
}
"""Files that mistral-common carries: 32,768 and 131,072 tokens."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """What one tokenizer makes of one language's text."""

    tokenizer: str
    vocab_size: int
    language: str
    bytes: int
    words: int
    tokens: int

    @property
    def bytes_per_token(self) -> float:
        return self.bytes / max(1, self.tokens)

    @property
    def tokens_per_word(self) -> float:
        return self.tokens / max(1, self.words)


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """A language of the sources."""

    language: str
    seen_bytes: int
    learnt_bytes: int
    """How many bytes the tokenizer was trained on: as many of each language."""
    repeats: float
    """How often its sample was used to reach that number."""


class TokenizerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``report.json`` beside a tokenizer says."""

    sources: list[str]
    fingerprint: str
    """Of the sources, the options and the program's method: the same give the same tokenizer."""
    vocab_size: int
    words: str
    """The rule that cuts words, as GGUF files name it."""
    unreadable: int
    """Lines of the sources that were left out because they hold no text."""
    held_back: bool
    """Whether the measured text wasn't trained on; false for sources that are too small to hold any back."""
    languages: list[Language]
    measures: list[Measure]
    missing_peers: list[str]
    """Tokenizers that aren't on this machine."""


@cache
def mistral_peers() -> dict[str, Tokenizer]:
    """Mistral's third tokenizer and Tekken, by name."""
    import mistral_common  # a fifth of a second

    folder = Path(mistral_common.__file__).parent / "data"
    return {name: load_mistral(folder / file)[0] for name, file in _MISTRAL_FILES.items()}


def measure(tokenizers: Mapping[str, Tokenizer], texts: Mapping[str, str]) -> list[Measure]:
    """Every tokenizer on every language's text, which is given to all in the same pieces."""
    measures = []
    for language, text in sorted(texts.items()):
        pieces = [text[start : start + _AT_ONCE] for start in range(0, len(text), _AT_ONCE)]
        for name, tokenizer in tokenizers.items():
            measures.append(
                Measure(
                    tokenizer=name,
                    vocab_size=tokenizer.vocab_size,
                    language=language,
                    bytes=len(text.encode()),
                    words=sum(len(_WORD.findall(piece)) for piece in pieces),
                    tokens=sum(len(tokenizer.encode(piece, add_special=False)) for piece in pieces),
                )
            )
    return measures


def report_html(report: TokenizerReport) -> str:
    tokenizers = list(dict.fromkeys(measure.tokenizer for measure in report.measures))
    by_language: dict[str, dict[str, Measure]] = {}
    for one in report.measures:
        by_language.setdefault(one.language, {})[one.tokenizer] = one
    measured = "text that was held back" if report.held_back else "the text that it was trained on, which was too small"
    sections = [
        paragraph(f"{report.vocab_size:,} tokens, words cut by the rule {report.words}; measured on {measured}."),
        bars(
            "Bytes per token: more is better",
            {
                language: {name: one.bytes_per_token for name, one in row.items()}
                for language, row in by_language.items()
            },
        ),
        table(
            ["bytes per token", *tokenizers],
            [[language, *(one.bytes_per_token for one in row.values())] for language, row in by_language.items()],
        ),
        bars(
            "Tokens per word: fewer are better",
            {
                language: {name: one.tokens_per_word for name, one in row.items()}
                for language, row in by_language.items()
            },
        ),
        table(
            ["tokens per word", *tokenizers],
            [[language, *(one.tokens_per_word for one in row.values())] for language, row in by_language.items()],
        ),
        table(
            ["language", "bytes in the sources", "bytes trained on", "sample used"],
            [[one.language, one.seen_bytes, one.learnt_bytes, f"{one.repeats:.2g} ×"] for one in report.languages],
        ),
    ]
    if report.missing_peers:
        sections.append(paragraph(f"Not on this machine, so not compared: {', '.join(report.missing_peers)}."))
    return page("Tokenizer", sections)
