"""Measures each model of an order by each of its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch

import aquilon
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.evaluation.answering import Answering, Scoring
from aquilon.evaluation.bits_per_byte import TextScorer, read_texts
from aquilon.evaluation.candidates import LoadedCandidate, is_unreleased, load_candidate, weights_sha256
from aquilon.evaluation.engine_answers import EngineAnswers
from aquilon.evaluation.problems import read_problems
from aquilon.evaluation.protocol import (
    Candidate,
    EventFile,
    Loading,
    LocalCandidate,
    Measured,
    Order,
    Progress,
    RemoteCandidate,
    UnusableOrder,
    write_evaluation,
)
from aquilon.evaluation.questions import ask, choose, program
from aquilon.evaluation.remote_answers import RemoteAnswers
from aquilon.evaluation.results import Evaluation, Measure, Record, TextRecord
from aquilon.evaluation.scoring import LoadedScorer
from aquilon.evaluation.statistics import accuracy, ratio
from aquilon.evaluation.tasks import (
    AnswerTask,
    ChoiceTask,
    CodeTask,
    Task,
    TextTask,
    file_sha256s,
    task_sha256,
)
from aquilon.training.data.documents import source_files
from aquilon.training.protocol import released


@dataclass(frozen=True)
class _Model:
    """A candidate as its evaluations describe it."""

    candidate: Candidate
    device: str = ""
    sha256: str | None = None
    step: int | None = None

    @property
    def name(self) -> str:
        return self.candidate.name


class Measuring:
    """One order, from its first model to its last task."""

    def __init__(self, folder: Path, order: Order, events: EventFile) -> None:
        self._folder, self._order, self._events = folder, order, events
        self._evaluations = 0

    def run(self) -> None:
        """Raises what the models, the tasks and their data raise."""
        scored = [task for task in self._order.tasks if isinstance(task, TextTask | ChoiceTask)]
        answered = [task for task in self._order.tasks if isinstance(task, AnswerTask | CodeTask)]
        for candidate in self._order.candidates:
            if isinstance(candidate, RemoteCandidate):
                asyncio.run(self._ask_remote(candidate))
                continue
            if answered and is_unreleased(Path(candidate.path)):
                raise UnusableOrder(
                    f"{candidate.name} has no released model yet, which answering needs: bits per byte and multiple "
                    "choice can be measured already"
                )
            if scored:
                asyncio.run(self._score(candidate, scored))  # its weights leave memory before the engine loads them
            if answered:
                asyncio.run(self._ask_engine(candidate, answered))

    async def _score(self, candidate: LocalCandidate, tasks: list[TextTask | ChoiceTask]) -> None:
        def loading(share: float) -> None:
            self._events.progress(Loading(model=candidate.name, share=share))

        loaded = load_candidate(Path(candidate.path), self._order.precision, loading)
        model = _Model(candidate, loaded.device, loaded.sha256, loaded.step)
        for task in tasks:
            if isinstance(task, TextTask):
                self._bits_per_byte(model, loaded, task)
            else:
                await self._choose(model, LoadedScorer(loaded), task, parallel=1)

    async def _ask_remote(self, candidate: RemoteCandidate) -> None:
        model = _Model(candidate)
        async with aclosing(RemoteAnswers(candidate, form=self._order.prompts)) as answers:
            for task in self._order.tasks:
                if isinstance(task, TextTask):
                    raise UnusableOrder(f"{candidate.name} is behind an address: bits per byte need a model's files")
                if isinstance(task, ChoiceTask):
                    await self._choose(model, answers, task, parallel=self._order.sampling.parallel)
                else:
                    await self._ask(model, answers, task)

    async def _ask_engine(self, candidate: LocalCandidate, tasks: list[AnswerTask | CodeTask]) -> None:
        path = released(Path(candidate.path))
        self._events.write(Loading(model=candidate.name, share=0.0))
        sha256 = await asyncio.to_thread(lambda: weights_sha256(open_checkpoint(path)))
        model = _Model(candidate, f"engine, {self._order.precision}", sha256)
        async with aclosing(
            await EngineAnswers.start(path, dtype=self._order.precision, form=self._order.prompts)
        ) as answers:
            for task in tasks:
                await self._ask(model, answers, task)

    async def _choose(self, model: _Model, scorer: Scoring, task: ChoiceTask, *, parallel: int) -> None:
        began = datetime.now(UTC)
        problems = read_problems(task, self._order.limit)
        done = self._counter(model, task, len(problems))
        records, measures = await choose(task, problems, scorer, parallel=parallel, done=done)
        self._finish(model, task, began, records=list(records), measures=measures)

    async def _ask(self, model: _Model, answers: Answering, task: AnswerTask | CodeTask) -> None:
        began = datetime.now(UTC)
        problems = read_problems(task, self._order.limit)
        sampling = self._order.sampling
        done = self._counter(model, task, len(problems) * len(sampling.seeds))
        settings = {"prompts": "chat" if answers.chat else "text", "sampling": msgspec.to_builtins(sampling)}
        if isinstance(task, CodeTask):
            records, isolation = await program(task, problems, answers, sampling=sampling, done=done)
            settings["isolation"] = msgspec.to_builtins(isolation)
        else:
            records = await ask(task, problems, answers, sampling=sampling, done=done)
        measures = {"accuracy": accuracy([record.scores for record in records])}
        self._finish(model, task, began, records=list(records), measures=measures, settings=settings)

    def _bits_per_byte(self, model: _Model, loaded: LoadedCandidate, task: TextTask) -> None:
        began = datetime.now(UTC)
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
            self._events.progress(Progress(model=model.name, task=task.name, done=done, total=total))
        if not records:
            raise UnusableOrder(f"{', '.join(file.path for file in task.files)} holds no text to predict")
        settings: dict[str, object] = {"window": scorer.window, "overlap": scorer.overlap, "bytes": task.bytes}
        measures = bits_per_byte_measures(records)
        self._finish(model, task, began, records=list(records), measures=measures, settings=settings)

    def _counter(self, model: _Model, task: Task, total: int) -> Callable[[], None]:
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            self._events.progress(Progress(model=model.name, task=task.name, done=done, total=total))

        return count

    def _finish(
        self,
        model: _Model,
        task: Task,
        began: datetime,
        *,
        records: list[Record],
        measures: dict[str, Measure],
        settings: dict[str, object] | None = None,
    ) -> None:
        files = (
            source_files([Path(file.path) for file in task.files]) if isinstance(task, TextTask) else [Path(task.data)]
        )
        data = file_sha256s(files)
        self._evaluations += 1
        name = f"evaluation-{self._evaluations:03}.json"
        candidate = model.candidate
        evaluation = Evaluation(
            model=model.name,
            source=candidate.path if isinstance(candidate, LocalCandidate) else candidate.url,
            model_sha256=model.sha256,
            step=model.step,
            language=None if isinstance(task, TextTask) else task.language,
            task=task.name,
            definition=msgspec.to_builtins(task),
            task_sha256=task_sha256(task, data),
            data=data,
            limit=self._order.limit,
            settings=settings or {},
            device=model.device,
            versions={"aquilon": aquilon.__version__, "torch": str(torch.__version__)},
            began=began.isoformat(timespec="seconds"),
            seconds=(datetime.now(UTC) - began).total_seconds(),
            measures=measures,
            records=records,
        )
        write_evaluation(self._folder / name, evaluation)
        self._events.write(Measured(model=model.name, task=task.name, file=name))


def bits_per_byte_measures(records: list[TextRecord]) -> dict[str, Measure]:
    """Over everything; where there are several files, for each language, and each file of a language with others."""
    files: dict[str | None, set[str]] = {}
    for record in records:
        files.setdefault(record.language, set()).add(record.file)
    groups: dict[str, list[TextRecord]] = {"": records}
    if len({record.file for record in records}) > 1:
        for record in records:
            names = [] if record.language is None else [record.language]
            if record.language is None or len(files[record.language]) > 1:
                names.append(Path(record.file).name)
            for name in names:
                groups.setdefault(f"/{name}", []).append(record)
    return {
        f"bits_per_byte{name}": ratio([record.bits for record in group], [record.bytes for record in group])
        for name, group in groups.items()
    }
