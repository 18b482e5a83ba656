"""What the training process and the rest of the program say to each other, in files of one folder.

``job.json`` holds a `Job`. ``events.jsonl`` gets one `Event` a line, appended and never
rewritten: a resumed run begins with another `Started`, and its steps replace those that
the run had taken after that step. The process ends with 0 when the job is finished or paused,
1 when it failed, 2 when the job or its data can't be used.

SIGTERM and SIGINT pause: the process writes a checkpoint and ends. So does the end of the process that started it with
`process_environment`: nobody would look after the run any more.

This file imports no torch: commands and servers read and write it.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from aquilon.starting_process import started_by_this_process

JOB, EVENTS, LOCK = "job.json", "events.jsonl", "lock"
TOKENIZER, DATA, CHECKPOINTS, MODEL, REPORT = "tokenizer", "data", "checkpoints", "model", "report.html"
"""Names inside a run's folder. MODEL is the released result: a checkpoint, or an adapter."""

CARD = "README.md"
"""The model card, in MODEL and in exports."""

FINISHED, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Text of a mixture: a file or a folder."""

    path: str
    weight: float | None = None
    """Its part of the rows, relative to the others; None: the number of its tokens."""


class Size(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model's size. What is None follows from ``depth``, see `training.sizes`."""

    depth: int | None = None
    """Layers; None: 6."""
    context: int | None = None
    """Tokens of a row, and the longest prompt and answer together."""
    hidden_size: int | None = None
    intermediate_size: int | None = None
    num_heads: int | None = None
    num_kv_heads: int | None = None
    tied_embeddings: bool | None = None


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How weights are trained. What is None follows from the model's size and the kind of job."""

    steps: int | None = None
    minutes: float | None = None
    """Instead of ``steps``: how long to train, over all processes that take part one after the other."""
    epochs: float | None = None
    """Instead of ``steps``: how often the data is read."""
    batch_tokens: int | None = None
    """Tokens of one step, over all ranks."""
    learning_rate: float | None = None
    warmup: float = 0.02
    """Share of the steps in which the learning rate rises to its full value."""
    decay: float = 0.3
    """Share of the steps in which it falls to 0, at the end."""
    weight_decay: float = 0.1
    optimizer: Literal["muon", "adamw"] | None = None
    clip: float = 1.0
    """Largest norm of a step's gradient."""
    z_loss: float = 0.0
    """Weight of the squared log of the softmax's denominator (PaLM, arXiv:2204.02311)."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """What products are computed in; weights and their updates are fp32."""
    compile: bool | None = None
    """Whether layers are compiled; None: on GPUs."""
    recompute: bool = False
    """Whether activations are computed again in the backward pass, which saves memory."""
    checkpoint_steps: int | None = None
    """A checkpoint every so many steps; None: every few minutes."""
    keep_checkpoints: int = 2
    validation_steps: int | None = None
    """The validation loss every so many steps; None: about twenty times a run."""
    seed: int = 0


LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The projections of a layer, by peft's names."""


class Lora(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Low-rank adaptation (arXiv:2106.09685), by peft's names."""

    rank: int = 16
    alpha: float | None = None
    """None: twice the rank."""
    targets: list[str] = msgspec.field(default_factory=lambda: list(LORA_TARGETS))


class Pretrain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="pretrain"):
    """Train a new model on text."""

    data: list[Source]
    tokenizer: str | None = None
    """A folder with ``tokenizer.json``; None for a run that goes on from ``base``."""
    base: str | None = None
    """A checkpoint whose training goes on, with its size and its tokenizer; None begins a new model."""
    lora: Lora | None = None
    """With ``base``: low-rank updates are trained in place of all weights."""
    validation: list[str] = []
    """Text that isn't trained on; where there is none, every hundredth document is kept back."""
    model: Size = Size()
    training: Training = Training()


class Sft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sft"):
    """Fine-tune a model on conversations: lines of ``{"messages": […], "tools": […]}``."""

    model: str
    """A checkpoint: a folder, or a GGUF file."""
    data: list[str]
    validation: list[str] = []
    lora: Lora | None = None
    """None trains all weights."""
    context: int | None = None
    """None: the model's, at most 4,096."""
    training: Training = Training()


