"""Fine-tuning jobs in OpenAI's contract: what is asked, and what is answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from pydantic import Field

from aquilon.api.jobs.openai_batches import BatchMetadata
from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import ApiError, invalid
from aquilon.jobs.fine_tuning.hyperparameters import Hyperparameters, Method
from aquilon.jobs.fine_tuning.jobs import NewJob
from aquilon.jobs.fine_tuning.result import model_name
from aquilon.jobs.fine_tuning.tables import FineTuningEvent, FineTuningJob

Auto = Literal["auto"]

REINFORCEMENT = (
    "Reinforcement fine-tuning isn't there yet: graders judge answers that the model generates while it trains, and "
    "the training process generates none. Use the method 'supervised' or 'dpo'"
)
INTEGRATIONS = (
    "There are no integrations: this server sends metrics nowhere. The job's events and its result file have them"
)
_STATUSES = {
    "validated": "queued",
    "pausing": "running",
    "cancelling": "cancelled",
}
"""For those of our statuses that OpenAI's contract doesn't have."""


class OpenAIHyperparameters(Fields):
    n_epochs: int | Auto = Field("auto", description="How often the file is read, 1 to 50.")
    batch_size: int | Auto = Field("auto", description="Examples of a step, 1 to 256.")
    learning_rate_multiplier: float | int | Auto = Field("auto", description="Of the usual rate, 0.001 to 100.")

    def numbers(self, param: str) -> dict[str, Any]:
        """Raises ApiError 400 for a number out of range."""
        return {
            "epochs": _in_range(self.n_epochs, 1, 50, f"{param}.n_epochs"),
            "batch_size": _in_range(self.batch_size, 1, 256, f"{param}.batch_size"),
            "learning_rate_multiplier": _in_range(
                self.learning_rate_multiplier, 0.001, 100, f"{param}.learning_rate_multiplier"
            ),
        }


class OpenAIDpoHyperparameters(OpenAIHyperparameters):
    beta: float | int | Auto = Field("auto", description="How near the model is kept to its base, 0.001 to 2.")

    def numbers(self, param: str) -> dict[str, Any]:
        return super().numbers(param) | {"beta": _in_range(self.beta, 0.001, 2, f"{param}.beta")}


class OpenAISupervised(Fields):
    hyperparameters: OpenAIHyperparameters | None = None


class OpenAIDpo(Fields):
    hyperparameters: OpenAIDpoHyperparameters | None = None


class OpenAIMethod(Fields):
    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: OpenAISupervised | None = None
    dpo: OpenAIDpo | None = None
    reinforcement: dict[str, Any] | None = Field(None, description="Not supported yet.")


class OpenAIFineTuningRequest(Fields):
    model: str = Field(min_length=1, max_length=256, description="A chat model in this server's store.")
    training_file: str = Field(min_length=1, max_length=100, description="A file of purpose `fine-tune`.")
    validation_file: str | None = Field(None, max_length=100)
    method: OpenAIMethod | None = None
    hyperparameters: OpenAIHyperparameters | None = Field(None, description="The former place of the method's.")
    suffix: str | None = Field(None, max_length=64, description="A part of the new model's name.")
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    metadata: BatchMetadata | None = None
    integrations: list[Any] | None = Field(None, max_length=10, description="Not supported.")

    def new_job(self) -> NewJob:
        """Raises ApiError 400 for what is not supported and for numbers out of range."""
        if self.integrations:
            raise invalid(INTEGRATIONS, param="integrations", code="unsupported")
        kind = "supervised" if self.method is None else self.method.type
        if kind == "reinforcement":
            raise invalid(REINFORCEMENT, param="method", code="unsupported")
        method: Method = "dpo" if kind == "dpo" else "supervised"
        own = None
        if self.method is not None:
            part = self.method.dpo if method == "dpo" else self.method.supervised
            own = None if part is None else part.hyperparameters
        former = {} if self.hyperparameters is None else self.hyperparameters.numbers("hyperparameters")
        numbers = former | ({} if own is None else own.numbers(f"method.{method}.hyperparameters"))
        return NewJob(
            contract="openai",
            model=self.model,
            method=method,
            training_file_ids=[self.training_file],
            validation_file_ids=[] if self.validation_file is None else [self.validation_file],
            numbers=Hyperparameters(**numbers),
            suffix=self.suffix or None,
            seed=self.seed,
            metadata=self.metadata,
        )


class FineTuningError(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str
    param: str | None


class OpenAINumbers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    n_epochs: int | float | Auto
    batch_size: int | Auto
    learning_rate_multiplier: float | Auto
    beta: float | Auto | None = None


class OpenAIMethodNumbers(msgspec.Struct, frozen=True, kw_only=True):
    hyperparameters: OpenAINumbers


class OpenAIMethodBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: Method
    supervised: OpenAIMethodNumbers | None = None
    dpo: OpenAIMethodNumbers | None = None


class OpenAIFineTuningJob(msgspec.Struct, frozen=True, kw_only=True):
    """A fine-tuning job in OpenAI's contract. From ``stage`` on the fields are ours."""

    id: str
    object: str = "fine_tuning.job"
    model: str
    created_at: int
    finished_at: int | None
    estimated_finish: int | None
    fine_tuned_model: str | None
    organization_id: str
    result_files: list[str]
    status: str
    training_file: str
    validation_file: str | None
    hyperparameters: OpenAINumbers
    method: OpenAIMethodBody
    trained_tokens: int | None
    error: FineTuningError | None
    integrations: list[str] = []
    seed: int
    suffix: str | None
    metadata: dict[str, str] | None
    stage: str
    """The status in full: also validated, pausing, paused and cancelling."""
    training_files: list[str]
    validation_files: list[str]
    step: int
    steps: int | None
    examples: int | None
    estimated_tokens: int | None
    """How many tokens it will train on; None before its files are validated."""
    estimated_cost_microcents: int | None
    cost_microcents: int | None
    """What it cost; None before it has ended."""


