"""A fine-tuning run: from a model and conversations to a model, or an adapter, that has learnt them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch

from aquilon.checkpoints.weights import load_transformer
from aquilon.models.transformer import Transformer
from aquilon.training.batch import Batch, samples
from aquilon.training.conversations.base import Base, open_base
from aquilon.training.conversations.preparing import conversation_documents, prepare
from aquilon.training.data.rows import Mixture, PackedRows, Rows, Weighted
from aquilon.training.data.shards import Shard
from aquilon.training.devices import Device
from aquilon.training.objective import LossModel, NextToken
from aquilon.training.optimizers import build_optimizers
from aquilon.training.parallelize import Forward, parallelize
from aquilon.training.protocol import DATA, EventLog, Prepared, Sft, now
from aquilon.training.trainer import Plan, Trainer, Validation
from aquilon.training.tuning_sizes import tuning_sizes

_REPORT_SECONDS = 0.5


def fine_tuning(
    run: Path, job: Sft, *, device: Device, log: EventLog | None, stop: Callable[[], bool]
) -> tuple[Trainer, Transformer]:
    """Prepare the data, load the model, and return what trains it, with the model itself.

    Raises UnusableJob, UnreadableSource and ChangedData for a job whose model or data can't be used.
    """
    base = open_base(Path(job.model), context=job.context)
    architecture = base.checkpoint.architecture
    shard, validation = _shards(run, job, base, device, log)
    sizes = tuning_sizes(
        job,
        architecture,
        tokens=len(shard),
        longest=longest_document(shard),
        rows=None,
        context=base.context,
        ranks=device.ranks,
    )
    rows = PackedRows(shard, sizes.row_tokens)
    held_back = None if validation is None else PackedRows(validation, base.context)
    transformer = load_transformer(base.checkpoint, device=device.device)
    transformer.requires_grad_(True)
    model = LossModel(transformer, NextToken(job.training.z_loss), device.dtype)
    training = msgspec.structs.replace(job.training, optimizer=job.training.optimizer or "adamw")
    forward = parallelize(model, device, training)
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
            flops_per_token=3 * architecture.flops_per_token(sizes.row_tokens // 2),
        ),
        training=training,
        device=device,
        log=log,
        stop=stop,
    )
    return trainer, transformer


def longest_document(shard: Shard) -> int:
    """Tokens."""
    ends = [0, *map(int, shard.ends)]
    return max(end - start for start, end in itertools.pairwise(ends))


def _shards(run: Path, job: Sft, base: Base, device: Device, log: EventLog | None) -> tuple[Shard, Shard | None]:
    """The shards of the data and of the validation data. The first rank encodes, the others wait."""
    reported_at = 0.0

    def report(done: int, total: int, documents: int, tokens: int) -> None:
        nonlocal reported_at
        if log is not None and (done == total or time.monotonic() - reported_at >= _REPORT_SECONDS):
            reported_at = time.monotonic()
            log.write(Prepared(bytes=done, total_bytes=total, documents=documents, tokens=tokens, time=now()))

    if not device.is_first:
        torch.distributed.barrier()
    training, validation, _ = prepare(
        run / DATA,
        base=base,
        data=[Path(path) for path in job.data],
        validation=[Path(path) for path in job.validation],
        encode=conversation_documents,
        report=report,
    )
    if device.is_first and device.ranks > 1:
        torch.distributed.barrier()
    return training, validation


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