class Dpo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="dpo"):
    """Direct preference optimization (arXiv:2305.18290) on pairs.

    A line holds the conversation, the preferred and the rejected answer: OpenAI's
    ``{"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}``, or
    ``{"prompt": […], "chosen": […], "rejected": […]}``.
    """

    model: str
    data: list[str]
    validation: list[str] = []
    lora: Lora | None = None
    context: int | None = None
    beta: float = 0.1
    training: Training = Training()


Job = Pretrain | Sft | Dpo


def base_of(job: Job) -> str | None:
    """The checkpoint that a job begins with; None for a new model."""
    return job.base if isinstance(job, Pretrain) else job.model


class Started(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="started"):
    """The process trains from this step on; 0 is a new run."""

    step: int
    steps: int | None
    """None while a run by minutes hasn't found out how many it takes."""
    parameters: int
    trained_parameters: int
    batch_tokens: int
    ranks: int
    device: str
    """Such as ``cpu, 2 threads, bfloat16``."""
    time: float


class Prepared(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="prepared"):
    """How far the data is tokenized."""

    bytes: int
    total_bytes: int
    documents: int
    tokens: int
    time: float


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="step"):
    """One step was taken; ``step`` counts from 1."""

    step: int
    steps: int | None
    loss: float
    """Mean cross-entropy of the trained tokens, in nats; for preferences the DPO loss."""
    learning_rate: float
    gradient_norm: float
    tokens: int
    """Tokens trained on since the run began."""
    seconds: float
    """Time of this step."""
    tokens_per_second: float
    utilization: float | None = None
    """Model FLOPs per second over the device's peak (MFU); None where the peak is unknown."""
    joules: float | None = None
    """Energy of all ranks since the process began to train; None in events of earlier versions."""
    joules_measured: bool = True
    """False: the machine doesn't measure it, and the joules are those of the watts that `training.energy` assumes."""
    time: float
    data: int
    """Checksum of the rows that were trained on: equal for the same data in the same step, on any number of ranks."""
    metrics: dict[str, float] = {}
    """What this kind of job measures besides, such as ``accuracy`` and ``margin``."""


class Validated(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="validated"):
    """The loss on text that isn't trained on."""

    step: int
    loss: float
    bits_per_byte: float | None = None
    time: float
    metrics: dict[str, float] = {}


class Saved(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="saved"):
    """A checkpoint is whole on disk."""

    step: int
    path: str
    """Relative to the run's folder."""
    loss: float | None
    validation_loss: float | None = None
    time: float


class Paused(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="paused"):
    """The process ends because it was asked to; the run can be resumed from this step."""

    step: int
    time: float


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="finished"):
    """All steps are taken, and the result lies under MODEL."""

    step: int
    loss: float | None
    validation_loss: float | None = None
    trained_tokens: int
    seconds: float
    """Over all processes."""
    time: float


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="failed"):
    """The process ends with an error."""

    code: str
    """Such as ``unusable_data``, ``not_finite``, ``disk_full``, ``out_of_memory``, ``internal_error``."""
    message: str
    step: int | None = None
    checkpoint: str | None = None
    """The last good one, relative to the run's folder."""
    time: float


Event = Started | Prepared | Step | Validated | Saved | Paused | Finished | Failed


def process_environment() -> dict[str, str]:
    """The variables with which a training process is started: without the server's settings, some of which are secret.

    OpenMP's threads sleep while they wait for each other: where other programs run too, threads that wait busily take
    the time of those that they wait for, and training becomes more than ten times slower. Modules are never imported
    from the present folder. The process pauses when the one that starts it ends.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AQUILON_")}
    return {"OMP_WAIT_POLICY": "passive", **inherited, "PYTHONSAFEPATH": "1", **started_by_this_process()}


class UnusableJob(ValueError):
    """A job that can't be run as it is; the message names the field, its value, and what would be right."""


