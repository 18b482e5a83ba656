"""The card of a trained model: what it was made from and how, filled from the run's own files.

Its last part follows the template of the European Commission's AI Office for the public
summary of training content, which Article 53(1)(d) of the AI Act asks of general-purpose
models. What only the publisher knows is said to be open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aquilon import __version__
from aquilon.checkpoints.arrival import size_text
from aquilon.checkpoints.text import load_text
from aquilon.models.architecture import Architecture
from aquilon.text.huggingface import templates_from_folder
from aquilon.training.card_base import CardBase, card_base
from aquilon.training.data.preparing import SourceFile, prepared_sources
from aquilon.training.data.shards import Shard, ShardDescription, ShardError
from aquilon.training.history import History
from aquilon.training.protocol import DATA, TOKENIZER, Job, Pretrain
from aquilon.training.report import documents_text, energy_words
from aquilon.training.run_weights import architecture_of
from aquilon.wording import counted, duration_text

EVALUATIONS = "evaluations"
"""The folder inside a run with what was measured, one file of JSON for each model and task."""

SCORECARD = "scorecard.json"

_KINDS = {
    "pretrain": "was trained from random weights on text",
    "sft": "was fine-tuned on conversations",
    "dpo": "was aligned with preferences (direct preference optimization)",
}
_OPEN = "*To be stated by the publisher.*"


def model_card(
    run: Path, job: Job, *, name: str | None = None, license: str | None = None, merged: bool = False
) -> str:
    """Markdown with the front matter that model hubs read. ``merged``: an adapter's updates are in the weights."""
    is_adapter = job.lora is not None and not merged
    history = History.of(run)
    architecture = architecture_of(run, job)
    base = card_base(run, job)
    license = license or (base.origin.license if base else None)
    name = name or run.resolve().name
    sections = [
        _front_matter(job, base, license, is_adapter),
        f"# {name}\n",
        f"This {'adapter' if is_adapter else 'model'} {_made(job)} with Aquilon {__version__}."
        + (f" Its base is `{base.name}`." if base else ""),
        "## Use\n\n" + (_CHAT if _can_chat(run, base) else _COMPLETION),
        "## Model\n\n" + _model_table(architecture, license),
        *(["## Base\n\n" + _table(("", ""), base.rows())] if base else []),
        "## Training data\n\n" + _data_table(run, job),
        "## Training\n\n" + _training_table(history, job, architecture),
        "## Evaluation\n\n" + _evaluation(run, history),
        "## Intended use\n\n" + _intended_use(job),
        "## Limits\n\n" + _limits(architecture, history),
        _summary_of_content(run, job, name, base),
    ]
    return "\n".join(f"{section.rstrip()}\n" for section in sections)


def _made(job: Job) -> str:
    if isinstance(job, Pretrain) and job.base is not None:
        return "was trained further on text"
    return _KINDS[str(type(job).__struct_config__.tag)]


_CHAT = """```sh
aquilon pull ./model --name NAME
aquilon up --model NAME
```

In another terminal, `aquilon chat --model NAME` begins a conversation.
"""
_COMPLETION = """```sh
aquilon pull ./model --name NAME
aquilon up --model NAME
```

It has no chat template, so that it continues text and doesn't answer in conversations:

```sh
curl http://127.0.0.1:8080/v1/completions -H "Authorization: Bearer $AQUILON_API_KEY" \\
  -H "Content-Type: application/json" -d '{"model": "NAME", "prompt": "Once upon a time", "max_tokens": 50}'
```
"""


def _can_chat(run: Path, base: CardBase | None) -> bool:
    if base is not None:
        return load_text(base.checkpoint).template is not None
    return bool(templates_from_folder(run / TOKENIZER))


def _front_matter(job: Job, base: CardBase | None, license: str | None, is_adapter: bool) -> str:
    library = "peft" if is_adapter else "transformers"
    fields = [f"library_name: {library}", "pipeline_tag: text-generation", "tags: [aquilon]"]
    if license:
        fields.append(f"license: {license}")
    if base:
        fields.append(f"base_model: {base.name}")
        languages = base.origin.languages
        fields += [f"language: [{', '.join(languages)}]"] if languages else []
    return "\n".join(["---", *fields, "---"])


