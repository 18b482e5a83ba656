"""The events of a run also for TensorBoard, in RUN/tensorboard, where its package is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from aquilon.training.protocol import Event, EventLog, Failed, Finished, Paused, Saved, Started, Step, Validated

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

TENSORBOARD = "tensorboard"


def event_log(run: Path) -> EventLog:
    """The run's log; with TensorBoard's beside it where that can be written."""
    return _TensorBoardLog(run) if importlib.util.find_spec("tensorboard") is not None else EventLog(run)


class _TensorBoardLog(EventLog):
    """What was written before the last checkpoint is on the disk; what a resumed run takes again replaces the rest."""

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        self._folder = run / TENSORBOARD
        self._writer: SummaryWriter | None = None

    def write(self, event: Event) -> None:
        super().write(event)
        if isinstance(event, Started):
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._folder, purge_step=event.step + 1)
        if self._writer is None:
            return
        for name, value in _scalars(event).items():
            assert isinstance(event, Step | Validated)
            self._writer.add_scalar(name, value, event.step, event.time)
        if isinstance(event, Saved | Paused | Finished | Failed):
            self._writer.flush()


def _scalars(event: Event) -> dict[str, float]:
    """By the names under which TensorBoard shows them."""
    if isinstance(event, Step):
        values = {
            "loss/training": event.loss,
            "learning_rate": event.learning_rate,
            "gradient_norm": event.gradient_norm,
            "tokens_per_second": event.tokens_per_second,
            "utilization": event.utilization,
            **{f"{name}/training": value for name, value in event.metrics.items()},
        }
    elif isinstance(event, Validated):
        values = {
            "loss/validation": event.loss,
            "bits_per_byte/validation": event.bits_per_byte,
            **{f"{name}/validation": value for name, value in event.metrics.items()},
        }
    else:
        return {}
    return {name: value for name, value in values.items() if value is not None}