def read_job(folder: Path) -> Job:
    """The folder's job. Raises UnusableJob."""
    try:
        return job_from(msgspec.json.decode((folder / JOB).read_bytes()), where=str(folder / JOB))
    except FileNotFoundError:
        raise UnusableJob(f"{folder} is no run: it holds no {JOB}") from None
    except msgspec.DecodeError as error:
        raise UnusableJob(f"{folder / JOB} is no JSON: {error}") from None


def job_from(fields: Any, *, where: str) -> Job:
    """A job from decoded JSON or TOML. Raises UnusableJob, which suggests the nearest name for an unknown one."""
    try:
        job: Job = msgspec.convert(fields, type=Job)
    except msgspec.ValidationError as error:
        raise UnusableJob(f"{where}: {_explained(str(error), fields)}") from None
    _check(job, where)
    return job


def released(path: Path) -> Path:
    """A run's released model; any other path itself. Raises UnusableJob for a run without one."""
    if not (path / JOB).is_file():
        return path
    if not (path / MODEL).is_dir():
        named = shlex.quote(str(path))
        raise UnusableJob(
            f"the run {path} isn't finished, so that it has no model yet: `aquilon train resume {named}` goes on with "
            f"it, `aquilon export {named} --out DIR` writes the model of its last checkpoint"
        )
    return path / MODEL


def model_name(path: Path) -> str:
    """What people call the model of a path: a released model by its run, a GGUF file by its folder."""
    is_inside = path.suffix == ".gguf" or (path.name == MODEL and (path.parent / JOB).is_file())
    return path.parent.name if is_inside else path.name


def write_job(folder: Path, job: Job) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{JOB}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(job)) + b"\n")
    partial.replace(folder / JOB)