def _model_table(a: Architecture, license: str | None) -> str:
    heads = f"{a.num_heads} of {a.head_dim}, {a.num_kv_heads} for keys and values"
    return _table(
        ("", ""),
        [
            ("parameters", f"{a.parameters():,}"),
            ("architecture", a.family),
            ("layers", str(a.num_layers)),
            ("hidden size", f"{a.hidden_size:,}, {a.intermediate_size:,} in the feed-forward layers"),
            ("attention heads", heads),
            ("context", f"{a.max_context:,} tokens"),
            ("vocabulary", f"{a.vocab_size:,} tokens"),
            ("licence", license or "not stated"),
        ],
    )


def _data_table(run: Path, job: Job) -> str:
    rows = []
    for part in data_parts(run, job):
        shard = part.shard
        tokens = f"{shard.tokens:,}" if shard else "?"
        documents = documents_text(job, shard.documents) if shard else "?"
        fingerprint = f"`{shard.fingerprint[:16]}`" if shard else "?"
        rows.append((part.name, part.use, size_text(part.bytes), documents, tokens, fingerprint))
    table = _table(("source", "use", "size", "holds", "tokens", "fingerprint"), rows)
    files = [
        f"- `{Path(file.path).name}`, {file.bytes:,} bytes, SHA-256 `{file.sha256}`"
        for part in data_parts(run, job)
        for file in part.files[:_FILES_NAMED]
    ]
    more = sum(max(0, len(part.files) - _FILES_NAMED) for part in data_parts(run, job))
    return "\n".join([table, "", *files, *([f"- and {counted(more, 'more file')}"] if more else [])])


_FILES_NAMED = 20


class DataPart(msgspec.Struct, frozen=True, kw_only=True):
    """Text that a run reads."""

    name: str
    use: str
    """``training``, with its weight in the mixture, or ``validation``."""
    files: list[SourceFile]
    shard: ShardDescription | None
    """None while it isn't tokenized."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def data_parts(run: Path, job: Job) -> list[DataPart]:
    """The run's sources in their order; empty before its data is prepared."""
    prepared = prepared_sources(run / DATA)
    if prepared is None:
        return []
    if isinstance(job, Pretrain):
        uses = [f"training, weight {s.weight:g}" if s.weight is not None else "training" for s in job.data]
        names = [Path(source.path).name for source in job.data]
        folders = [f"source-{number}" for number in range(len(job.data) + 1)]
    else:
        uses, names, folders = ["training"], [_names(job.data)], ["training", "validation"]
    if job.validation:
        uses, names = [*uses, "validation"], [*names, _names(job.validation)]
    return [
        DataPart(name=name, use=use, files=files, shard=_shard(run / DATA / folder))
        for name, use, files, folder in zip(names, uses, prepared.sources, folders, strict=False)
    ]


def _names(paths: Sequence[str]) -> str:
    return ", ".join(Path(path).name for path in paths)


def _shard(folder: Path) -> ShardDescription | None:
    try:
        return Shard(folder).description
    except ShardError:
        return None


def _training_table(history: History, job: Job, architecture: Architecture) -> str:
    started = history.starts[-1] if history.starts else None
    tokens = sum(step.tokens_per_second * step.seconds for step in history.steps)
    rows = [
        ("steps", f"{history.step:,}"),
        ("tokens", f"{round(tokens):,} computed, {history.steps[-1].tokens if history.steps else 0:,} trained on"),
        ("FLOPs", f"{tokens * _flops_per_token(job, architecture):.3g}"),
        ("time", f"{duration_text(history.seconds)}, resumed {counted(max(0, len(history.starts) - 1), 'time')}"),
        ("device", f"{started.device}, {counted(started.ranks, 'rank')}" if started else "not stated"),
        ("energy", energy_words(history)),
        ("optimizer", f"{job.training.optimizer or ('muon' if isinstance(job, Pretrain) else 'adamw')}"),
        ("largest learning rate", f"{max((step.learning_rate for step in history.steps), default=0):.3g}"),
        ("seed", str(job.training.seed)),
    ]
    if job.lora is not None:
        if started is not None:
            rows.append(("trained parameters", f"{started.trained_parameters:,} of {started.parameters:,}"))
        rows.append(("adapter", f"LoRA of rank {job.lora.rank} on {', '.join(job.lora.targets)}"))
    return _table(("", ""), rows)


