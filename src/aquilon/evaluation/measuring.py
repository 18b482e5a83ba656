"""Measures each model of an order by each of its tasks."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import torch

import aquilon
from aquilon.evaluation.bits_per_byte import TextScorer, read_texts
from aquilon.evaluation.candidates import LoadedCandidate, load_candidate
from aquilon.evaluation.protocol import (
    Candidate,
    EventFile,
    Loading,
    LocalCandidate,
    Measured,
    Order,
    Progress,
    UnusableOrder,
    write_evaluation,
)
from aquilon.evaluation.results import Evaluation, Measure, TextRecord
from aquilon.evaluation.statistics import ratio
from aquilon.evaluation.tasks import TextTask, file_sha256s, task_sha256
from aquilon.training.data.documents import source_files


class Measuring:
    """One order, from its first model to its last task."""

    def __init__(self, folder: Path, order: Order, events: EventFile) -> None:
        self._folder, self._order, self._events = folder, order, events
        self._evaluations = 0

    def run(self) -> None:
        """Raises what the models, tasks and their data raise."""
        for candidate in self._order.candidates:
            loaded: LoadedCandidate | None = None
            for task in self._order.tasks:
                if loaded is None:
                    loaded = self._loaded(candidate)
                self._finish(self._bits_per_byte(candidate, loaded, task))

    def _loaded(self, candidate: Candidate) -> LoadedCandidate:
        if not isinstance(candidate, LocalCandidate):
            raise UnusableOrder(f"{candidate.name} is behind an address: bits per byte need the model's files")

        def loading(share: float) -> None:
            self._events.progress(Loading(model=candidate.name, share=share))

        return load_candidate(Path(candidate.path), self._order.precision, loading)

    def _finish(self, evaluation: Evaluation) -> None:
        self._evaluations += 1
        name = f"evaluation-{self._evaluations:03}.json"
        write_evaluation(self._folder / name, evaluation)
        self._events.write(Measured(model=evaluation.model, task=evaluation.task, file=name))

    def _bits_per_byte(self, candidate: Candidate, loaded: LoadedCandidate, task: TextTask) -> Evaluation:
        assert isinstance(candidate, LocalCandidate)
        began, moment = time.monotonic(), datetime.now(UTC)
        data = file_sha256s(source_files([Path(file.path) for file in task.files]))
        total = 0

        def count(size: int) -> None:
            nonlocal total
            total += size

        for _ in read_texts(task.files, limit=self._order.limit, bytes=task.bytes, on_read=count):
            pass
        scorer = TextScorer(loaded.transformer, loaded.text.tokenizer, task)
        records: list[TextRecord] = []
        done = 0
        for record in scorer.score(read_texts(task.files, limit=self._order.limit, bytes=task.bytes)):
            records.append(record)
            done += record.bytes
            self._events.progress(Progress(model=candidate.name, task=task.name, done=done, total=total))
        if not records:
            raise UnusableOrder(f"{', '.join(file.path for file in task.files)} holds no text to predict")
        return Evaluation(
            model=candidate.name,
            source=candidate.path,
            model_sha256=loaded.sha256,
            step=loaded.step,
            task=task.name,
            kind="bpb",
            task_sha256=task_sha256(task, data),
            data=data,
            limit=self._order.limit,
            settings={"window": scorer.window, "overlap": scorer.overlap, "bytes": task.bytes},
            device=loaded.device,
            versions={"aquilon": aquilon.__version__, "torch": str(torch.__version__)},
            began=moment.isoformat(timespec="seconds"),
            seconds=time.monotonic() - began,
            measures=_bits_per_byte_measures(records),
            records=list(records),
        )


def _bits_per_byte_measures(records: list[TextRecord]) -> dict[str, Measure]:
    """Over everything, and for each language and each file where there are several."""
    groups: dict[str, list[TextRecord]] = {"": records}
    for record in records:
        for name in (record.language, Path(record.file).name):
            if name is not None:
                groups.setdefault(f"/{name}", []).append(record)
    if len({record.file for record in records}) == 1:
        groups = {"": records}
    return {
        f"bits_per_byte{name}": ratio([record.bits for record in group], [record.bytes for record in group])
        for name, group in groups.items()
    }
