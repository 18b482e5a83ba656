"""Whether a job's files can be learnt from, and how much there is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aquilon.errors import Values
from aquilon.jobs.fine_tuning.hyperparameters import Amount, Method
from aquilon.text.tokenizer import Tokenizer
from aquilon.training.validation import lines_of, validate_conversations
from aquilon.wording import counted

_SAMPLED = 200
"""Examples whose tokens are counted; those of the others are estimated by their bytes."""
_TOKENS_PER_MESSAGE = 6
"""What a chat template adds to a message."""
_LEAST_EXAMPLES = 1
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Source:
    """One of a job's files."""

    file_id: str
    path: Path
    field: str
    """The field of the request that names it."""


class Unusable(ValueError):
    """A file can't be learnt from; the message names its first lines that can't."""

    def __init__(self, message: str, *, field: str, code: str = "invalid_training_file") -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.values: Values = {}


def amount_in(
    training: Sequence[Source], validation: Sequence[Source], *, method: Method, tokenizer: Tokenizer
) -> Amount:
    """Check every line, and estimate the tokens of the training files. Takes long, for a thread. Raises Unusable."""
    examples = sum(_examples(source, method) for source in training)
    for source in validation:
        _examples(source, method)
    return Amount(examples=examples, tokens=sum(_tokens(source.path, tokenizer) for source in training))


def _examples(source: Source, method: Method) -> int:
    try:
        problems = validate_conversations(source.path, preferences=method == "dpo")
    except FileNotFoundError:
        raise Unusable(f"The file '{source.file_id}' is gone", field=source.field, code="file_not_found") from None
    if problems.found:
        shown = "; ".join(
            f"line {problem.line}: {problem.message}" if problem.line else problem.message
            for problem in problems.found[:_SHOWN]
        )
        more = len(problems.found) - _SHOWN
        others = f"; and {counted(more, 'other line')}" if more > 0 else ""
        raise Unusable(f"The file '{source.file_id}' can't be learnt from: {shown}{others}", field=source.field)
    return problems.examples


def _tokens(path: Path, tokenizer: Tokenizer) -> int:
    size = path.stat().st_size
    sampled_bytes = tokens = 0
    number_of_lines = sum(1 for _ in lines_of(path))
    every = max(1, number_of_lines // _SAMPLED)
    for place, (_, line) in enumerate(lines_of(path)):
        if place % every == 0:
            sampled_bytes += len(line)
            texts = list(_texts(msgspec.json.decode(line)))
            tokens += sum(len(tokenizer.encode(text, add_special=False)) + _TOKENS_PER_MESSAGE for text in texts)
    return max(1, round(tokens * size / max(1, sampled_bytes)))


def _texts(value: object) -> Sequence[str]:
    """What a template renders of an example: contents, and names and arguments of calls and tools."""
    texts: list[str] = []
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            texts.append(current)
        elif isinstance(current, dict):
            waiting.extend(entry for name, entry in current.items() if name not in ("role", "type", "id", "weight"))
        elif isinstance(current, list):
            waiting.extend(current)
    return texts
