"""Our smallest model beside nanochat's, on the same text for the same time: bits per byte of held-out text by language.

Trains both at once from the same shards, tokenizer and order of rows, one core and one thread each, at the lowest
priority: ours as ``recipes/nano`` does, nanochat's as `bench.nano_peer` says, for as many minutes as the recipe says.
Quick is 2 minutes, which only show that both train: nanochat's learning rate still rises then. At the end both predict
the same windows of the same tokens, in fp32.

``recipes/nano/run`` makes text and tokenizer. What is trained lies in ``recipes/nano/out``: ours is the recipe's own
pretrained model, so that a run that was stopped goes on, and one that is finished is measured only.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.weights import load_transformer
from aquilon.cli.train.recipe import job_of, read_recipe
from aquilon.evaluation.bits_per_byte import windows
from aquilon.evaluation.likelihood import target_logprobs
from aquilon.models.transformer import Transformer
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.text.tokenizer import Tokenizer
from aquilon.training.data.documents import read_documents, source_files
from aquilon.training.data.preparing import prepare
from aquilon.training.history import History
from aquilon.training.protocol import DATA, JOB, MODEL, Finished, Pretrain, process_environment, write_job
from bench import nano_peer
from bench.nanochat import CLONE
from bench.processes import running
from bench.report import keep, table

_ROOT = Path(__file__).parents[1]
_RECIPE = _ROOT / "recipes" / "nano"
_QUICK_MINUTES = 2.0
_CHARACTERS = 4000
"""Of a document that are predicted."""

Nats = Callable[[Sequence[int], Sequence[int]], float]
"""The negative log probability of targets, each after its input and those before it. A target below 0 isn't counted."""


def main(*, quick: bool = False) -> None:
    out = _RECIPE / "out"
    if not CLONE.is_dir() or not (out / "held-out").is_dir() or not (out / "tokenizer" / "tokenizer.json").is_file():
        print(f"{CLONE}, or what {_RECIPE / 'run'} makes first, isn't there: nothing is measured")
        return
    minutes = _QUICK_MINUTES if quick else None
    job = job_of(read_recipe(_RECIPE / "pretrain.toml", "pretrain"), {"training.minutes": minutes}, where="bench")
    assert isinstance(job, Pretrain)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if quick else out
        run, peer = folder / "pretrained", folder / "nanochat"
        if quick and (shards := out / "pretrained" / DATA).is_dir():
            run.mkdir()
            (run / DATA).symlink_to(shards)
        _train(job, run, peer)
        _measure(job, run, peer, documents=1 if quick else 4)


def _train(job: Pretrain, run: Path, peer: Path) -> None:
    """Both at once, each on a core; what is finished already stays as it is."""
    if not (run / JOB).exists():
        write_job(run, job)
    sources = [[Path(source.path)] for source in job.data] + [[Path(path) for path in job.validation]]
    prepare(run / DATA, sources, tokenizer=Path(job.tokenizer or ""), report=lambda *_: None)
    commands = []
    if not History.of(run).is_finished:
        commands.append(["-m", "aquilon.training.job", str(run)])
    if not (peer / nano_peer.RESULT).exists():
        commands.append(["-m", "bench.nano_peer", str(run), str(job.training.minutes), str(peer)])
    environment = {**process_environment(), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}
    cores = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as open_things:
        processes = []
        for number, command in enumerate(commands):
            lowly = ["nice", "-n", "19", "taskset", "-c", str(cores[number % len(cores)])]
            process = subprocess.Popen([*lowly, sys.executable, *command], env=environment)
            processes.append(open_things.enter_context(running(process)))
        for command, process in zip(commands, processes, strict=True):
            if process.wait():
                raise SystemExit(f"python {shlex.join(command)} ended with {process.returncode}")


def _measure(job: Pretrain, run: Path, peer: Path, *, documents: int) -> None:
    """On the beginnings of so many documents of each file that is held out."""
    tokenizer = tokenizer_from_folder(Path(job.tokenizer or ""))
    history = History.of(run)
    transformer = load_transformer(open_checkpoint(run / MODEL))
    own = transformer.architecture.parameters()
    theirs = nano_peer.trained(job, peer, tokenizer.vocab_size)
    result: dict[str, Any] = json.loads((peer / nano_peer.RESULT).read_text())
    last, end = history.steps[-1], history.end
    assert isinstance(end, Finished)
    trained = {
        "Aquilon": (own, own, last.step, end.seconds, last.tokens),
        "nanochat": (
            theirs.num_matmul_params(),
            sum(parameter.numel() for parameter in theirs.parameters()),
            result["step"],
            result["seconds"],
            result["tokens"],
        ),
    }
    rows = [
        [
            name,
            f"{multiplied / 1e6:.1f}",
            f"{parameters / 1e6:.1f}",
            f"{steps:,}",
            f"{seconds / 60:.1f}",
            f"{tokens / 1e6:.2f}",
            f"{tokens / seconds:,.0f}",
        ]
        for name, (multiplied, parameters, steps, seconds, tokens) in trained.items()
    ]
    columns = ["", "million multiplied", "million parameters", "steps", "minutes", "million tokens", "tokens/s"]
    print(table(columns, rows))
    context = transformer.architecture.max_context
    contenders = {"Aquilon": _ours(transformer), "nanochat": _nanochat(theirs)}
    bits: dict[str, dict[str, float]] = {}
    with ThreadPoolExecutor(len(contenders)) as pool:
        for path in source_files([Path(source) for source in job.validation]):
            texts = [document.text[:_CHARACTERS] for document in islice(read_documents(path), documents)]
            measured = partial(_bits_per_byte, texts, tokenizer=tokenizer, context=context)
            figures = pool.map(measured, contenders.values())
            bits[path.stem] = dict(zip(contenders, figures, strict=True))
            print(path.stem, *(f"{figure:.3f}" for figure in bits[path.stem].values()), flush=True)
    shown = [[name, *(f"{figure:.3f}" for figure in figures.values())] for name, figures in bits.items()]
    print(table(["bits per byte", *contenders], shown))
    print(f"kept in {keep('nano', {'trained': trained, 'bits_per_byte': bits})}")


@torch.inference_mode()
def _bits_per_byte(texts: Sequence[str], nats: Nats, *, tokenizer: Tokenizer, context: int) -> float:
    """In windows as `aquilon eval` takes them, half of each only context."""
    total, size = 0.0, 0
    for text in texts:
        ids = tokenizer.encode(text)
        size += len(text.encode()) - len(tokenizer.token_bytes(ids[0]))
        for begin, end, counted in windows(len(ids), context, context // 2):
            total += nats(ids[begin:end], [-1] * (counted - 1 - begin) + ids[counted : end + 1])
    return total / math.log(2) / size


def _ours(transformer: Transformer) -> Nats:
    return lambda inputs, targets: -float(target_logprobs(transformer, [(inputs, targets)])[0].double().sum())


def _nanochat(model: Any) -> Nats:
    def nats(inputs: Sequence[int], targets: Sequence[int]) -> float:
        logits = model(torch.tensor([inputs]))[0]
        return float(cross_entropy(logits, torch.tensor(targets), ignore_index=-1, reduction="sum"))

    return nats
