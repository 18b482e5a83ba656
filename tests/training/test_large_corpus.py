"""A run's memory and its start don't grow with its corpus."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.support.training_runs import TrainingProcess, takes_step, tiny_job, training
from tests.support.training_texts import write_corpus, write_tokenizer

from aquilon.training.history import EventReader
from aquilon.training.protocol import Prepared, Pretrain, Started, Training

pytestmark = pytest.mark.slow

_MEGABYTES = 15, 150


def anonymous_megabytes(process: TrainingProcess) -> float:
    """Memory that is the process' own: pages of mapped files don't count, since the system drops them at will."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[Pretrain]:
    """The same run on a corpus and on one ten times as large, both by repetition."""
    folder = tmp_path_factory.mktemp("large")
    text = write_corpus(folder / "text.txt", words=200_000).read_bytes() + b"\n"
    tokenizer = write_tokenizer(folder / "tokenizer")
    jobs = []
    for megabytes in _MEGABYTES:
        path = folder / f"{megabytes}.txt"
        with path.open("wb") as corpus:
            for _ in range(megabytes * 1_000_000 // len(text)):
                corpus.write(text)
        jobs.append(tiny_job(path, tokenizer, Training(steps=100_000, checkpoint_steps=20, validation_steps=100_000)))
    return jobs


@pytest.mark.timeout(1800)
def test_ten_times_the_text_takes_no_more_memory(jobs: list[Pretrain], tmp_path: Path) -> None:
    """And a resumed run, which tokenizes nothing, takes no more than that, whatever its corpus."""
    memory: list[float] = []
    for number, job in enumerate(jobs):
        run = tmp_path / str(number)
        with training(run, job) as process:
            process.wait_until(takes_step(run, 25), seconds=1700)
            memory.append(anonymous_megabytes(process))
    assert memory[1] < memory[0] + 100, "what it tokenizes at once is bounded"
    events = EventReader(tmp_path / "1").read()
    tokenized = [event for event in events if isinstance(event, Prepared)]
    assert tokenized[-1].bytes == tokenized[-1].total_bytes >= 149e6

    reader = EventReader(tmp_path / "1")
    reader.read()
    with TrainingProcess(tmp_path / "1") as process:
        began = time.time()
        events = []

        def has_started() -> bool:
            events.extend(reader.read())
            return any(isinstance(event, Started) for event in events)

        process.wait_until(has_started)
        process.wait_until(takes_step(tmp_path / "1", 25))
        resumed = anonymous_megabytes(process)
    started = next(event for event in events if isinstance(event, Started))
    print(f"{memory[0]:.0f} MB small, {memory[1]:.0f} MB large, {resumed:.0f} MB resumed, {started.time - began:.1f} s")
    assert resumed < memory[0] + 50