def _flops_per_token(job: Job, architecture: Architecture) -> int:
    """Of the forward and the backward pass, which takes twice as much, or as much where weights are frozen."""
    passes = 3 if job.lora is None else 2
    return passes * architecture.flops_per_token(min(architecture.max_context, 4096) // 2)


def _evaluation(run: Path, history: History) -> str:
    rows: list[tuple[str, str, str]] = []
    if history.validations:
        last = history.validations[-1]
        rows.append(("validation text", "cross-entropy", f"{last.loss:.4f} nats a token"))
        if last.bits_per_byte is not None:
            rows.append(("validation text", "bits per byte", f"{last.bits_per_byte:.4f}"))
    for path in sorted((run / EVALUATIONS).glob("*.json")):
        if path.name != SCORECARD:  # which repeats the others by language
            rows += _measures(path)
    return _table(("task", "measure", "value"), rows) if rows else "Nothing was measured."


def _measures(path: Path) -> Iterable[tuple[str, str, str]]:
    try:
        evaluation: Any = msgspec.json.decode(path.read_bytes())
        for name, measure in evaluation["measures"].items():
            value = f"{measure['value']:.4g}"
            if measure.get("low") is not None:
                value += f" ({measure['low']:.4g} to {measure['high']:.4g} with 95 % confidence)"
            yield evaluation["task"], name, f"{value}, n = {measure['count']:,}"
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError):
        yield path.name, "", "can't be read"


def _intended_use(job: Job) -> str:
    if isinstance(job, Pretrain):
        return (
            "It continues text. It is meant for research, and as a base for fine-tuning. It wasn't tuned to follow "
            "instructions or to refuse requests."
        )
    return (
        "It answers in conversations about subjects like those of its training data. It isn't meant for decisions "
        "about people, such as in medicine, law, work or credit, without a person who checks each answer."
    )


def _limits(architecture: Architecture, history: History) -> str:
    count = architecture.parameters()
    size = f"{count:,}"
    if count >= 1e6:
        size = f"{count / 1e9:.2g} billion" if count >= 1e9 else f"{count / 1e6:.3g} million"
    return (
        f"A model of {size} parameters states false things fluently. It knows little beyond its training data, and has "
        "the biases of that data. It wasn't tested for safety; test it for your use before others rely on it."
    )


def _summary_of_content(run: Path, job: Job, name: str, base: CardBase | None) -> str:
    parts = data_parts(run, job)
    tokens = sum(part.shard.tokens for part in parts if part.shard and part.use != "validation")
    size = "less than 1 billion tokens" if tokens < 1e9 else "1 billion to 10 trillion tokens"
    modified = max((file.modified for part in parts for file in part.files), default=0)
    latest = _date(modified) if modified else _OPEN
    listed = "\n".join(
        f"- {part.name}: {size_text(part.bytes)} in {counted(len(part.files), 'file')}" for part in parts
    )
    dependencies = "none" if base is None else f"`{base.name}`, whose own summary applies too"
    return f"""## Public summary of training content

By the template of the AI Office for Article 53(1)(d) of Regulation (EU) 2024/1689.

### 1. General information
- Provider and contact: {_OPEN}
- Model: {name}; depends on: {dependencies}
- Date of placement on the market: {_OPEN}
- Modality: text; size of the training data: {size} ({tokens:,})
- Newest file of the training data: {latest}
- Languages and kinds of content: {_OPEN}

### 2. Data sources
The files that were trained on:

{listed or "- not prepared yet"}

- 2.1 Publicly available datasets: {_OPEN}
- 2.2 Private datasets obtained from third parties: {_OPEN}
- 2.3 Data crawled and scraped from online sources: none by Aquilon, which reads local files; {_OPEN}
- 2.4 User data: {_OPEN}
- 2.5 Synthetic data: {_OPEN}
- 2.6 Other sources: {_OPEN}

### 3. Data processing
- 3.1 Respect of reservations from text and data mining: {_OPEN}
- 3.2 Removal of illegal content: {_OPEN}
- 3.3 Preparation: text was tokenized as it stands in the files above. What `aquilon train data` removed from them
  before stands in its report.
"""


def _date(nanoseconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).date().isoformat()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
