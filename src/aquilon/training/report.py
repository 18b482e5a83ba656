"""RUN/report.html: a run's curves, and what it was made of, in one file. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from aquilon.models.architecture import Architecture
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training import sizes
from aquilon.training.data.shards import Shard, ShardDescription, ShardError
from aquilon.training.energy import assumed_watts, energy_text
from aquilon.training.history import History
from aquilon.training.line_charts import Point, lines
from aquilon.training.protocol import DATA, REPORT, TOKENIZER, Dpo, Job, Pretrain, Sft, Validated, read_job
from aquilon.training.report_page import Cell, charts, facts, page, section, table
from aquilon.wording import counted, duration_text

_KINDS: dict[type[Job], str] = {Pretrain: "Pretraining", Sft: "Fine-tuning", Dpo: "Preference tuning"}


def write_report(run: Path) -> Path:
    """Write the report anew; its path."""
    history, job = History.of(run), read_job(run)
    text = page(
        f"{_KINDS[type(job)]}: {run.resolve().name}",
        [
            facts(_result(history)),
            charts(_curves(history)),
            section("Model", facts(_model(run, job, history))),
            section("Data", table(("source", "holds", "tokens", "fingerprint"), _data(run, job))),
            section("Training", facts(_settings(job))),
            section(
                "Device and energy",
                table(("from step", "device", "ranks", "tokens a step"), _devices(history)),
                facts(_energy(history)),
            ),
        ],
    )
    partial = (run / REPORT).with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    return partial.rename(run / REPORT)


def named_shards(run: Path, job: Job) -> list[tuple[str, ShardDescription]]:
    """What the run's data was tokenized to, as far as it is, each under its source's name."""
    if isinstance(job, Pretrain):
        sources = [source.path for source in job.data]
        names = {f"source-{number}": name for number, name in enumerate([*sources, "validation"])}
    else:
        names = {"training": ", ".join(job.data), "validation": f"validation: {', '.join(job.validation)}"}
    named = []
    folders = [folder.parent for folder in (run / DATA).glob("*/shard.json")]
    for folder in sorted(folders, key=lambda folder: (len(folder.name), folder.name)):
        with contextlib.suppress(ShardError):  # a damaged one is tokenized again
            named.append((names.get(folder.name, folder.name), Shard(folder).description))
    return named


_NOUNS: dict[type[Job], str] = {Pretrain: "document", Sft: "example", Dpo: "pair"}


def examples_text(job: Job, count: int) -> str:
    """So many of what the job reads."""
    return counted(count, _NOUNS[type(job)])


def documents_text(job: Job, count: int) -> str:
    """So many of a shard's documents, as people count them: a pair is two."""
    return examples_text(job, count // 2 if isinstance(job, Dpo) else count)


def energy_words(history: History) -> str:
    """What was measured, else an estimate that is said to be one."""
    if history.joules is None:
        return "none: no step was taken"
    amount = energy_text(history.joules, is_measured=history.is_energy_measured)
    if history.is_energy_measured:
        return f"{amount}, measured on the machine"
    started = history.starts[-1]
    watts = assumed_watts(started.device, started.ranks)
    return f"{amount}: an estimate for {watts} W while it trained, since this machine doesn't measure it"


def _result(history: History) -> list[tuple[str, Cell]]:
    total = history.total_steps
    rows: list[tuple[str, Cell]] = [("steps", f"{history.step:,}" + (f" of {total:,}" if total is not None else ""))]
    if history.steps:
        rows.append(("tokens", history.steps[-1].tokens))
        rows.append(("loss, smoothed", history.smoothed_loss or 0.0))
    if history.validations:
        last = history.validations[-1]
        rows.append(("validation loss", last.loss))
        if last.bits_per_byte is not None:
            rows.append(("validation bits per byte", last.bits_per_byte))
        rows += [(f"validation {name.replace('_', ' ')}", value) for name, value in last.metrics.items()]
    rows.append(("time", duration_text(history.seconds)))
    if history.seconds:
        rows.append(("tokens a second", round(_trained_tokens(history) / history.seconds)))
    return rows


def _trained_tokens(history: History) -> int:
    return history.steps[-1].tokens if history.steps else 0


def _curves(history: History) -> Iterator[str]:
    steps = history.steps

    def over_steps(name: str) -> list[Point]:
        return [(step.step, getattr(step, name)) for step in steps if getattr(step, name) is not None]

    def over_validations(name: str) -> list[Point]:
        return [(event.step, getattr(event, name)) for event in history.validations if getattr(event, name) is not None]

    yield lines("Loss, in nats", {"training": over_steps("loss"), "validation": over_validations("loss")})
    yield lines("Validation, in bits per byte", {"bits per byte": over_validations("bits_per_byte")})
    for name in sorted({name for step in steps for name in step.metrics}):
        yield lines(
            name.replace("_", " ").capitalize(),
            {
                "training": [(step.step, step.metrics[name]) for step in steps if name in step.metrics],
                "validation": _metric(history.validations, name),
            },
        )
    yield lines("Learning rate", {"learning rate": over_steps("learning_rate")})
    yield lines("Norm of the gradient, before it is clipped", {"norm": over_steps("gradient_norm")})
    yield lines("Tokens a second", {"tokens a second": over_steps("tokens_per_second")})
    yield lines("Share of the device's peak (MFU)", {"utilization": over_steps("utilization")})


def _metric(validations: list[Validated], name: str) -> list[Point]:
    return [(event.step, event.metrics[name]) for event in validations if name in event.metrics]


def _model(run: Path, job: Job, history: History) -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = []
    if history.starts:
        rows.append(("parameters", history.starts[-1].parameters))
        rows.append(("trained parameters", history.starts[-1].trained_parameters))
    if isinstance(job, Pretrain):
        built = _architecture(run, job)
        if built is not None:
            rows += [
                ("layers", built.num_layers),
                ("hidden size", built.hidden_size),
                ("size of the feed-forward layers", built.intermediate_size),
                ("attention heads", built.num_heads),
                ("heads for keys and values", built.num_kv_heads),
                ("vocabulary, in tokens", built.vocab_size),
                ("context, in tokens", built.max_context),
            ]
            flops = 3 * built.flops_per_token(built.max_context // 2) * _trained_tokens(history)
            rows.append(("training FLOPs", f"{flops:.3g}"))
    base = job.base if isinstance(job, Pretrain) else job.model
    if base is not None:
        rows.append(("base model", base))
    if job.lora is not None:
        rows.append(("LoRA rank", job.lora.rank))
    return rows


def _architecture(run: Path, job: Pretrain) -> Architecture | None:
    """None before the run has its tokenizer, and for a model that is trained further."""
    if job.base is not None or not (run / TOKENIZER).is_dir():
        return None
    return sizes.architecture(job.model, tokenizer_from_folder(run / TOKENIZER).vocab_size)


def _data(run: Path, job: Job) -> list[tuple[Cell, ...]]:
    return [
        (source, documents_text(job, shard.documents), shard.tokens, shard.fingerprint[:16])
        for source, shard in named_shards(run, job)
    ]


def _settings(job: Job) -> list[tuple[str, Cell]]:
    values: dict[str, Any] = msgspec.to_builtins(job.training)
    return [(name.replace("_", " "), _setting(value)) for name, value in values.items() if value is not None]


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _devices(history: History) -> list[tuple[Cell, ...]]:
    return [(started.step, started.device, started.ranks, started.batch_tokens) for started in history.starts]


def _energy(history: History) -> list[tuple[str, Cell]]:
    if history.joules is None:
        return []
    rows: list[tuple[str, Cell]] = [("energy", energy_words(history))]
    if tokens := _trained_tokens(history):
        rows.append(("joules for 1,000 trained tokens", f"{1000 * history.joules / tokens:.4g}"))
    return rows
