"""The folder of a run: its job, its files, and a process that checks them before anything is trained."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from aquilon.jobs.fine_tuning.hyperparameters import Hyperparameters, Method, training_job
from aquilon.jobs.fine_tuning.process import politely
from aquilon.training.protocol import UNUSABLE, process_environment, write_job
from aquilon.wording import counted

if TYPE_CHECKING:
    from aquilon.training.validation import Check

_CHECKED = "checked.json"
_SHOWN = 5
_SECONDS = 2 * 3600


@dataclass(frozen=True, kw_only=True)
class Source:
    """One of a job's files."""

    file_id: str
    path: Path
    field: str
    """The field of the request that names it."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a run is made of."""

    method: Method
    numbers: Hyperparameters
    model: Path
    training: Sequence[Source]
    validation: Sequence[Source]
    seed: int


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """How much a run has to learn from, and what it will take."""

    examples: int
    tokens: int
    """Of all examples."""
    trained_tokens: int
    """Of all steps together, those that the model learns to write."""
    steps: int | None
    step_tokens: int
    seconds: float
    memory_bytes: int


class Unusable(ValueError):
    """The job can't be trained; the message names a file's first lines that can't be learnt from."""

    def __init__(self, message: str, *, field: str, code: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code


async def prepare_run(folder: Path, order: Order) -> Amount:
    """Make the run's folder and check its files; at once if that was done before. Raises Unusable."""
    checked = folder / _CHECKED
    with suppress(FileNotFoundError, msgspec.DecodeError):
        return msgspec.json.decode(checked.read_bytes(), type=Amount)
    data, validation = await asyncio.to_thread(_link_all, folder, order)

    def write(*, step_tokens: int | None = None, learning_rate: float | None = None) -> None:
        job = training_job(
            order.method,
            order.numbers,
            model=order.model,
            data=data,
            validation=validation,
            seed=order.seed,
            step_tokens=step_tokens,
            learning_rate=learning_rate,
        )
        write_job(folder, job)

    write()
    check = await _checked(folder, order)
    if not check.is_usable or check.estimate is None:
        raise _refused(check, order)
    numbers, statistics = order.numbers, check.statistics
    step_tokens = rate = None
    if numbers.batch_size is not None:
        step_tokens = max(1, numbers.batch_size * math.ceil(statistics.tokens / statistics.lines))
    if numbers.learning_rate_multiplier is not None:
        rate = check.estimate.learning_rate * numbers.learning_rate_multiplier
    steps = check.estimate.steps
    if step_tokens is not None or rate is not None:
        write(step_tokens=step_tokens, learning_rate=rate)
    if step_tokens is not None and numbers.steps is None:
        steps = max(1, math.ceil(numbers.read_times(order.method) * statistics.tokens / step_tokens))
    step_tokens = step_tokens or check.estimate.step_tokens
    times = numbers.read_times(order.method)
    if numbers.steps is not None:
        times = numbers.steps * step_tokens / max(1, statistics.tokens)
    amount = Amount(
        examples=statistics.lines,
        tokens=statistics.tokens,
        trained_tokens=math.ceil(times * statistics.trained_tokens),
        steps=steps,
        step_tokens=step_tokens,
        seconds=check.estimate.seconds,
        memory_bytes=check.estimate.memory_bytes,
    )
    partial = checked.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(amount))
    partial.replace(checked)
    return amount


def _link_all(folder: Path, order: Order) -> tuple[list[Path], list[Path]]:
    """The files in the run's folder, where they stay while it needs them. Raises Unusable for one that is gone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [_linked(folder, source) for source in order.training], [
        _linked(folder, source) for source in order.validation
    ]


def _linked(folder: Path, source: Source) -> Path:
    target = folder / f"{source.file_id}.jsonl"
    target.unlink(missing_ok=True)
    try:
        os.link(source.path, target)
    except FileNotFoundError:
        message = f"The file '{source.file_id}' is gone"
        raise Unusable(message, field=source.field, code="file_not_found") from None
    except OSError:  # another disk
        shutil.copyfile(source.path, target)
    return target


async def _checked(folder: Path, order: Order) -> Check:
    process = await asyncio.create_subprocess_exec(
        *politely(),
        sys.executable,
        "-P",
        "-m",
        "aquilon.jobs.fine_tuning.checking",
        str(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=process_environment(),
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError:
        message = f"The files take longer than {_SECONDS // 3600} hours to check: train on fewer examples"
        raise Unusable(message, field=order.training[0].field, code="file_too_large") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    last = (errors.decode(errors="replace").strip().splitlines() or [""])[-1]
    if process.returncode == UNUSABLE:
        raise Unusable(f"The model can't be fine-tuned: {last}", field="model", code="model_not_available")
    if process.returncode:
        message = f"The files can't be checked: {last[:500] or f'the process ended with {process.returncode}'}"
        raise Unusable(message, field=order.training[0].field, code="check_failed")
    from aquilon.training.validation import Check  # loads tokenizers: only where somebody trains

    return msgspec.json.decode(output, type=Check)


def _refused(check: Check, order: Order) -> Unusable:
    from aquilon.training.validation import faults

    by_name = {f"{source.file_id}.jsonl": source for source in (*order.training, *order.validation)}
    with_sources = [(fault, by_name.get(Path(fault.path).name, order.training[0])) for fault in faults(check.problems)]
    first = with_sources[0][1] if with_sources else order.training[0]
    shown = [fault for fault, source in with_sources if source is first][:_SHOWN]
    more = check.problem_count - sum(fault.count for fault in shown)
    others = f"; and {counted(more, 'other problem')}" if more > 0 else ""
    words = "; ".join(f"{fault.place}: {fault.message}" if fault.place else fault.message for fault in shown)
    message = f"The file '{first.file_id}' can't be learnt from: {words or 'it has no examples'}{others}"
    return Unusable(message, field=first.field, code="invalid_training_file")
