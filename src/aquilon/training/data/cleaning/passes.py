"""The three passes over a chunk. What the first and the second learn of all chunks is known to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aquilon.training.data.cleaning.addresses import ListedAddresses
from aquilon.training.data.cleaning.contamination import EvaluationSets
from aquilon.training.data.cleaning.duplicates import EQUAL, SIGNATURE, UNIQUE, VERDICT, signature
from aquilon.training.data.cleaning.foreign_lines import without_foreign_lines
from aquilon.training.data.cleaning.lines import line_keys, without_lines
from aquilon.training.data.cleaning.personal_data import without_personal_data
from aquilon.training.data.cleaning.quality import quality_filters, refusal
from aquilon.training.data.cleaning.records import Chunk, CleanText, Reject, Tally, Text
from aquilon.training.data.identification import identify

FIRST, SECOND, THIRD = "1-identified", "2-prose", "3-clean"
_LEAST_CHARACTERS = 20
_MOST_CHARACTERS = 8_000_000
"""Twice the longest novels; what is counted of a document takes some fifty times its size in memory."""


@dataclass(frozen=True)
class Setting:
    """What all chunks' passes share."""

    work: Path
    languages: tuple[str, ...]
    against: tuple[Path, ...]

    @property
    def addresses(self) -> Path:
        return self.work / "addresses.npy"

    @property
    def lines(self) -> Path:
        return self.work / "lines.npy"

    @property
    def verdicts(self) -> Path:
        return self.work / "verdicts.bin"

    def chunk(self, folder: str, number: int) -> Chunk:
        return Chunk(self.work / folder, number)


@dataclass
class Batch:
    """Documents as they were read, and what couldn't be."""

    number: int
    texts: list[Text] = field(default_factory=list)
    problems: list[Reject] = field(default_factory=list)
    bytes: int = 0


def identify_chunk(setting: Setting, batch: Batch) -> int:
    """First pass: addresses and languages. Returns the chunk's number."""
    tally, kept = Tally(), []
    keys: list[NDArray[np.uint64]] = []
    addresses = ListedAddresses(setting.addresses) if any(text.url for text in batch.texts) else None
    for problem in batch.problems:
        tally.note("read", problem)
    for text in batch.texts:
        if len(text.text) > _MOST_CHARACTERS:
            tally.reject("read", text, f"more than {_MOST_CHARACTERS:,} characters")
            continue
        tally.keep("read", text)
        if text.url and addresses is not None and (reason := addresses.refusal(text.url)):
            tally.reject("address", text, f"{reason}: {text.url}")
            continue
        tally.keep("address", text)
        text.language = identify(text.text)
        if setting.languages and text.language not in setting.languages:
            tally.reject("language", text, text.language)
            continue
        tally.keep("language", text)
        keys.append(line_keys(text.text))
        kept.append(text)
    array = np.concatenate([*keys, np.empty(0, np.uint64)]).tobytes()
    setting.chunk(FIRST, batch.number).write(kept, tally, array)
    return batch.number


def judge_chunk(setting: Setting, number: int) -> int:
    """Second pass: lines that many documents repeat, and quality; signatures of what is left."""
    tally, kept = Tally(), []
    signatures = []
    frequent = np.load(setting.lines)
    removed: Counter[tuple[str, str]] = Counter()
    for text in setting.chunk(FIRST, number).read():
        text.text, repeated = without_lines(text.text, frequent)
        text.text, foreign = without_foreign_lines(text.text, text.language)
        removed.update(("repeated line", line) for line in repeated)
        removed.update((f"line not in {text.language}", line) for line in foreign)
        if (repeated or foreign) and len(text.text.strip()) < _LEAST_CHARACTERS:
            tally.reject("lines", text, "nothing else")
            continue
        tally.keep("lines", text)
        if _is_prose(text, tally):
            signatures.append(signature(text.text, file=text.file, number=text.number))
            kept.append(text)
    for (reason, line), count in removed.items():
        tally.note("lines", Reject(reason=reason, text=line), number=count)
    array = np.concatenate([*signatures, np.empty(0, SIGNATURE)]).tobytes()
    setting.chunk(SECOND, number).write(kept, tally, array)
    return number


def _is_prose(text: Text, tally: Tally) -> bool:
    for stage, rule in quality_filters(text.language).items():
        reason, changed = refusal(rule, text.text)
        if reason is not None:
            tally.reject(stage, text, reason)
            return False
        text.text = changed
        tally.keep(stage, text)
    return True


def finish_chunk(setting: Setting, number: int, *, first: int, names: Sequence[str]) -> int:
    """Third pass: duplicates, evaluation sets, personal data. ``first``: the chunk's first record among all verdicts.

    ``names``: the sources' files.
    """
    tally, kept = Tally(), []
    verdicts = np.memmap(setting.verdicts, dtype=VERDICT, mode="r") if setting.verdicts.stat().st_size else ()
    evaluation = _evaluation(setting.against)
    for place, text in enumerate(setting.chunk(SECOND, number).read(), first):
        verdict = verdicts[place]
        if verdict["kind"] != UNIQUE:
            stage = "equal" if verdict["kind"] == EQUAL else "similar"
            if stage == "similar":
                tally.keep("equal", text)
            tally.reject(stage, text, f"as another: {names[int(verdict['file'])]}#{int(verdict['number'])}")
            continue
        tally.keep("equal", text)
        tally.keep("similar", text)
        if match := evaluation.match(text.text):
            tally.reject("evaluation", text, f"in {match[0]}: {match[1]}")
            continue
        tally.keep("evaluation", text)
        text.text, replaced = without_personal_data(text.text)
        tally.keep("personal", text)
        tally.replaced("personal", replaced)
        kept.append(CleanText(text=text.text, language=text.language, source=text.source, id=text.id))
    setting.chunk(THIRD, number).write(kept, tally)
    return number


@cache
def _evaluation(paths: tuple[Path, ...]) -> EvaluationSets:
    return EvaluationSets(paths)
