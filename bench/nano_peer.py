"""The process that trains nanochat's model for `bench.nano`: ``python -m bench.nano_peer RUN MINUTES OUT``.

It reads the rows of our RUN, in the order in which that trains on them, and takes steps as nanochat's
``scripts/base_train.py`` does with the options of its ``runs/runcpu.sh``, except for the tokens of a step, which are
ours: compiled, its scaling of learning rates and weight decay, its schedules. These count the steps of a run; here the
clock ends it, so their number is what the time so far makes likely, anew in each step. The clock starts behind the
first step, which compiles.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch

from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training.data.rows import UNTRAINED, Mixture, StreamRows, Weighted
from aquilon.training.data.shards import Shard
from aquilon.training.devices import choose_device
from aquilon.training.protocol import DATA, Pretrain, read_job
from bench.nanochat import gpt

_DEPTH, _CONTEXT, _BATCH_TOKENS = 6, 512, 16_384
_REFERENCE_BATCH_TOKENS, _REFERENCE_DEPTH, _TOKENS_PER_PARAMETER = 2**19, 12, 12
_UNKNOWN_STEPS = 10**6
_WARMUP_STEPS, _WARMDOWN, _LAST_RATE, _WEIGHT_DECAY = 40, 0.65, 0.05, 0.28
_MODEL = "model.pt"
RESULT = "result.json"
"""The last step's line, written when the time is over."""


def main(run: Path, minutes: float, out: Path) -> None:
    job = read_job(run)
    assert isinstance(job, Pretrain)
    torch.manual_seed(42)
    depth, context = job.model.depth or _DEPTH, job.model.context or _CONTEXT
    precision = str(choose_device(job.training).dtype).removeprefix("torch.")
    vocabulary = tokenizer_from_folder(Path(job.tokenizer or "")).vocab_size
    model = gpt(depth=depth, vocabulary=vocabulary, context=context, precision=precision)
    batch_tokens = job.training.batch_tokens or _BATCH_TOKENS
    reference = gpt(depth=_REFERENCE_DEPTH, vocabulary=vocabulary, context=context, precision=precision)
    optimizer, weight_decay = _optimizer(model, reference, batch_tokens)
    forward = torch.compile(model, dynamic=False)
    rows = _rows(run, job, context)
    rows_a_step = batch_tokens // context
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    step, ended = 0, False
    with (out / "steps.jsonl").open("w", buffering=1) as log:
        while not ended:
            share = (time.monotonic() - began) / (60 * minutes) if step else 0.0
            some = [rows.row(step * rows_a_step + index) for index in range(rows_a_step)]
            ids = torch.tensor([row.token_ids.tolist() for row in some])
            targets = torch.tensor([row.targets.tolist() for row in some])
            loss = forward(ids, targets.masked_fill(targets == UNTRAINED, -1))  # type: ignore[no-untyped-call]
            loss.backward()
            steps = max(step + 1, round(step / share)) if share else _UNKNOWN_STEPS
            _set_rates(optimizer, step, steps, weight_decay)
            optimizer.step()
            model.zero_grad(set_to_none=True)
            step += 1
            if step == 1:
                began = time.monotonic()
            seconds = time.monotonic() - began
            ended = seconds >= 60 * minutes
            line = json.dumps(
                {
                    "step": step,
                    "of_about": steps,
                    "loss": float(loss.detach()),
                    "seconds": seconds,
                    "tokens": step * batch_tokens,
                }
            )
            log.write(line + "\n")
    torch.save(model.state_dict(), out / _MODEL)
    (out / RESULT).write_text(line + "\n")


def trained(job: Pretrain, out: Path, vocabulary: int) -> Any:
    """The model that `main` wrote, computing in fp32."""
    model = gpt(
        depth=job.model.depth or _DEPTH,
        vocabulary=vocabulary,
        context=job.model.context or _CONTEXT,
        precision="float32",
    )
    model.load_state_dict(torch.load(out / _MODEL))
    return model


def _optimizer(model: Any, reference: Any, batch_tokens: int) -> tuple[Any, float]:
    """As ``base_train.py`` sets it up, and the weight decay that its schedule begins with."""
    scale = math.sqrt(batch_tokens / _REFERENCE_BATCH_TOKENS)
    weight_decay = _WEIGHT_DECAY * scale * _horizon(reference) / _horizon(model)
    optimizer = model.setup_optimizer(
        unembedding_lr=0.008 * scale,
        embedding_lr=0.3 * scale,
        scalar_lr=0.5 * scale,
        matrix_lr=0.02 * scale,
        weight_decay=weight_decay,
    )
    return optimizer, weight_decay


def _horizon(model: Any) -> int:
    counts = model.num_scaling_params()
    return _TOKENS_PER_PARAMETER * int(counts["transformer_matrices"] + counts["lm_head"])


def _set_rates(optimizer: Any, step: int, steps: int, weight_decay: float) -> None:
    """Its schedules of the learning rate, of Muon's momentum and of the weight decay."""
    falling = round(_WARMDOWN * steps)
    if step < _WARMUP_STEPS:
        rate = (step + 1) / _WARMUP_STEPS
    elif step <= steps - falling:
        rate = 1.0
    else:
        left = (steps - step) / falling
        rate = left + (1 - left) * _LAST_RATE
    if step < 400:
        momentum = 0.85 + (0.97 - 0.85) * step / 400
    elif step >= steps - falling:
        momentum = 0.97 + (0.90 - 0.97) * (step - steps + falling) / falling
    else:
        momentum = 0.97
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * rate
        if group["kind"] == "muon":
            group["momentum"] = momentum
            group["weight_decay"] = weight_decay * 0.5 * (1 + math.cos(math.pi * step / steps))


def _rows(run: Path, job: Pretrain, context: int) -> Mixture:
    shards = [Shard(run / DATA / f"source-{number}") for number in range(len(job.data))]
    return Mixture(
        [
            Weighted(StreamRows(shard, context), source.weight or float(len(shard)))
            for source, shard in zip(job.data, shards, strict=True)
        ],
        seed=job.training.seed,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
