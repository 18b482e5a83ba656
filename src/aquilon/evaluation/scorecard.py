"""A model's scorecard: a few figures for each of five languages, kept in a file beside the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from aquilon.evaluation.languages import LANGUAGES
from aquilon.evaluation.results import Evaluation, Measure

SCORECARD = "scorecard.json"
QUESTIONS = 100
TEXT_BYTES = 200_000
"""How much a scorecard measures of each task and file, unless more is asked for."""

_MOST_BYTES = 2**20


class LanguageScores(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured in one language."""

    language: str
    """ISO 639-1."""
    bits_per_byte: Measure | None = None
    """Fewer are better."""
    accuracy: dict[str, Measure] = {}
    """The share of right answers, by task."""


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """Measured on this machine by ``aquilon eval --scorecard``."""

    model_sha256: str | None
    measured: str
    """ISO 8601, UTC."""
    versions: dict[str, str]
    tasks: dict[str, str]
    """SHA-256 of each task with its data: figures of two models compare where these are equal."""
    languages: list[LanguageScores]
    """Those of the five in which anything was measured."""


def scorecard(evaluations: Sequence[Evaluation]) -> Scorecard:
    """From one model's evaluations, at least one. What has no language, or another one, is left out."""
    languages = []
    for language in LANGUAGES:
        scores = LanguageScores(
            language=language,
            bits_per_byte=next(
                (measure for each in evaluations if (measure := _bits_per_byte(each, language)) is not None), None
            ),
            accuracy={
                each.task: each.measures["accuracy"]
                for each in evaluations
                if each.language == language and "accuracy" in each.measures
            },
        )
        if scores.bits_per_byte is not None or scores.accuracy:
            languages.append(scores)
    return Scorecard(
        model_sha256=evaluations[0].model_sha256,
        measured=max(each.began for each in evaluations),
        versions=evaluations[0].versions,
        tasks={each.task: each.task_sha256 for each in evaluations},
        languages=languages,
    )


def _bits_per_byte(evaluation: Evaluation, language: str) -> Measure | None:
    measures = evaluation.measures
    if "bits_per_byte" not in measures:
        return None
    of_records = {getattr(record, "language", None) for record in evaluation.records}
    whole = measures["bits_per_byte"] if of_records == {language} else None
    return measures.get(f"bits_per_byte/{language}", whole)


def write_scorecard(folder: Path, card: Scorecard) -> None:
    """Whole or not at all."""
    partial = folder / f".{SCORECARD}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(card)) + b"\n")
    partial.replace(folder / SCORECARD)


def read_scorecard(folder: Path) -> Scorecard | None:
    """None where there is none that can be read."""
    path = folder / SCORECARD
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MOST_BYTES), type=Scorecard)
    except (OSError, msgspec.DecodeError):
        return None
