"""A run that is ready to be trained: what trains it, and how its result is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.models.transformer import Transformer
from aquilon.training.adapter_release import release_adapter
from aquilon.training.data.preparing import SourceFile
from aquilon.training.protocol import MODEL, Job
from aquilon.training.release import complete, release
from aquilon.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    job: Job
    trainer: Trainer
    transformer: Transformer
    base: Checkpoint | None = None
    """The model that the run began with; None for a new one."""
    base_files: tuple[SourceFile, ...] = ()
    """The base's, as they were when the run began."""

    def release(self, run: Path, *, is_first: bool) -> None:
        """Write the result: a model, or an adapter. All ranks call it."""
        if self.job.lora is None:
            release(run, self.transformer, self.job, is_first=is_first)
        else:
            assert self.base is not None, "a new model has no adapter"
            release_adapter(run, self.transformer, base=self.base, base_files=self.base_files, is_first=is_first)
            if is_first:
                complete(run, run / MODEL, self.job)
