"""Cleans sources into a folder: plans, runs the passes, and puts the result in its place.

```
DIR/plan.json                     sources and options; another plan is refused
DIR/text/part-00000.jsonl.zst     the result: text, language, source, id
DIR/rejects/STAGE.jsonl.zst       what a stage rejected, with the reason
DIR/report.json, report.html
DIR/work/                         what the passes have done so far; gone in the end
```
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from aquilon.training.data.cleaning.addresses import write_listed
from aquilon.training.data.cleaning.contamination import EvaluationSets
from aquilon.training.data.cleaning.duplicates import SIGNATURE, verdicts
from aquilon.training.data.cleaning.lines import frequent_keys, least_documents
from aquilon.training.data.cleaning.passes import (
    FIRST,
    SECOND,
    THIRD,
    Batch,
    Setting,
    finish_chunk,
    identify_chunk,
    judge_chunk,
)
from aquilon.training.data.cleaning.records import STAGES, Reject, StageCount, Text
from aquilon.training.data.cleaning.report import CleaningReport, report_html
from aquilon.training.data.cleaning.workers import Task, Workers
from aquilon.training.data.documents import Document, UnreadableSource, read_documents, source_files

REPORT, TEXT = "report.json", "text"
_METHOD = 1
_PIECE_BYTES = 2**14
"""Of a text file, so much counts as a document, cut at an end of a line."""

_BATCH_BYTES = 4 * 2**20
_PART_BYTES = 256 * 2**20

Progress = Callable[[str, int, int], None]
"""Is told of the pass (``identify``, ``judge``, ``finish``), and of bytes or chunks done and in all."""


class CleaningRefused(ValueError):
    """Text that can't be cleaned into this folder; the message says why, and what would be right."""


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    bytes: int
    modified: int
    """Nanoseconds since 1970."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What ``plan.json`` says: with it, the same command goes on or knows that all is done."""

    method: int
    files: list[PlannedFile]
    languages: list[str]
    against: list[PlannedFile]


def clean(
    sources: Sequence[Path],
    out: Path,
    *,
    languages: Sequence[str] = (),
    against: Sequence[Path] = (),
    workers: int,
    progress: Progress,
) -> CleaningReport:
    """Clean the sources' text; the same call again goes on where it was stopped, and does nothing once all is done.

    With ``languages``, text in others is rejected. ``against``: evaluation sets of which nothing may remain. Raises
    CleaningRefused and UnreadableSource.
    """
    files = source_files(sources)
    plan = Plan(
        method=_METHOD,
        files=[_planned(path) for path in files],
        languages=list(languages),
        against=[_planned(path) for path in against],
    )
    _require_place(out, plan)
    if (out / REPORT).exists():
        return msgspec.json.decode((out / REPORT).read_bytes(), type=CleaningReport)
    EvaluationSets(against)  # refused now, not after hours
    with _locked(out), Workers(workers).closing() as pool:
        work = out / "work"
        work.mkdir(exist_ok=True)
        setting = Setting(work=work, languages=tuple(languages), against=tuple(path.resolve() for path in against))
        chunks = _identify(setting, files, pool=pool, progress=progress)
        _find_lines(setting, chunks)
        _each_chunk(setting, SECOND, chunks, pool=pool, progress=progress)
        firsts = _find_duplicates(setting, chunks)
        _each_chunk(setting, THIRD, chunks, pool=pool, progress=progress, firsts=firsts, names=[str(f) for f in files])
        return _put_in_place(out, setting, chunks, report=_report(setting, chunks, sources, plan))


def _require_place(out: Path, plan: Plan) -> None:
    """Write the plan into a new or empty folder, or find the same there."""
    path = out / "plan.json"
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise CleaningRefused(f"{out} holds something else already: name another --out")
        if not sum(file.bytes for file in plan.files):
            raise CleaningRefused("the sources hold no text: their files are empty")
        out.mkdir(parents=True, exist_ok=True)
        partial = out / "plan.json.partial"
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(plan)))
        partial.rename(path)
        return
    before = msgspec.json.decode(path.read_bytes(), type=Plan)
    for name, what in (("files", "sources"), ("languages", "languages"), ("against", "evaluation sets")):
        if getattr(before, name) != getattr(plan, name):
            raise CleaningRefused(f"{out} was begun with other {what}, or they have changed: name another --out")
    if before.method != plan.method:
        raise CleaningRefused(f"{out} was begun by another version of Aquilon: name another --out")