class OpenAIFineTuningEvent(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "fine_tuning.job.event"
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, Any] | None


class CheckpointMetrics(msgspec.Struct, frozen=True, kw_only=True):
    step: int
    train_loss: float | None
    valid_loss: float | None
    full_valid_loss: float | None


class OpenAICheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuning_job_id: str
    fine_tuned_model_checkpoint: str
    """A name for it. Only the finished model answers requests."""
    step_number: int
    metrics: CheckpointMetrics


def openai_job(job: FineTuningJob) -> OpenAIFineTuningJob:
    numbers = msgspec.convert(job.hyperparameters, type=Hyperparameters)
    method: Method = "dpo" if job.method == "dpo" else "supervised"
    own = OpenAINumbers(
        n_epochs=_plain(numbers.epochs),
        batch_size=numbers.batch_size or "auto",
        learning_rate_multiplier=numbers.learning_rate_multiplier or "auto",
        beta=(numbers.beta or "auto") if method == "dpo" else None,
    )
    error = None
    if job.problem is not None:
        error = FineTuningError(code=job.problem_code or "failed", message=job.problem, param=job.problem_field)
    part = OpenAIMethodNumbers(hyperparameters=own)
    return OpenAIFineTuningJob(
        id=job.id,
        model=job.base,
        created_at=job.created_at,
        finished_at=job.ended_at,
        estimated_finish=_estimated_finish(job),
        fine_tuned_model=job.fine_tuned_model,
        organization_id=job.organization_id,
        result_files=[] if job.result_file_id is None else [job.result_file_id],
        status=_STATUSES.get(job.status, job.status),
        training_file=job.training_file_ids[0],
        validation_file=job.validation_file_ids[0] if job.validation_file_ids else None,
        hyperparameters=own,
        method=OpenAIMethodBody(type="dpo", dpo=part)
        if method == "dpo"
        else OpenAIMethodBody(type="supervised", supervised=part),
        trained_tokens=None if job.ended_at is None else job.trained_tokens,
        error=error,
        seed=job.seed,
        suffix=job.suffix,
        metadata=job.job_metadata,
        stage=job.status,
        training_files=job.training_file_ids,
        validation_files=job.validation_file_ids,
        step=job.step,
        steps=job.steps,
        examples=job.examples,
        estimated_tokens=job.estimated_tokens,
        estimated_cost_microcents=job.estimated_cost,
        cost_microcents=job.cost,
    )


def openai_event(event: FineTuningEvent) -> OpenAIFineTuningEvent:
    data = event.data
    if event.kind == "checkpoint":  # a server of before recorded the figures alone
        data = {"code": "checkpoint", "step": event.step, **data}
    return OpenAIFineTuningEvent(
        id=event_id("ftevent", event),
        created_at=event.created_at,
        level=event.level,  # type: ignore[arg-type]  # the table's own check
        message=event.message,
        type="metrics" if event.kind == "metrics" else "message",
        data=data or None,
    )


def openai_checkpoint(event: FineTuningEvent, job: FineTuningJob, organization: str) -> OpenAICheckpoint:
    step = event.step or 0
    return OpenAICheckpoint(
        id=event_id("ftckpt", event),
        created_at=event.created_at,
        fine_tuning_job_id=job.id,
        fine_tuned_model_checkpoint=f"{job.fine_tuned_model or model_name(job, organization)}:ckpt-step-{step}",
        step_number=step,
        metrics=CheckpointMetrics(
            step=step,
            train_loss=event.data.get("train_loss"),
            valid_loss=event.data.get("valid_loss"),
            full_valid_loss=event.data.get("valid_loss"),
        ),
    )


def event_id(kind: str, event: FineTuningEvent) -> str:
    return f"{kind}_{event.job_id}_{event.number:08d}"


def event_number(id_: str, param: str) -> int:
    """The number in an event's or a checkpoint's id. Raises ApiError 400."""
    digits = id_.rpartition("_")[2]
    if not digits.isdecimal() or len(digits) > 18:
        raise invalid(f"{param} is '{id_[:100]}'; it must be the id of the last entry of the page before", param=param)
    return int(digits)


def metadata_filter(query: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """The filter ``metadata[k]=v``, and whether jobs without metadata are asked for (``metadata=null``)."""
    wanted = {
        name[len("metadata[") : -1]: value
        for name, value in query.items()
        if name.startswith("metadata[") and name.endswith("]")
    }
    return wanted, query.get("metadata") == "null"


def _estimated_finish(job: FineTuningJob) -> int | None:
    if job.status != "running" or job.started_at is None or not job.step or not job.steps:
        return None
    now = int(time.time())
    return now + round((now - job.started_at) * (job.steps - job.step) / job.step)


def _in_range(value: float | Auto, least: float, most: float, param: str) -> float | None:
    if value == "auto":
        return None
    if not least <= value <= most:
        raise _out_of_range(param, value, least=least, most=most)
    return value


def _out_of_range(param: str, value: float, *, least: float, most: float) -> ApiError:
    return invalid(
        f"{param} is {value:g}; it must be {least:g} to {most:g}, or 'auto'",
        param=param,
        code="out_of_range",
        values={"field": param, "value": value, "least": least, "most": most},
    )


def _plain(epochs: float | None) -> int | float | Auto:
    if epochs is None:
        return "auto"
    return int(epochs) if epochs == int(epochs) else epochs
