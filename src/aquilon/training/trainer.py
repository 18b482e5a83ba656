"""The training loop, for every kind of job.

A step's rows follow from its number, so a run that goes on from a checkpoint takes the
same steps as one that never stopped, bit for bit on the same number of ranks.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import torch
import torch.distributed as dist
from torch import nn

from aquilon.training import schedule
from aquilon.training.batch import Batch, checksum, micro_batches, samples, trained_tokens
from aquilon.training.checkpoints import (
    CheckpointWriter,
    Progress,
    Trained,
    load_checkpoint,
    whole_checkpoints,
)
from aquilon.training.data.rows import Row
from aquilon.training.devices import Device
from aquilon.training.energy import EnergyMeter, assumed_watts
from aquilon.training.optimizers import set_learning_rate
from aquilon.training.parallelize import Forward, whole
from aquilon.training.protocol import (
    EventLog,
    Finished,
    Paused,
    Saved,
    Started,
    Step,
    Training,
    Validated,
    now,
)

_CHECKPOINT_SECONDS = 300.0
_VALIDATIONS = 20
_LEAST_BETWEEN_VALIDATIONS = 10


class NotFinite(ArithmeticError):
    """A loss or a gradient that is not a number: the step was not taken."""

    def __init__(self, step: int, what: str, checkpoint: str | None) -> None:
        self.step, self.checkpoint = step, checkpoint
        last = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
        super().__init__(
            f"{what} of step {step} is not a number, so the run has stopped; {last}. "
            "A lower learning rate (--learning-rate) usually helps"
        )


class RowSequence(Protocol):
    """An endless sequence of rows."""

    def row(self, index: int) -> Row: ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The numbers of a run."""

    rows_per_step: int
    """A multiple of the number of ranks."""
    batch_tokens: int
    """Tokens of so many full rows."""
    steps: int | None
    """None: ``training.minutes`` decides."""
    learning_rate: float
    flops_per_token: int
    """Forward and backward."""