class EventLog:
    """Appends events to a run's file, each on the disk before the next thing happens."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / EVENTS).open("a+b", buffering=0)
        self._is_cut = False
        if self._file.tell():
            self._file.seek(-1, os.SEEK_END)
            self._is_cut = self._file.read(1) != b"\n"  # by a kill

    def write(self, event: Event) -> None:
        """Raises OSError where the disk is full; the next event then still begins a line."""
        rest = memoryview((b"\n" if self._is_cut else b"") + msgspec.json.encode(event) + b"\n")
        self._is_cut = True
        while rest:
            rest = rest[self._file.write(rest) :]
        self._is_cut = False


def read_events(folder: Path) -> Iterator[Event]:
    """The events so far; a line that a kill has cut is left out."""
    try:
        data = (folder / EVENTS).read_bytes()
    except FileNotFoundError:
        return
    decoder = msgspec.json.Decoder(Event)
    for line in data.split(b"\n"):
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError:
            continue


def steps_taken(events: Iterator[Event]) -> list[Step]:
    """The steps of a run in order, without those that a resumed run took again."""
    steps: list[Step] = []
    for event in events:
        if isinstance(event, Started):
            steps = [step for step in steps if step.step <= event.step]
        elif isinstance(event, Step):
            steps.append(event)
    return steps


def now() -> float:
    """Seconds since 1970, for an event's ``time``."""
    return time.time()


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`(?: - at `\$?(?P<place>[^`]*)`)?")
_TYPES: dict[str, type[msgspec.Struct]] = {".model": Size, ".training": Training, ".lora": Lora, ".data": Source}


_MISTAKE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_OTHER_TYPE = re.compile(r"Expected `(?P<right>[^`|]*)(?: \| null)?`, got")
_RIGHT = {
    "object": "a table of names with values",
    "array": "a list, in square brackets",
    "str": "text, in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


def _explained(problem: str, fields: Any) -> str:
    unknown = _UNKNOWN.match(problem)
    if unknown is None:
        return _explained_value(problem, fields)
    place = unknown["place"] or ""
    kinds: dict[str, type[msgspec.Struct]] = {"pretrain": Pretrain, "sft": Sft, "dpo": Dpo}
    kind = kinds.get(fields.get("kind")) if not place else _TYPES.get(place.partition("[")[0])
    names = list(kind.__struct_fields__) if kind is not None else []
    nearest = difflib.get_close_matches(unknown["name"], names, n=1, cutoff=0.5)
    suggestion = f"did you mean {nearest[0]!r}?" if nearest else f"its names are {', '.join(names)}"
    inside = f" in {place.strip('.')}" if place else ""
    return f"{unknown['name']!r}{inside} is unknown: {suggestion}"


def _explained_value(problem: str, fields: Any) -> str:
    """What is wrong with a value, or that one is missing, in words for who writes a recipe."""
    mistake = _MISTAKE.fullmatch(problem)
    place = (mistake and mistake["place"]) or ""
    if missing := _MISSING.match(problem):
        return f"{place}.{missing['name']} is missing".removeprefix(".")
    value = fields
    for name in re.findall(r"[^.\[\]]+", place):
        value = value[int(name) if isinstance(value, list) else name]
    if not place or value is fields:
        return problem
    given = f"{place} is {msgspec.json.encode(value).decode():.80}"
    if problem.startswith("Invalid"):
        return f"{given}: it must be one of {', '.join(_choices(place))}"
    other = _OTHER_TYPE.match(problem)
    if other is None or other["right"] not in _RIGHT:
        return f"{given}: {problem}"
    example = ", such as {rank = 16}" if place == "lora" else ""
    return f"{given}: it must be {_RIGHT[other['right']]}{example}"


def _choices(place: str) -> list[str]:
    if place == "kind":
        return ["pretrain", "sft", "dpo"]
    section, _, name = place.rpartition(".")
    hint = get_type_hints(_TYPES[f".{section}"])[name]
    return [choice for part in (hint, *get_args(hint)) if get_origin(part) is Literal for choice in get_args(part)]


def _check(job: Job, where: str) -> None:
    """Raises UnusableJob for numbers out of range."""
    training = job.training
    positive = {
        f"training.{name}": getattr(training, name)
        for name in ("steps", "minutes", "epochs", "batch_tokens", "learning_rate", "clip", "checkpoint_steps")
    }
    positive["training.keep_checkpoints"] = training.keep_checkpoints
    if isinstance(job, Pretrain):
        positive |= {f"model.{name}": getattr(job.model, name) for name in Size.__struct_fields__}
        positive |= {f"data[{number}].weight": source.weight for number, source in enumerate(job.data)}
    if job.lora is not None:
        positive |= {"lora.rank": job.lora.rank, "lora.alpha": job.lora.alpha}
        unknown = [name for name in job.lora.targets if name not in LORA_TARGETS]
        if unknown or not job.lora.targets:
            what = f"{unknown[0]!r} is unknown" if unknown else "it is empty"
            raise UnusableJob(f"{where}: lora.targets: {what}: its names are {', '.join(LORA_TARGETS)}")
    for name, value in positive.items():
        if value is not None and not isinstance(value, bool) and not value > 0:
            raise UnusableJob(f"{where}: {name} is {value}: it must be above 0")
    for name in ("warmup", "decay"):
        if not 0 <= getattr(training, name) <= 1:
            raise UnusableJob(f"{where}: training.{name} is {getattr(training, name)}: a share lies between 0 and 1")
    if isinstance(job, Pretrain):
        _check_beginning(job, where)
    given = [name for name in ("steps", "minutes", "epochs") if getattr(training, name) is not None]
    if len(given) > 1:
        raise UnusableJob(f"{where}: {' and '.join(given)} are both given: one of them says how long to train")
    if not job.data:
        raise UnusableJob(f"{where}: data is empty: name at least one file or folder")


def _check_beginning(job: Pretrain, where: str) -> None:
    """Raises UnusableJob unless the run begins with a tokenizer or with a model."""
    if (job.tokenizer is None) == (job.base is None):
        problem = "neither a tokenizer nor a base is given" if job.base is None else "tokenizer and base are both given"
        raise UnusableJob(f"{where}: {problem}: a new model has a tokenizer, one that is trained further is the base")
    if job.lora is not None and job.base is None:
        raise UnusableJob(f"{where}: lora is given without a base: only a model that is there can get an adapter")
    chosen = [name for name in Size.__struct_fields__ if name != "context" and getattr(job.model, name) is not None]
    if job.base is not None and chosen:
        raise UnusableJob(f"{where}: model.{chosen[0]} is given with a base, whose size can't change")
