"""What a finished job leaves: a model of its organization's, and a table of its losses."""

from __future__ import annotations

import csv
import io
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from aquilon.catalogue.tables import FineTunedModel
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.fine_tuning.tables import FineTuningEvent, FineTuningJob
from aquilon.jobs.tables import StoredFile
from aquilon.people.secrets import new_id
from aquilon.training.protocol import MODEL

RESULT_PURPOSE = "fine-tune-results"
_COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy")
_MOST_ORGANIZATION = 40
_ID_DIGITS = 8


def model_name(job: FineTuningJob, organization: str) -> str:
    """``ft:BASE:ORGANIZATION:SUFFIX:ID``, as OpenAI's. The suffix may be empty."""
    word = re.sub(r"[^a-z0-9]+", "-", organization.lower()).strip("-")[:_MOST_ORGANIZATION].strip("-") or "organization"
    return f"ft:{job.base}:{word}:{job.suffix or ''}:{job.id[-_ID_DIGITS:]}"


def keep_model(run: Path, job: FineTuningJob, folder: Path) -> Path:
    """Move the run's result among the fine-tuned models, in one rename. A second call finds it there.

    Raises FileNotFoundError if there is no result.
    """
    kept = folder / job.id
    if not kept.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (run / MODEL).rename(kept)
    return kept


def described(job: FineTuningJob, name: str, folder: Path) -> FineTunedModel:
    return FineTunedModel(
        name=name,
        organization_id=job.organization_id,
        base=job.base,
        job_id=job.id,
        folder=folder.name,
        size_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        trained_on=[*job.training_file_ids, *job.validation_file_ids],
        title=None,
        description=None,
        archived=False,
        created_at=int(time.time()),
    )


def write_losses(disk: FilesOnDisk, job: FineTuningJob, metrics: Sequence[FineTuningEvent]) -> StoredFile:
    """Write the losses by step as CSV; the caller stores the row. Raises OSError."""
    by_step: dict[int, dict[str, object]] = {}
    for event in metrics:
        by_step.setdefault(event.step or 0, {}).update(event.data)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([by_step[step].get(name, "") for name in _COLUMNS] for step in sorted(by_step))
    file_id = new_id("file")
    part = disk.begin(job.organization_id, file_id)
    try:
        part.add(text.getvalue().encode())
        part.finish()
    except BaseException:
        part.discard()
        raise
    return StoredFile(
        id=file_id,
        organization_id=job.organization_id,
        workspace_id=job.workspace_id,
        user_id=job.user_id,
        name=f"{job.id}_step_metrics.csv",
        purpose=RESULT_PURPOSE,
        visibility="workspace",
        source="result",
        bytes=part.size,
        lines=None,
        sha256=part.sha256,
        mimetype="text/csv",
        created_at=int(time.time()),
        expires_at=None,
    )


def forget_run(run: Path) -> None:
    """Delete what a run has left: checkpoints, copies of files."""
    shutil.rmtree(run, ignore_errors=True)
