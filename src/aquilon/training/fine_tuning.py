"""A fine-tuning run: from a model and conversations to a model, or an adapter, that has learnt them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import torch

from aquilon.training.batch import Batch, samples
from aquilon.training.conversations.base import Base, open_base
from aquilon.training.conversations.preparing import (
    PreparedData,
    conversation_documents,
    pair_documents,
    prepare,
)
from aquilon.training.data.rows import Mixture, PackedRows, PairRows, Rows, Weighted
from aquilon.training.data.shards import Shard
from aquilon.training.devices import Device
from aquilon.training.dpo import PreferenceLoss, reference_log_probabilities
from aquilon.training.first_rank import PreparationReport, first_rank_first
from aquilon.training.loading import load_trainable
from aquilon.training.objective import LossModel, NextToken, Objective
from aquilon.training.optimizers import build_optimizers
from aquilon.training.parallelize import Forward, parallelize
from aquilon.training.prepared_run import PreparedRun
from aquilon.training.protocol import DATA, Dpo, EventLog, Sft, UnusableJob
from aquilon.training.release import require_releasable
from aquilon.training.trainer import Plan, Trainer, Validation
from aquilon.training.tuning_sizes import flops_per_token, tuning_sizes
from aquilon.wording import counted


def fine_tuning(
    run: Path, job: Sft | Dpo, *, device: Device, log: EventLog | None, stop: Callable[[], bool]
) -> PreparedRun:
    """Prepare the data, load the model, and return what trains it, with the model itself.

    Raises UnusableJob, UnreadableSource and ChangedData for a job whose model or data can't be used.
    """
    base = open_base(Path(job.model), context=job.context)
    if job.lora is None:
        require_releasable(base.checkpoint)
    architecture = base.checkpoint.architecture
    data = _prepared(run, job, base, device=device, log=log, stop=stop)
    shard = data.training
    sizes = tuning_sizes(
        job,
        architecture,
        tokens=len(shard),
        longest=shard.longest_document,
        rows=shard.description.documents // 2 if isinstance(job, Dpo) else None,
        context=base.context,
    )
    if sizes.rows_per_step % device.ranks:
        raise UnusableJob(
            f"a step has {counted(sizes.rows_per_step, 'row')} of {sizes.row_tokens} tokens: {device.ranks} ranks "
            "can't share them evenly. Fewer ranks, or more tokens a step (--batch-tokens)"
        )
    training = msgspec.structs.replace(job.training, optimizer=job.training.optimizer or "adamw")
    objective: Objective = PreferenceLoss(job.beta) if isinstance(job, Dpo) else NextToken(training.z_loss)
    transformer = load_trainable(base.checkpoint, lora=job.lora, seed=training.seed, device=device)
    model = LossModel(transformer, objective, device.dtype)
    forward = parallelize(model, device, training)

    def rows_of(shard: Shard, row_tokens: int) -> Rows:
        if isinstance(job, Sft):
            return PackedRows(shard, row_tokens)
        path = run / DATA / f"{shard.folder.name}-references.bin"
        return PairRows(shard, reference_log_probabilities(path, shard, forward, device))

    rows = rows_of(shard, sizes.row_tokens)
    held_back = None if data.validation is None else rows_of(data.validation, base.context)
    trainer = Trainer(
        run,
        model=model,
        forward=forward,
        optimizers=build_optimizers(model.named_parameters(), training, sizes.learning_rate),
        rows=Mixture([Weighted(rows, 1.0)], seed=training.seed),
        validate=None if held_back is None else _validation(forward, held_back, device),
        plan=Plan(
            rows_per_step=sizes.rows_per_step,
            batch_tokens=sizes.rows_per_step * sizes.row_tokens,
            steps=sizes.steps(job, len(rows)),
            learning_rate=sizes.learning_rate,
            flops_per_token=flops_per_token(job, architecture, sizes.row_tokens),
        ),
        training=training,
        device=device,
        log=log,
        stop=stop,
    )
    return PreparedRun(
        job=job,
        trainer=trainer,
        transformer=transformer,
        base=base.checkpoint,
        base_files=tuple(data.base_files),
    )


def _prepared(
    run: Path, job: Sft | Dpo, base: Base, *, device: Device, log: EventLog | None, stop: Callable[[], bool]
) -> PreparedData:
    """The encoded data. The first rank encodes, the others wait."""
    return first_rank_first(
        device,
        lambda: prepare(
            run / DATA,
            base=base,
            data=[Path(path) for path in job.data],
            validation=[Path(path) for path in job.validation],
            encode=conversation_documents if isinstance(job, Sft) else pair_documents,
            report=PreparationReport(log, stop),
        ),
    )


def _validation(forward: Forward, rows: Rows, device: Device) -> Callable[[], Validation]:
    """Measures the loss on all of these rows; each rank computes as many, since all compute together."""
    own = [rows.row(index) for index in range(device.rank, len(rows), device.ranks)]
    spare = [rows.row(0)] * (-(-len(rows) // device.ranks) - len(own))

    @torch.no_grad()
    def validate() -> Validation:
        totals: dict[str, float] = {}
        for row in own:
            _, sums = forward(Batch.of([row], device.device))
            for name, part in sums.items():
                totals[name] = totals.get(name, 0.0) + float(part)
        for row in spare:
            totals = dict.fromkeys(forward(Batch.of([row], device.device))[1], 0.0) | totals
        values = torch.tensor([float(samples(own)), *totals.values()], dtype=torch.float64)
        if device.ranks > 1:
            shared = values.to(device.device)
            torch.distributed.all_reduce(shared)
            values = shared.cpu()
        count, *means = values.tolist()
        metrics = {name: value / max(1.0, count) for name, value in zip(totals, means, strict=True)}
        return Validation(loss=metrics.pop("loss"), metrics=metrics)

    return validate
