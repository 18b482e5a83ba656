"""The process that writes a model in another format, see `training.export_protocol`."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor

from aquilon import __version__
from aquilon.checkpoints.arrival import origin_of
from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.gguf_writing import write_gguf
from aquilon.checkpoints.hugging_face_writing import write_hugging_face
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.checkpoints.text_writing import gguf_vocabulary, write_text
from aquilon.checkpoints.weights import load_tensor
from aquilon.checkpoints.whole_folder import whole_folder, write_sums
from aquilon.models.architecture import Architecture
from aquilon.starting_process import when_starter_ends
from aquilon.text.gguf_vocabulary_writing import vocabulary_from_folder
from aquilon.text.tokenizer import TokenizerError
from aquilon.training.export_protocol import Exported, Failed, Message, Order, Writing
from aquilon.training.model_card import EVALUATIONS, SCORECARD, model_card
from aquilon.training.protocol import CARD, JOB, MODEL, TOKENIZER, UnusableJob, base_of, read_job
from aquilon.training.release import RunText
from aquilon.training.run_weights import last_weights

_PAPERS = ("LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE")
_SECONDS_BETWEEN_MESSAGES = 0.1


@dataclass(frozen=True, kw_only=True)
class _Model:
    """What is written, wherever it comes from."""

    architecture: Architecture
    weights: Callable[[str], Tensor]
    bos_id: int | None
    eos_ids: Collection[int]
    temperature: float | None
    write_text: Callable[[Path], None]
    gguf_vocabulary: Callable[[], dict[str, Any]]
    card: str
    license: str
    papers: list[Path]
    """Files of the source that go with the model."""
    step: int | None = None


def export(order: Order, say: Callable[[Message], None]) -> Exported:
    """Write the folder, whole or not at all. Raises ValueError for a model that the format doesn't hold."""
    out, source = Path(order.out), Path(order.source)
    if out.exists():
        raise ValueError(f"{out} is there already: --out names a new folder")
    is_run = (source / JOB).is_file()
    model = _of_run(source, order) if is_run else _of_checkpoint(open_checkpoint(source), order)
    with whole_folder(out) as folder:
        report = _Shares(say)
        if order.format == "hf":
            write_hugging_face(
                folder,
                model.architecture,
                model.weights,
                bos_id=model.bos_id,
                eos_ids=model.eos_ids,
                temperature=model.temperature,
                progress=report,
            )
            model.write_text(folder)
        else:
            write_gguf(
                folder / f"{order.name}-{order.type}.gguf",
                model.architecture,
                model.weights,
                type_=order.type,
                vocabulary=model.gguf_vocabulary(),
                description={"name": order.name} | ({"license": model.license} if model.license else {}),
                progress=report,
            )
        for paper in model.papers:
            shutil.copyfile(paper, folder / paper.name)
        (folder / CARD).write_text(model.card, "utf-8")
        write_sums(folder)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return Exported(
        folder=str(out),
        files=[str(path.relative_to(out)) for path in files],
        bytes=sum(path.stat().st_size for path in files),
        license=model.license,
        step=model.step,
    )


def _of_checkpoint(checkpoint: Checkpoint, order: Order) -> _Model:
    tensors = checkpoint.tensors()
    origin = origin_of(checkpoint)
    license = order.license or origin.license
    folder = checkpoint.path if checkpoint.path.is_dir() else checkpoint.path.parent
    return _Model(
        architecture=checkpoint.architecture,
        weights=lambda name: load_tensor(tensors[name]),
        bos_id=_bos_id(checkpoint),
        eos_ids=checkpoint.eos_ids,
        temperature=checkpoint.default_temperature,
        write_text=lambda target: write_text(checkpoint, target),
        gguf_vocabulary=lambda: gguf_vocabulary(checkpoint),
        card=_converted_card(folder, order, origin.source or checkpoint.path.name, license),
        license=license,
        papers=[folder / name for name in _PAPERS if (folder / name).is_file()],
    )


def _of_run(run: Path, order: Order) -> _Model:
    """The released model, else the last whole checkpoint. Raises UnusableJob."""
    job = read_job(run)
    base = base_of(job)
    if base is not None and not Path(base).exists():
        raise UnusableJob(
            f"{run} was tuned from the model {base}, which isn't there any more. Put that model back there (one of the "
            "store: pull it again under its former name) and export the run again"
        )
    card = model_card(run, job, name=order.name, license=order.license, merged=True)
    license = order.license or ""
    scores = [path for path in [run / EVALUATIONS / SCORECARD] if path.is_file()]
    if (run / MODEL).is_dir():
        released = _of_checkpoint(open_checkpoint(run / MODEL), order)
        papers = [*released.papers, *scores]
        return replace(released, card=card, license=order.license or released.license, papers=papers)
    last = last_weights(run, job)
    text = RunText(run, job)
    rows = last.architecture.vocab_size
    return _Model(
        architecture=last.architecture,
        weights=last.weights.__getitem__,
        bos_id=text.bos_id,
        eos_ids=text.eos_ids,
        temperature=None,
        write_text=text.write,
        gguf_vocabulary=lambda: (
            vocabulary_from_folder(run / TOKENIZER, rows=rows)
            if base is None
            else gguf_vocabulary(open_checkpoint(Path(base)))
        ),
        card=card,
        license=license,
        papers=scores,
        step=last.step,
    )


def _bos_id(checkpoint: Checkpoint) -> int | None:
    try:
        return load_text(checkpoint).tokenizer.bos_id
    except TokenizerError:
        return None


def _converted_card(folder: Path, order: Order, source: str, license: str) -> str:
    """The source's own card if it has one, else a short one."""
    card = folder / CARD
    if card.is_file() and order.license is None:
        return card.read_text("utf-8", errors="replace")
    front = f"---\nlicense: {license}\n---\n" if license else ""
    return f"{front}# {order.name}\n\nConverted from {source} by Aquilon {__version__}, weights as {order.type}.\n"


class _Shares:
    """Says how far the weights are written, not more often than a person sees."""

    def __init__(self, say: Callable[[Message], None]) -> None:
        self._say, self._said = say, 0.0

    def __call__(self, share: float) -> None:
        if share == 1.0 or time.monotonic() - self._said >= _SECONDS_BETWEEN_MESSAGES:
            self._said = time.monotonic()
            self._say(Writing(share=share))


def main(order: Order) -> int:
    """Write what the order says; the exit code.

    The process ends with the one that started it, and leaves no part of a folder.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    when_starter_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))

    def say(message: Message) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()

    try:
        say(export(order, say))
    except (ValueError, OSError) as error:  # their messages are for people
        words = f"{error.filename or order.out}: {error.strerror}" if isinstance(error, OSError) else str(error)
        say(Failed(reason=words))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(msgspec.json.decode(sys.argv[1], type=Order)))
