"""A pretraining run: from text and a tokenizer to a trained model."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import torch

from aquilon.models.architecture import Architecture
from aquilon.models.transformer import Transformer
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training import sizes
from aquilon.training.batch import Batch
from aquilon.training.data.preparing import prepare
from aquilon.training.data.rows import Mixture, Part, Row, Rows, StreamRows, Weighted
from aquilon.training.data.shards import Shard
from aquilon.training.devices import Device
from aquilon.training.initialization import initialize
from aquilon.training.objective import LossModel, NextToken
from aquilon.training.optimizers import build_optimizers
from aquilon.training.parallelize import Forward, parallelize
from aquilon.training.protocol import DATA, TOKENIZER, EventLog, Prepared, Pretrain, UnusableJob, now
from aquilon.training.trainer import Plan, Trainer, Validation

_VALIDATION_TOKENS = 2**17
_VALIDATION_STEPS = 4
"""The validation loss is measured on at most so many tokens, and on as many as so many steps take."""
_REPORT_SECONDS = 0.5


def pretraining(
    run: Path, job: Pretrain, *, device: Device, log: EventLog | None, stop: Callable[[], bool]
) -> tuple[Trainer, Transformer]:
    """Prepare the data, build the model, and return what trains it, with the model itself.

    Raises UnusableJob, UnreadableSource and ChangedData for a job whose data can't be used.
    """
    tokenizer = _own_tokenizer(run, Path(job.tokenizer))
    vocab_size = tokenizer_from_folder(tokenizer).vocab_size
    try:
        architecture = sizes.architecture(job.model, vocab_size)
    except ValueError as error:
        raise UnusableJob(f"model: {error}") from None
    shards, validation = _shards(run, job, tokenizer, device, log)
    mixture, held_back = _rows(job, shards, validation, architecture.max_context)
    model = LossModel(
        _new_transformer(architecture, device, job.training.seed), NextToken(job.training.z_loss), device.dtype
    )
    transformer = model.transformer
    forward = parallelize(model, device, job.training)
    learning_rate = sizes.learning_rate(job.training, architecture)
    try:
        rows_per_step = sizes.rows_per_step(job.training, architecture, device.ranks)
    except ValueError as error:
        raise UnusableJob(f"training.batch_tokens: {error}") from None
    batch_tokens = rows_per_step * architecture.max_context
    trainer = Trainer(
        run,
        model=model,
        forward=forward,
        optimizers=build_optimizers(model.named_parameters(), job.training, learning_rate),
        rows=mixture,
        validate=_validation(
            forward, held_back, tokenizer, device, limit=min(_VALIDATION_TOKENS, _VALIDATION_STEPS * batch_tokens)
        )
        if held_back
        else None,
        plan=Plan(
            rows_per_step=rows_per_step,
            batch_tokens=batch_tokens,
            steps=sizes.steps(
                job.training,
                architecture,
                batch_tokens=batch_tokens,
                epoch_tokens=sum(len(shard) for shard in shards),
            ),
            learning_rate=learning_rate,
            flops_per_token=3 * architecture.flops_per_token(architecture.max_context // 2),
        ),
        training=job.training,
        device=device,
        log=log,
        stop=stop,
    )
    return trainer, transformer


def _own_tokenizer(run: Path, tokenizer: Path) -> Path:
    """The run's copy of the tokenizer, which is released with the model."""
    own = run / TOKENIZER
    if not (tokenizer / "tokenizer.json").is_file():
        raise UnusableJob(f"{tokenizer} holds no tokenizer.json: `aquilon train tokenizer` makes one")
    if not own.exists():
        partial = own.with_name(own.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(tokenizer, partial)
        partial.rename(own)
    return own


def _shards(
    run: Path, job: Pretrain, tokenizer: Path, device: Device, log: EventLog | None
) -> tuple[list[Shard], Shard | None]:
    """The training sources' shards, and that of the validation text. The first rank tokenizes, the others wait."""
    reported_at = 0.0

    def report(done: int, total: int, documents: int, tokens: int) -> None:
        nonlocal reported_at
        if log is not None and (done == total or time.monotonic() - reported_at >= _REPORT_SECONDS):
            reported_at = time.monotonic()
            log.write(Prepared(bytes=done, total_bytes=total, documents=documents, tokens=tokens, time=now()))

    sources = [[Path(source.path)] for source in job.data]
    if job.validation:
        sources.append([Path(path) for path in job.validation])
    if not device.is_first:
        torch.distributed.barrier()
    shards = prepare(run / DATA, sources, tokenizer=tokenizer, report=report)
    if device.is_first and device.ranks > 1:
        torch.distributed.barrier()
    return (shards[:-1], shards[-1]) if job.validation else (shards, None)


def _rows(job: Pretrain, shards: list[Shard], validation: Shard | None, context: int) -> tuple[Mixture, list[Rows]]:
    """The rows to train on, and those to validate on."""
    streams = [StreamRows(shard, context) for shard in shards]
    if validation is None:
        held_back: list[Rows] = [Part(stream, held_back=True) for stream in streams]
        trained: list[Rows] = [Part(stream, held_back=False) for stream in streams]
    else:
        held_back, trained = [StreamRows(validation, context)], list(streams)
    weights = [
        float(len(shard)) if source.weight is None else source.weight
        for source, shard in zip(job.data, shards, strict=True)
    ]
    try:
        mixture = Mixture(
            [Weighted(rows, weight) for rows, weight in zip(trained, weights, strict=True)], seed=job.training.seed
        )
    except ValueError as error:
        raise UnusableJob(f"data: {error} (a row has {context} tokens)") from None
    return mixture, [rows for rows in held_back if len(rows)]


def _new_transformer(architecture: Architecture, device: Device, seed: int) -> Transformer:
    transformer = Transformer(architecture, dtype=torch.float32, device="cpu")
    initialize(transformer, seed)
    return transformer.to(device.device)


def _validation(
    forward: Forward, sources: list[Rows], tokenizer: Path, device: Device, *, limit: int
) -> Callable[[], Validation]:
    """Measures loss and bits per byte on a fixed part of the rows, the same share of each source."""
    reader = tokenizer_from_folder(tokenizer)
    lengths = torch.tensor(
        [0 if reader.is_control(token) else len(reader.token_bytes(token)) for token in range(reader.vocab_size)]
    )
    rows = _chosen(sources, device, limit)

    @torch.no_grad()
    def validate() -> Validation:
        totals = torch.zeros(3, dtype=torch.float64)
        for row in rows:
            batch = Batch.of([row], device.device)
            _, sums = forward(batch)
            targets = batch.targets[batch.targets >= 0].cpu()
            totals += torch.tensor([float(sums["loss"]), len(targets), int(lengths[targets].sum())])
        if device.ranks > 1:
            shared = totals.to(device.device)
            torch.distributed.all_reduce(shared)
            totals = shared.cpu()
        loss, tokens, num_bytes = totals.tolist()
        return Validation(loss=loss / tokens, bits_per_byte=_bits(loss, num_bytes), metrics={})

    return validate


def _bits(nats: float, num_bytes: float) -> float | None:
    return nats / num_bytes / math.log(2) if num_bytes else None


def _chosen(sources: list[Rows], device: Device, limit: int) -> list[Row]:
    """This rank's part of the validation rows: each rank has as many, since all compute together."""
    everything = sum(len(rows) for rows in sources)
    chosen: list[Row] = []
    for rows in sources:
        context = len(rows.row(0).token_ids)
        wanted = max(1, round(limit / context * len(rows) / everything))
        step = max(1, len(rows) // wanted)
        chosen += [rows.row(index) for index in range(0, len(rows), step)][:wanted]
    if len(chosen) < device.ranks:
        chosen *= device.ranks
    even = len(chosen) // device.ranks * device.ranks
    return chosen[:even][device.rank :: device.ranks]
