"""A pretraining run: from text and a tokenizer to a trained model."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tokenizers
import torch

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text_writing import copy_tokenizer, write_text
from aquilon.models.architecture import UnsupportedArchitecture
from aquilon.models.transformer import Transformer
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training import sizes
from aquilon.training.batch import Batch
from aquilon.training.data.preparing import ChangedData, Report, prepare, prepared_sources
from aquilon.training.data.rows import Mixture, Part, Row, Rows, StreamRows, Weighted
from aquilon.training.data.shards import Shard
from aquilon.training.devices import Device
from aquilon.training.first_rank import PreparationReport, first_rank_first
from aquilon.training.initialization import initialize
from aquilon.training.loading import load_trainable
from aquilon.training.objective import LossModel, NextToken
from aquilon.training.optimizers import build_optimizers
from aquilon.training.parallelize import Forward, parallelize
from aquilon.training.prepared_run import PreparedRun
from aquilon.training.protocol import DATA, TOKENIZER, EventLog, Pretrain, UnusableJob
from aquilon.training.trainer import Plan, Trainer, Validation

_VALIDATION_TOKENS = 2**17
_VALIDATION_STEPS = 4
"""The validation loss is measured on at most so many tokens, and on as many as so many steps take."""
_TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class _Beginning:
    """What a run begins with."""

    transformer: Transformer
    tokenizer: Path
    """A folder with ``tokenizer.json``: the run's copy."""
    context: int
    """Tokens of a row."""
    learning_rate: float
    base: Checkpoint | None = None


def pretraining(
    run: Path, job: Pretrain, *, device: Device, log: EventLog | None, stop: Callable[[], bool]
) -> PreparedRun:
    """Prepare the data, build or load the model, and return what trains it.

    Raises UnusableJob, UnreadableSource and ChangedData for a job whose data or base can't be used.
    """
    try:
        beginning = _new_model(run, job, device) if job.base is None else _loaded_model(run, job, device)
        transformer, context = beginning.transformer, beginning.context
        architecture = transformer.architecture
        rows_per_step = sizes.rows_per_step(job.training, architecture, context=context, ranks=device.ranks)
    except (UnusableJob, ChangedData):
        raise
    except (UnsupportedArchitecture, ValueError) as error:
        raise UnusableJob(f"model: {error}") from None
    base_files = [] if beginning.base is None else beginning.base.all_files
    shards, validation = _shards(
        run, job, beginning.tokenizer, base_files, device=device, report=PreparationReport(log, stop)
    )
    mixture, held_back = _rows(job, shards, validation, context)
    model = LossModel(transformer, NextToken(job.training.z_loss), device.dtype)
    forward = parallelize(model, device, job.training)
    batch_tokens = rows_per_step * context
    limit = min(_VALIDATION_TOKENS, _VALIDATION_STEPS * batch_tokens)
    trainer = Trainer(
        run,
        model=model,
        forward=forward,
        optimizers=build_optimizers(model.named_parameters(), job.training, beginning.learning_rate),
        rows=mixture,
        validate=_validation(forward, held_back, beginning.tokenizer, device, limit=limit) if held_back else None,
        plan=Plan(
            rows_per_step=rows_per_step,
            batch_tokens=batch_tokens,
            steps=sizes.steps(
                job.training,
                architecture,
                batch_tokens=batch_tokens,
                epoch_tokens=sum(len(shard) for shard in shards),
            ),
            learning_rate=beginning.learning_rate,
            flops_per_token=3 * architecture.flops_per_token(context // 2),
        ),
        training=job.training,
        device=device,
        log=log,
        stop=stop,
    )
    record = prepared_sources(run / DATA)
    return PreparedRun(
        job=job,
        trainer=trainer,
        transformer=transformer,
        base=beginning.base,
        base_files=tuple(record.sources[-1]) if record is not None and base_files else (),
    )


def _new_model(run: Path, job: Pretrain, device: Device) -> _Beginning:
    tokenizer = Path(job.tokenizer or "")
    if not (tokenizer / _TOKENIZER_FILE).is_file():
        raise UnusableJob(f"{tokenizer} holds no {_TOKENIZER_FILE}: `aquilon train tokenizer` makes one")
    own = _own_tokenizer(run, device, lambda folder: copy_tokenizer(tokenizer, folder))
    if (own / _TOKENIZER_FILE).read_bytes() != (tokenizer / _TOKENIZER_FILE).read_bytes():
        raise ChangedData(f"the tokenizer {tokenizer} has changed since the run began: begin a new run, or put it back")
    architecture = sizes.architecture(job.model, tokenizer_from_folder(own).vocab_size)
    transformer = Transformer(architecture, dtype=torch.float32, device="cpu")
    initialize(transformer, job.training.seed)
    return _Beginning(
        transformer=transformer.to(device.device),
        tokenizer=own,
        context=architecture.max_context,
        learning_rate=sizes.learning_rate(job.training, architecture),
    )


def _loaded_model(run: Path, job: Pretrain, device: Device) -> _Beginning:
    base = open_checkpoint(Path(job.base or ""))
    own = _own_tokenizer(run, device, lambda folder: write_text(base, folder))
    _require_weights(own, base)
    return _Beginning(
        transformer=load_trainable(base, lora=job.lora, seed=job.training.seed, device=device),
        tokenizer=own,
        context=sizes.continued_context(job.model, base.architecture),
        learning_rate=sizes.continued_learning_rate(job, base.architecture),
        base=base,
    )


def _require_weights(tokenizer: Path, base: Checkpoint) -> None:
    """Raises UnusableJob unless the base has weights for each token that a text may become."""
    pipeline = tokenizers.Tokenizer.from_file(str(tokenizer / _TOKENIZER_FILE))
    controls = {token_id for token_id, token in pipeline.get_added_tokens_decoder().items() if token.special}
    last, rows = max(set(pipeline.get_vocab().values()) - controls), base.architecture.vocab_size
    if last >= rows:
        raise UnusableJob(
            f"base: the tokenizer of {base.path} makes texts of tokens up to {last}, and the model has weights for the "
            f"tokens from 0 to {rows - 1} only: it belongs to another model"
        )


def _own_tokenizer(run: Path, device: Device, write: Callable[[Path], None]) -> Path:
    """The run's copy of the tokenizer, which is released with the model."""
    own = run / TOKENIZER

    def copy() -> None:
        if not own.exists():
            partial = own.with_name(own.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            write(partial)
            partial.rename(own)

    first_rank_first(device, copy)
    return own


def _shards(
    run: Path, job: Pretrain, tokenizer: Path, base_files: list[Path], *, device: Device, report: Report
) -> tuple[list[Shard], Shard | None]:
    """The training sources' shards, and that of the validation text."""
    sources = [[Path(source.path)] for source in job.data]
    if job.validation:
        sources.append([Path(path) for path in job.validation])
    shards = first_rank_first(
        device, lambda: prepare(run / DATA, sources, tokenizer=tokenizer, report=report, base_files=base_files)
    )
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