class Trainer:
    """Takes the steps of one run."""

    def __init__(
        self,
        run: Path,
        *,
        model: nn.Module,
        forward: Forward,
        optimizers: Sequence[torch.optim.Optimizer],
        rows: RowSequence,
        validate: Callable[[], Validation] | None,
        plan: Plan,
        training: Training,
        device: Device,
        log: EventLog | None,
        stop: Callable[[], bool],
    ) -> None:
        """``log`` is None on other ranks than the first. ``stop``: whether the run was asked to pause."""
        self._run, self._model, self._forward = run, model, forward
        self._optimizers, self._rows, self._validate = optimizers, rows, validate
        self._plan, self._training, self._device, self._log, self._stop = plan, training, device, log, stop
        self._steps = plan.steps if plan.steps is not None else _decided_steps(run)
        self._trained = Trained(model, optimizers)
        self._writer = CheckpointWriter(run, keep=training.keep_checkpoints, on_saved=self._on_saved)
        self._progress = Progress(step=0, tokens=0, seconds=0.0, loss=None, validation_loss=None)
        self._saved_step: int | None = None
        self._energy = EnergyMeter(
            gpu=(device.device.index or 0) if device.device.type == "cuda" else None,
            watts=assumed_watts(str(device), 1),
            is_first_on_machine=device.is_first_on_machine,
        )

    def train(self) -> bool:
        """Take all steps that are left. False: the run was paused."""
        checkpoints = whole_checkpoints(self._run)
        if checkpoints:
            self._progress = load_checkpoint(checkpoints[-1], self._trained)
            self._saved_step = self._progress.step
        self._began, self._seconds_before = time.monotonic(), self._progress.seconds
        self._report_start()
        saved_at = self._began
        try:
            while not self._is_done():
                if self._agreed(self._stop()):
                    self._save()
                    self._writer.wait()
                    self._write(Paused(step=self._progress.step, time=now()))
                    return False
                self._step()
                self._decide_end()
                if self._is_validation_due():
                    self._run_validation()
                if self._is_checkpoint_due(saved_at):
                    saved_at = time.monotonic()
                    self._save()
            self._save()
            self._writer.wait()
        finally:
            self._writer.close()
        return True

    @property
    def progress(self) -> Progress:
        return self._progress

    def _step(self) -> None:
        began = time.monotonic()
        plan, ranks = self._plan, self._device.ranks
        step = self._progress.step + 1
        first = (step - 1) * plan.rows_per_step
        rows = [self._rows.row(first + index) for index in range(self._device.rank, plan.rows_per_step, ranks)]
        computed, tokens, data, averaged = self._summed(
            [sum(len(row.token_ids) for row in rows), trained_tokens(rows), checksum(rows), samples(rows)]
        )
        shown: dict[str, float] = {}
        for micro in self._micro_batches(rows):
            loss, sums = self._forward(Batch.of(micro, self._device.device))
            (loss * (ranks / max(1, averaged))).backward()  # type: ignore[no-untyped-call]  # FSDP2 averages over ranks
            for name, part in sums.items():
                shown[name] = shown.get(name, 0.0) + float(part)
        energy = [self._energy.joules(), float(self._energy.is_measured)]
        *totals, joules, measured = self._summed_floats([*shown.values(), *energy])
        metrics = {name: total / max(1, averaged) for name, total in zip(shown, totals, strict=True)}
        norm = float(whole(nn.utils.clip_grad_norm_(self._model.parameters(), self._training.clip)))
        for what, value in (("the loss", metrics["loss"]), ("the gradient", norm)):
            if not math.isfinite(value):
                self._writer.wait()  # the checkpoint before may still be on its way
                last = [str(folder.relative_to(self._run)) for folder in whole_checkpoints(self._run)[-1:]]
                raise NotFinite(step, what, last[0] if last else None)
        rate = plan.learning_rate * schedule.factor(
            step, steps=self._steps, warmup_steps=self._warmup_steps(), decay=self._training.decay
        )
        set_learning_rate(self._optimizers, rate)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()
        seconds = time.monotonic() - began
        self._progress = msgspec.structs.replace(
            self._progress,
            step=step,
            tokens=self._progress.tokens + tokens,
            seconds=self._elapsed(),
            loss=metrics.pop("loss"),
        )
        speed = computed / seconds
        peak = self._device.peak_flops
        self._write(
            Step(
                step=step,
                steps=self._steps,
                loss=self._progress.loss or 0.0,
                learning_rate=rate,
                gradient_norm=norm,
                tokens=self._progress.tokens,
                seconds=seconds,
                tokens_per_second=speed,
                utilization=None if peak is None else speed * plan.flops_per_token / peak,
                joules=joules,
                joules_measured=measured == ranks,
                data=data,
                time=now(),
                metrics=metrics,
            )
        )

    def _micro_batches(self, rows: list[Row]) -> list[list[Row]]:
        """The rows in groups that are computed at once; on each rank as many, since all compute together."""
        groups = list(micro_batches(rows, self._device.device))
        if self._device.ranks > 1:
            most = torch.tensor(len(groups), device=self._device.device)
            dist.all_reduce(most, op=dist.ReduceOp.MAX)
            while len(groups) < int(most):  # rows differ in length, and each rank has as many rows
                longest = max(range(len(groups)), key=lambda index: len(groups[index]))
                group = groups[longest]
                groups[longest : longest + 1] = [group[: len(group) // 2], group[len(group) // 2 :]]
        return groups

    def _is_done(self) -> bool:
        return self._steps is not None and self._progress.step >= self._steps

    def _warmup_steps(self) -> int:
        if self._steps is None or self._training.minutes is not None:
            return 20
        return max(1, round(self._steps * self._training.warmup))

    def _decide_end(self) -> None:
        """A run by minutes decides on its last step when the time has come for the learning rate to fall."""
        minutes = self._training.minutes
        if self._steps is not None or minutes is None:
            return
        share = self._elapsed() / (60 * minutes)
        if self._agreed(share >= 1 - self._training.decay):
            step = self._progress.step
            steps = max(step + 1, round(step / share))
            while (
                steps - math.ceil(steps * self._training.decay) < step
            ):  # the steps so far were taken at the full rate
                steps += 1
            steps = self._agreed_number(steps)
            if self._device.is_first:
                _decide_steps(self._run, steps)
            self._steps = steps

    def _is_validation_due(self) -> bool:
        if self._validate is None:
            return False
        step = self._progress.step
        every = self._training.validation_steps
        if every is None:
            every = max(_LEAST_BETWEEN_VALIDATIONS, self._steps // _VALIDATIONS) if self._steps is not None else 100
        return step % every == 0 or self._is_done()

    def _run_validation(self) -> None:
        assert self._validate is not None
        result = self._validate()
        self._progress = msgspec.structs.replace(self._progress, validation_loss=result.loss)
        self._write(
            Validated(
                step=self._progress.step,
                loss=result.loss,
                bits_per_byte=result.bits_per_byte,
                metrics=result.metrics,
                time=now(),
            )
        )

    def _is_checkpoint_due(self, saved_at: float) -> bool:
        every = self._training.checkpoint_steps
        if every is not None:
            return self._progress.step % every == 0 and not self._is_done()
        return self._agreed(time.monotonic() - saved_at >= _CHECKPOINT_SECONDS)

    def _save(self) -> None:
        if self._saved_step != self._progress.step:
            self._saved_step = self._progress.step
            self._writer.save(self._trained, msgspec.structs.replace(self._progress, seconds=self._elapsed()))

    def _on_saved(self, folder: Path, progress: Progress) -> None:
        self._write(
            Saved(
                step=progress.step,
                path=str(folder.relative_to(self._run)),
                loss=progress.loss,
                validation_loss=progress.validation_loss,
                time=now(),
            )
        )

    def _report_start(self) -> None:
        parameters = list(self._model.parameters())
        self._write(
            Started(
                step=self._progress.step,
                steps=self._steps,
                parameters=sum(parameter.numel() for parameter in parameters),
                trained_parameters=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
                batch_tokens=self._plan.batch_tokens,
                ranks=self._device.ranks,
                device=str(self._device),
                time=now(),
            )
        )

    def finished(self) -> Finished:
        """The event that ends a run."""
        return Finished(
            step=self._progress.step,
            loss=self._progress.loss,
            validation_loss=self._progress.validation_loss,
            trained_tokens=self._progress.tokens,
            seconds=self._elapsed(),
            time=now(),
        )

    def _write(self, event: Started | Step | Validated | Saved | Paused) -> None:
        if self._log is not None:
            self._log.write(event)

    def _elapsed(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    def _summed(self, values: list[int]) -> list[int]:
        """Over all ranks."""
        if self._device.ranks == 1:
            return values
        sums = torch.tensor(values, dtype=torch.int64, device=self._device.device)
        dist.all_reduce(sums)
        return [int(value) for value in sums]

    def _summed_floats(self, values: list[float]) -> list[float]:
        if self._device.ranks == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64, device=self._device.device)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def _agreed(self, wish: bool) -> bool:
        """Whether any rank wishes it: all ranks do the same."""
        return self._summed([int(wish)])[0] > 0

    def _agreed_number(self, number: int) -> int:
        """The first rank's number."""
        return self._summed([number if self._device.is_first else 0])[0]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What was measured on text that isn't trained on."""

    loss: float
    bits_per_byte: float | None = None
    metrics: dict[str, float]


def _decided_steps(run: Path) -> int | None:
    path = run / "steps"
    return int(path.read_text()) if path.is_file() else None


def _decide_steps(run: Path, steps: int) -> None:
    """Durably, before the first step that depends on it: a resumed run must not decide anew."""
    partial = run / "steps.partial"
    with partial.open("w") as file:
        file.write(str(steps))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(run / "steps")
