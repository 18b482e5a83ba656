"""Starts the training process of a run, shows what it does, and explains how it ended."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import typer

from aquilon.cli.output import err, printable
from aquilon.cli.train.display import Display, LiveDisplay, NoDisplay, PlainDisplay
from aquilon.training.history import EventReader, History
from aquilon.training.locking import holder
from aquilon.training.protocol import (
    DATA,
    FAILED,
    FINISHED,
    JOB,
    MODEL,
    REPORT,
    TOKENIZER,
    UNUSABLE,
    Failed,
    Finished,
    Job,
    Paused,
    UnusableJob,
    process_environment,
    read_job,
    write_job,
)
from aquilon.wording import counted

PAUSED = 130
PROCESS_LOG = "process.log"
"""What the training process writes to standard output and error: warnings, and an error's traceback."""

_SECONDS_BETWEEN_LOOKS = 0.2
_LINES_SHOWN = 12


@contextlib.contextmanager
def refused_with_usage() -> Iterator[None]:
    """A job that can't be used ends the command like a wrong option."""
    try:
        yield
    except UnusableJob as error:
        err().print(f"aquilon: {printable(str(error))}", markup=False)
        raise typer.Exit(UNUSABLE) from None


def begin_or_resume(run: Path, job: Job, *, ranks: int = 1, as_json: bool = False) -> int:
    """Write the job into a new folder, or check that it is the folder's own; then run it. The exit code.

    Raises UnusableJob for another job than the folder's, which is never overwritten once the run trains.
    """
    if (run / JOB).exists():
        before = read_job(run)
        if History.of(run).starts or holder(run) is not None:
            _require_same(run, before=before, job=job)
        elif job != before:  # a command that is corrected after an error
            for derived in (DATA, TOKENIZER):
                shutil.rmtree(run / derived, ignore_errors=True)
            write_job(run, job)
    elif run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise UnusableJob(f"{run} holds something else than a run: --out names a new folder, or a run that goes on")
    else:
        write_job(run, job)
    return run_and_show(run, ranks=ranks, as_json=as_json)


def run_and_show(run: Path, *, ranks: int = 1, as_json: bool = False) -> int:
    """Train until the run's end and show it. 0 finished, 130 paused, 1 failed, 2 unusable.

    The first Ctrl-C pauses: a checkpoint is written. The second kills; the run can be resumed from its last checkpoint.
    """
    with refused_with_usage():
        job = read_job(run)
        history, reader = History(), EventReader(run)
        history.extend(reader.read())
        if (other := holder(run)) is not None:
            way = f"`aquilon train show {shlex.quote(str(run))} --follow` shows it"
            raise UnusableJob(f"{run} is being trained by process {other}: {way}")
    if history.is_finished:
        _explain_end(run, history)
        return FINISHED
    history.end = None
    display = _display(job, as_json=as_json)
    with (run / PROCESS_LOG).open("ab") as log:
        written_before = log.tell()
        process = subprocess.Popen(
            _command(run, ranks),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=process_environment(),
            start_new_session=True,  # so that Ctrl-C reaches us alone, and two of them differ from one
        )
        with _Interrupts(process, run, display, history) as interrupts, display:
            display.begin(history, is_starting=True)
            while True:
                ended = _wait(process)
                for event in reader.read():
                    history.add(event)
                    display.show(event, history)
                if ended:
                    break
    return _exit_code(run, process, history, interrupted=interrupts.count > 0, written_before=written_before)


def follow_run(run: Path, *, as_json: bool = False) -> None:
    """Show a run that another process trains, until that process ends. A program gets all events from the first on."""
    with refused_with_usage():
        job = read_job(run)
    history, reader = History(), EventReader(run)
    if not as_json:
        history.extend(reader.read())
    with _display(job, as_json=as_json) as display:
        display.begin(history, is_starting=False)
        while True:
            is_trained = holder(run) is not None
            for event in reader.read():
                history.add(event)
                display.show(event, history)
            if not is_trained:
                break
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    _explain_end(run, history)


def _command(run: Path, ranks: int) -> list[str]:
    if ranks == 1:
        return [sys.executable, "-m", "aquilon.training.job", str(run)]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    return [*launcher, "-m", "aquilon.training.job", str(run)]