def _planned(path: Path) -> PlannedFile:
    try:
        stat = path.stat()
    except OSError as error:
        raise UnreadableSource(path, f"can't be read: {error.strerror}") from None
    return PlannedFile(path=str(path.resolve()), bytes=stat.st_size, modified=stat.st_mtime_ns)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    with (out / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CleaningRefused(f"another process is cleaning text into {out}") from None
        yield
        (out / "lock").unlink()


def _identify(setting: Setting, files: Sequence[Path], *, pool: Workers, progress: Progress) -> int:
    """The first pass, reading the sources here; the number of chunks."""
    path = setting.work / "chunks.json"
    if path.exists():
        return int(msgspec.json.decode(path.read_bytes(), type=int))
    total, chunks = sum(file.stat().st_size for file in files), 0

    def tasks() -> Iterator[Task]:
        nonlocal chunks
        for batch, done in _batches(files):
            progress("identify", done, total)
            chunks = batch.number + 1
            if setting.chunk(FIRST, batch.number).is_whole:
                continue
            if not setting.addresses.exists() and any(text.url for text in batch.texts):
                write_listed(setting.addresses)
            yield identify_chunk, (setting, batch), {}

    for _ in pool.run(tasks()):
        pass
    path.write_bytes(msgspec.json.encode(chunks))
    return chunks


def _batches(files: Sequence[Path]) -> Iterator[tuple[Batch, int]]:
    """The sources' documents in batches, the same whenever they are read; with each, the bytes of files before it."""
    batch, done = Batch(0), 0
    problems: list[UnreadableSource] = []
    for number, path in enumerate(files):
        for document in _readable(path, problems):
            text = _text(document, number)
            batch.texts.append(text)
            batch.bytes += len(text.text)
            if batch.bytes >= _BATCH_BYTES:
                batch.problems = [_rejected(problem) for problem in problems]
                problems.clear()
                yield batch, done
                batch = Batch(batch.number + 1)
        done += path.stat().st_size
    if batch.texts or problems or not batch.number:
        batch.problems = [_rejected(problem) for problem in problems]
        yield batch, done


def _readable(path: Path, problems: list[UnreadableSource]) -> Iterator[Document]:
    """A file's documents; what can't be read of it, be it the rest of a damaged file, is added to the problems."""
    try:
        yield from read_documents(path, refuse=problems.append, piece_bytes=_PIECE_BYTES)
    except UnreadableSource as problem:
        problems.append(problem)


def _rejected(problem: UnreadableSource) -> Reject:
    return Reject(reason=problem.problem.partition(":")[0], text=str(problem), source=problem.path.name)


def _text(document: Document, file: int) -> Text:
    fields = document.fields
    source, url, own_id = (fields.get(name) for name in ("source", "url", "id"))
    return Text(
        text=document.text,
        source=source if isinstance(source, str) and source else document.path.name,
        id=str(own_id) if isinstance(own_id, str | int) and own_id != "" else f"{document.path.name}#{document.number}",
        url=url if isinstance(url, str) and url else None,
        file=file,
        number=document.number,
    )


def _find_lines(setting: Setting, chunks: int) -> None:
    if setting.lines.exists():
        return
    parts = [setting.chunk(FIRST, number) for number in range(chunks)]
    documents = sum(part.counts().get("language", StageCount()).documents for part in parts)
    keys = frequent_keys([part.array for part in parts], least=least_documents(documents))
    partial = setting.lines.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, keys)
    partial.rename(setting.lines)


def _find_duplicates(setting: Setting, chunks: int) -> list[int]:
    """Write the verdicts; where each chunk's first one stands among them."""
    files = [setting.chunk(SECOND, number).array for number in range(chunks)]
    sizes = [path.stat().st_size // SIGNATURE.itemsize for path in files]
    if not setting.verdicts.exists():
        partial = setting.verdicts.with_suffix(".partial")
        verdicts(files).tofile(partial)
        partial.rename(setting.verdicts)
    return [sum(sizes[:number]) for number in range(chunks)]


def _each_chunk(
    setting: Setting,
    folder: str,
    chunks: int,
    *,
    pool: Workers,
    progress: Progress,
    firsts: Sequence[int] = (),
    names: Sequence[str] = (),
) -> None:
    """The second or third pass over the chunks that aren't whole yet."""
    left = [number for number in range(chunks) if not setting.chunk(folder, number).is_whole]
    name, done = ("judge" if folder == SECOND else "finish"), chunks - len(left)
    progress(name, done, chunks)

    def tasks() -> Iterator[Task]:
        for number in left:
            if folder == SECOND:
                yield judge_chunk, (setting, number), {}
            else:
                yield finish_chunk, (setting, number), {"first": firsts[number], "names": names}

    for _ in pool.run(tasks()):
        done += 1
        progress(name, done, chunks)


def _report(setting: Setting, chunks: int, sources: Sequence[Path], plan: Plan) -> CleaningReport:
    stages = {name: StageCount() for name in STAGES}
    for number in range(chunks):
        for folder in (FIRST, SECOND, THIRD):
            for name, count in setting.chunk(folder, number).counts().items():
                stages[name].add(count)
    return CleaningReport(
        sources=[str(source) for source in sources],
        languages=plan.languages,
        against=[file.path for file in plan.against],
        files=[],
        stages=stages,
    )


def _put_in_place(out: Path, setting: Setting, chunks: int, *, report: CleaningReport) -> CleaningReport:
    """Join the chunks' files into the result, and remove the work. Killed within, it is done again."""
    texts, rejects = out / TEXT, out / "rejects"
    for folder in (texts, rejects):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    parts: list[Path] = []
    for number in range(chunks):
        chunk = setting.chunk(THIRD, number)
        if "personal" not in chunk.counts():
            continue
        if not parts or parts[-1].stat().st_size >= _PART_BYTES:
            parts.append(texts / f"part-{len(parts):05d}.jsonl.zst")
        _append(parts[-1], chunk.texts)
    for stage in STAGES:
        for folder_name in (FIRST, SECOND, THIRD):
            for number in range(chunks):
                rejected = setting.chunk(folder_name, number).rejects(stage)
                if rejected.exists():
                    _append(rejects / f"{stage}.jsonl.zst", rejected)
    report = msgspec.structs.replace(report, files=[str(part.relative_to(out)) for part in parts])
    (out / "report.html").write_text(report_html(report), encoding="utf-8")
    partial = out / (REPORT + ".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    os.sync()
    partial.rename(out / REPORT)
    shutil.rmtree(setting.work)
    return report


def _append(target: Path, chunk: Path) -> None:
    with target.open("ab") as file, chunk.open("rb") as data:
        shutil.copyfileobj(data, file, 2**20)
