"""Fine-tuning jobs in Mistral's former contract: what is asked, and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field

from aquilon.api.jobs.openai_batches import BatchMetadata
from aquilon.api.jobs.openai_fine_tuning import INTEGRATIONS
from aquilon.api.listing import ListOf
from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import invalid
from aquilon.jobs.fine_tuning.hyperparameters import Hyperparameters
from aquilon.jobs.fine_tuning.jobs import Estimate, NewJob
from aquilon.jobs.fine_tuning.tables import FineTuningEvent, FineTuningJob

MistralFineTuningStatus = Literal[
    "QUEUED",
    "STARTED",
    "VALIDATING",
    "VALIDATED",
    "RUNNING",
    "FAILED_VALIDATION",
    "FAILED",
    "SUCCESS",
    "CANCELLED",
    "CANCELLATION_REQUESTED",
]
_STATUSES: dict[str, MistralFineTuningStatus] = {
    "validating_files": "VALIDATING",
    "validated": "VALIDATED",
    "queued": "QUEUED",
    "running": "RUNNING",
    "pausing": "RUNNING",
    "paused": "QUEUED",
    "cancelling": "CANCELLATION_REQUESTED",
    "cancelled": "CANCELLED",
    "succeeded": "SUCCESS",
    "failed": "FAILED",
}
_CENT = 10**6
_FileId = Annotated[str, Field(min_length=1, max_length=100)]


class MistralTrainingFile(Fields):
    file_id: _FileId
    weight: float | int = Field(1, description="Only 1 is supported.")


class MistralHyperparameters(Fields):
    training_steps: int | None = Field(None, ge=1, le=1_000_000)
    epochs: float | int | None = Field(None, ge=0.01, le=100)
    learning_rate: float | None = Field(None, ge=1e-8, le=1)
    weight_decay: float | int | None = Field(None, ge=0, le=1)
    warmup_fraction: float | int | None = Field(None, ge=0, le=1)
    seq_len: int | None = Field(None, ge=100, le=2**20)
    fim_ratio: float | int | None = Field(None, ge=0, le=1, description="Only 0 is supported.")


class MistralFineTuningRequest(Fields):
    model: str = Field(min_length=1, max_length=256)
    training_files: list[MistralTrainingFile | _FileId] = Field(min_length=1, max_length=50)
    validation_files: list[_FileId] | None = Field(None, max_length=50)
    hyperparameters: MistralHyperparameters | None = None
    suffix: str | None = Field(None, max_length=64)
    integrations: list[Any] | None = Field(None, max_length=10, description="Not supported.")
    auto_start: bool | None = Field(True, description="Whether training begins once the files are validated.")
    invalid_sample_skip_percentage: float | int | None = Field(None, description="Only 0 is supported.")
    job_type: str | None = Field(None, max_length=50, description="Only `completion` is supported.")
    repositories: list[Any] | None = Field(None, max_length=10, description="Not supported.")
    classifier_targets: list[Any] | None = Field(None, max_length=100, description="Not supported.")
    metadata: BatchMetadata | None = None
    random_seed: int | None = Field(None, ge=0, le=2**31 - 1)

    def new_job(self) -> NewJob:
        """Raises ApiError 400 for what is not supported."""
        numbers = self.hyperparameters or MistralHyperparameters.model_validate({})
        files = [file if isinstance(file, MistralTrainingFile) else None for file in self.training_files]
        for wrong, param, message in (
            (self.integrations, "integrations", INTEGRATIONS),
            (self.repositories, "repositories", "Repositories aren't read: upload files"),
            (
                self.classifier_targets or self.job_type not in (None, "completion"),
                "job_type",
                "Only jobs of the type 'completion' can be trained here: classifiers are not supported",
            ),
            (
                self.invalid_sample_skip_percentage,
                "invalid_sample_skip_percentage",
                "Invalid lines aren't skipped: a job fails with the numbers of its first invalid lines",
            ),
            (numbers.fim_ratio, "hyperparameters.fim_ratio", "Filling gaps isn't trained here: fim_ratio must be 0"),
            (
                any(file is not None and file.weight != 1 for file in files),
                "training_files",
                "Files have no weights here: each of them has the weight 1",
            ),
            (
                numbers.training_steps is not None and numbers.epochs is not None,
                "hyperparameters",
                "training_steps and epochs are both given: one of them says how long to train",
            ),
        ):
            if wrong:
                raise invalid(message, param=param, code="unsupported")
        ids = [file.file_id if isinstance(file, MistralTrainingFile) else file for file in self.training_files]
        return NewJob(
            contract="mistral",
            model=self.model,
            method="supervised",
            training_file_ids=list(dict.fromkeys(ids)),
            validation_file_ids=list(dict.fromkeys(self.validation_files or [])),
            numbers=Hyperparameters(
                steps=numbers.training_steps,
                epochs=numbers.epochs,
                learning_rate=numbers.learning_rate,
                weight_decay=numbers.weight_decay,
                warmup=numbers.warmup_fraction,
                context=numbers.seq_len,
            ),
            suffix=self.suffix or None,
            seed=self.random_seed,
            metadata=self.metadata,
            auto_start=self.auto_start is not False,
        )


class MistralNumbers(msgspec.Struct, frozen=True, kw_only=True):
    training_steps: int | None
    epochs: float | None
    learning_rate: float | UnsetType = UNSET
    """Absent where the program chooses it."""
    weight_decay: float | None
    warmup_fraction: float | None
    seq_len: int | None
    fim_ratio: float = 0.0


class MistralJobMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a job takes and costs, as estimated."""

    object: str = "job.metadata"
    expected_duration_seconds: int | None = None
    cost: float | None
    cost_currency: str
    train_tokens_per_step: int | None
    train_tokens: int | None
    data_tokens: int | None
    estimated_start_time: int | None = None
    training_steps: int | None
    epochs: float | None
    deprecated: bool = True
    details: str = ""