def _wait(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended, after a short while."""
    try:
        process.wait(_SECONDS_BETWEEN_LOOKS)
    except subprocess.TimeoutExpired:
        return False
    return True


class _Interrupts:
    """Passes Ctrl-C and SIGTERM on: the first asks the training to pause, the second kills it."""

    def __init__(self, process: subprocess.Popen[bytes], run: Path, display: Display, history: History) -> None:
        self._process, self._run, self._display, self._history = process, run, display, history
        self.count = 0

    def __enter__(self) -> _Interrupts:
        self._before = {
            number: signal.signal(number, self._pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            return
        saving = "Pausing: a checkpoint is being written. Ctrl-C again ends it without one"
        self._display.note(saving if self._history.starts else "Stopping before the first step")
        with contextlib.suppress(ProcessLookupError):
            # torchrun would give its ranks half a minute; they agree on pausing when one of them is asked
            os.kill(holder(self._run) or self._process.pid, signal.SIGINT)


def _display(job: Job, *, as_json: bool) -> Display:
    if as_json:
        return NoDisplay()
    console = err()
    if console.is_terminal:
        return LiveDisplay(job)
    return PlainDisplay(console, job)


def _require_same(run: Path, *, before: Job, job: Job) -> None:
    if job == before:
        return
    differences = ", ".join(_differences(before, job))
    raise UnusableJob(
        f"{run} was begun with another job, so it doesn't go on: {differences}. Another --out begins a new run"
    )


def _differences(before: object, job: object, place: str = "") -> Iterator[str]:
    import msgspec

    if type(before) is type(job) and isinstance(before, msgspec.Struct):
        for name in before.__struct_fields__:
            yield from _differences(getattr(before, name), getattr(job, name), f"{place}.{name}" if place else name)
    elif isinstance(before, list) and isinstance(job, list) and len(before) == len(job):
        for number, (one, other) in enumerate(zip(before, job, strict=True)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif before != job:
        yield f"{place or 'its kind'} was {_shown(before)} and is now {_shown(job)}"


def _shown(value: object) -> str:
    import msgspec

    if isinstance(value, msgspec.Struct):
        return type(value).__name__.lower()
    return msgspec.json.encode(value).decode()


def _exit_code(
    run: Path, process: subprocess.Popen[bytes], history: History, *, interrupted: bool, written_before: int
) -> int:
    end = history.end
    if end is not None:
        _explain_end(run, history)
    if isinstance(end, Finished):
        return FINISHED
    if isinstance(end, Paused):
        return PAUSED
    if isinstance(end, Failed):
        return UNUSABLE if end.code.startswith("unusable") else FAILED
    if interrupted:  # twice, or before the process had begun
        err().print(f"Stopped. {_resumable(run, history)}", markup=False)
        return PAUSED
    if process.returncode < 0:
        err().print(f"aquilon: {_signal_words(-process.returncode)}. {_resumable(run, history)}", markup=False)
        return FAILED
    with (run / PROCESS_LOG).open("rb") as log:
        log.seek(written_before)
        lines = log.read().decode(errors="replace").strip().splitlines()
    said = "\n".join(lines[-_LINES_SHOWN:]) or f"The training process has ended with {process.returncode}"
    err().print(f"aquilon: {printable(said)}", markup=False)
    return UNUSABLE if process.returncode == UNUSABLE else FAILED


def _explain_end(run: Path, history: History) -> None:
    console, end = err(), history.end
    if isinstance(end, Finished):
        loss = "" if end.loss is None else f", loss {end.loss:.4f}"
        console.print(f"Finished after {counted(end.step, 'step')}{loss}", markup=False)
        for name in (MODEL, REPORT):
            if (run / name).exists():
                console.print(f"{name.removesuffix('.html')}: {run / name}", markup=False)
    elif isinstance(end, Paused):
        when = f"after step {end.step:,}" if history.starts else "before the first step"
        console.print(f"Paused {when}. {next_words(run, history)}", markup=False)
    elif isinstance(end, Failed):
        console.print(f"aquilon: {printable(end.message)}", markup=False)
        if end.code == "internal_error":
            console.print(f"The traceback is in {run / PROCESS_LOG}", markup=False)
        if following := next_words(run, history):
            console.print(following, markup=False)


def _signal_words(number: int) -> str:
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        return (
            f"The training process was killed ({name}): most likely the machine's memory was full, and the system has "
            "ended it. Fewer tokens a row (--context), a smaller model, or --recompute need less"
        )
    return f"The training process was ended by {name}"


def _resumable(run: Path, history: History) -> str:
    if not history.saved:
        return f"There is no checkpoint yet: it begins again. {next_words(run, history)}"
    return f"The last checkpoint is {history.saved[-1].path}. {next_words(run, history)}"


def next_words(run: Path, history: History) -> str:
    """The command to give next; empty for a run that is finished, and for one whose job must be changed first."""
    match history.end:
        case Finished():
            return ""
        case Failed(code="not_finite"):  # the same steps would lead to it again
            return f"`aquilon export {shlex.quote(str(run))} --out DIR` writes the last good checkpoint's model"
        case Failed(code=code) if code.startswith("unusable"):
            return ""
    return f"`aquilon train resume {shlex.quote(str(run))}` goes on"