class MistralFineTuningEvent(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    data: dict[str, Any] | None
    created_at: int


class MistralCheckpointMetrics(msgspec.Struct, frozen=True, kw_only=True):
    train_loss: float | None
    valid_loss: float | None
    valid_mean_token_accuracy: float | None = None


class MistralCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    metrics: MistralCheckpointMetrics
    step_number: int
    created_at: int


class MistralFineTuningJob(msgspec.Struct, frozen=True, kw_only=True):
    """A fine-tuning job in Mistral's contract."""

    id: str
    object: str = "job"
    job_type: str = "completion"
    model: str
    status: MistralFineTuningStatus
    auto_start: bool
    created_at: int
    modified_at: int
    training_files: list[str]
    validation_files: list[str]
    hyperparameters: MistralNumbers
    fine_tuned_model: str | None
    suffix: str | None
    integrations: list[str] = []
    repositories: list[str] = []
    trained_tokens: int | None
    metadata: MistralJobMetadata
    events: list[MistralFineTuningEvent] | UnsetType = UNSET
    """Of one job only, the newest first."""
    checkpoints: list[MistralCheckpoint] | UnsetType = UNSET


class MistralFineTuningList(ListOf[MistralFineTuningJob], frozen=True, kw_only=True):
    total: int


def mistral_job(
    job: FineTuningJob,
    currency: str,
    *,
    events: Sequence[FineTuningEvent] | None = None,
    checkpoints: Sequence[FineTuningEvent] = (),
) -> MistralFineTuningJob:
    """With ``events``, in the detail that the answer about one job has."""
    numbers = msgspec.convert(job.hyperparameters, type=Hyperparameters)
    status = _STATUSES[job.status]
    if job.status == "failed" and job.started_at is None:
        status = "FAILED_VALIDATION"
    return MistralFineTuningJob(
        id=job.id,
        model=job.base,
        status=status,
        auto_start=job.auto_start,
        created_at=job.created_at,
        modified_at=job.modified_at,
        training_files=job.training_file_ids,
        validation_files=job.validation_file_ids,
        hyperparameters=MistralNumbers(
            training_steps=numbers.steps or job.steps,
            epochs=numbers.epochs,
            learning_rate=numbers.learning_rate or UNSET,
            weight_decay=numbers.weight_decay,
            warmup_fraction=numbers.warmup,
            seq_len=numbers.context,
        ),
        fine_tuned_model=job.fine_tuned_model,
        suffix=job.suffix,
        trained_tokens=job.trained_tokens or None,
        metadata=MistralJobMetadata(
            cost=_units(job.estimated_cost if job.cost is None else job.cost),
            cost_currency=currency,
            train_tokens_per_step=None,
            train_tokens=job.estimated_tokens,
            data_tokens=job.tokens,
            training_steps=job.steps,
            epochs=numbers.epochs,
        ),
        events=UNSET if events is None else [_event(event) for event in events],
        checkpoints=UNSET if events is None else [_checkpoint(event) for event in checkpoints],
    )


def mistral_estimate(estimate: Estimate, new: NewJob, currency: str) -> MistralJobMetadata:
    return MistralJobMetadata(
        cost=_units(estimate.cost),
        cost_currency=currency,
        expected_duration_seconds=round(estimate.amount.seconds),
        train_tokens_per_step=estimate.amount.step_tokens,
        train_tokens=estimate.amount.trained_tokens,
        data_tokens=estimate.amount.tokens,
        training_steps=estimate.amount.steps,
        epochs=new.numbers.epochs,
        details="An estimate: nothing was created",
    )


def is_mistral(body: Any) -> bool:
    """Whether a decoded body has the form of Mistral's: both vendors post to the same path."""
    return isinstance(body, dict) and "training_files" in body


def statuses_of(name: str) -> tuple[str, ...]:
    """The statuses in the database for one of Mistral's, or one of ours. Raises ApiError 400."""
    ours = tuple(own for own, theirs in _STATUSES.items() if name in (own, theirs))
    if name == "FAILED_VALIDATION":
        return ("failed",)
    if not ours:
        known = ", ".join((*dict.fromkeys(_STATUSES.values()), "FAILED_VALIDATION"))
        raise invalid(f"'{name[:50]}' isn't the status of a fine-tuning job; it must be one of {known}", param="status")
    return ours


def _event(event: FineTuningEvent) -> MistralFineTuningEvent:
    data = {"message": event.message, **event.data} if event.message else event.data
    return MistralFineTuningEvent(name=event.kind, data=data or None, created_at=event.created_at)


def _checkpoint(event: FineTuningEvent) -> MistralCheckpoint:
    metrics = MistralCheckpointMetrics(train_loss=event.data.get("train_loss"), valid_loss=event.data.get("valid_loss"))
    return MistralCheckpoint(metrics=metrics, step_number=event.step or 0, created_at=event.created_at)


def _units(millionths: int | None) -> float | None:
    return None if millionths is None else millionths / (100 * _CENT)
