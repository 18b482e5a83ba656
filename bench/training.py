"""Speed of pretraining a model of 30 million parameters: ours, nanochat's module, and Hugging Face's Trainer.

Each computes the same number of tokens a step, as many as the size's default, in the precision in which it is quickest
here, in turns. Ours is the training process' own loop; nanochat's model and optimizer are stepped as its
``base_train.py`` does, also compiled; the Trainer trains a `LlamaForCausalLM` of our sizes. nanochat adds embeddings of
values to its layers, which are looked up and not multiplied: parameters that take part in products are shown for each.

nanochat is read from ``bench/.cache/nanochat``, a clone of https://github.com/karpathy/nanochat; without one it is
left out. Where other programs run too, start this with OMP_WAIT_POLICY=passive, as our training process is started:
threads that wait busily slow all contenders down more than tenfold.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from aquilon.models.architecture import Architecture
from aquilon.training import sizes
from aquilon.training.devices import choose_device
from aquilon.training.pretraining import pretraining
from aquilon.training.protocol import Event, EventLog, Pretrain, Size, Source, Step, Training, write_job
from aquilon.training.tokenizer import train_tokenizer
from bench import report
from bench.nanochat import CLONE, gpt

_DEPTH, _VOCABULARY, _CONTEXT = 8, 8192, 512

Contender = Callable[[int], list[float]]
"""Takes so many steps; the seconds of each."""


def main(*, quick: bool = False) -> None:
    rounds, steps, tokens = (2, 1, 16_384) if quick else (5, 3, 16_384)
    built = sizes.architecture(Size(depth=_DEPTH, context=_CONTEXT), _VOCABULARY)
    precisions = ["bfloat16"] if choose_device(Training()).dtype == torch.bfloat16 else ["float32"]
    if not quick:
        precisions = sorted({*precisions, "float32"})
    print(f"{tokens} tokens a step in rows of {_CONTEXT}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        contenders: dict[str, tuple[Contender, int]] = {"Aquilon": (_Ours(Path(folder), tokens), built.parameters())}
        for precision in precisions:
            contenders[f"Trainer, {precision}"] = _trainer(built, precision, tokens, Path(folder))
            if CLONE.is_dir():
                contenders[f"nanochat, {precision}"] = _nanochat(precision, tokens, compiled=False)
                contenders[f"nanochat, {precision}, compiled"] = _nanochat(precision, tokens, compiled=True)
        for steps_of, _ in contenders.values():
            steps_of(1)  # what is computed once, such as compiling
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, (steps_of, _) in contenders.items():
                seconds[name] += steps_of(steps)
    speeds = {name: tokens / statistics.median(times) for name, times in seconds.items()}
    best = max(speed for name, speed in speeds.items() if name != "Aquilon")
    rows = [
        [name, f"{contenders[name][1] / 1e6:.1f}", f"{speed:,.0f}", f"{speeds['Aquilon'] / speed:.2f}"]
        for name, speed in speeds.items()
    ]
    print(report.table(["", "million multiplied", "tokens/s, median", "Aquilon is quicker by"], rows))
    print(f"Aquilon beside the best of the others: {speeds['Aquilon'] / best:.2f}")
    print(f"kept in {report.keep('training', {'tokens_per_second': speeds, 'seconds': seconds})}")


class _Ours:
    """Our loop, on a run of its own; each call goes on from the checkpoint of the last."""

    def __init__(self, folder: Path, tokens: int) -> None:
        self._run = folder / "run"
        draw = random.Random(1)
        text = "\n".join(" ".join(f"{draw.randrange(5000):x}" for _ in range(20)) for _ in range(20_000))
        (folder / "text.txt").write_text(text)
        train_tokenizer(iter([text]), _VOCABULARY, folder / "tokenizer")
        self._job = Pretrain(
            data=[Source(path=str(folder / "text.txt"))],
            tokenizer=str(folder / "tokenizer"),
            model=Size(depth=_DEPTH, context=_CONTEXT),
            training=Training(steps=10_000, batch_tokens=tokens, validation_steps=10_000),
        )
        write_job(self._run, self._job)

    def __call__(self, steps: int) -> list[float]:
        log = _Steps(self._run)
        device = choose_device(self._job.training)
        prepared = pretraining(self._run, self._job, device=device, log=log, stop=lambda: len(log.seconds) >= steps)
        prepared.trainer.train()
        return log.seconds


class _Steps(EventLog):
    """Keeps the seconds of steps."""

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        self.seconds: list[float] = []

    def write(self, event: Event) -> None:
        super().write(event)
        if isinstance(event, Step):
            self.seconds.append(event.seconds)


def _trainer(built: Architecture, precision: str, tokens: int, folder: Path) -> tuple[Contender, int]:
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=built.vocab_size,
            hidden_size=built.hidden_size,
            intermediate_size=built.intermediate_size,
            num_hidden_layers=built.num_layers,
            num_attention_heads=built.num_heads,
            num_key_value_heads=built.num_kv_heads,
            max_position_embeddings=built.max_context,
            tie_word_embeddings=built.tied_embeddings,
            use_cache=False,
        )
    )

    class Times(TrainerCallback):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

    def steps_of(steps: int) -> list[float]:
        times = Times()
        arguments = TrainingArguments(
            output_dir=str(folder / "trainer"),
            max_steps=steps + 1,
            per_device_train_batch_size=tokens // _CONTEXT,
            use_cpu=not torch.cuda.is_available(),
            bf16=precision == "bfloat16",
            optim="adamw_torch_fused",
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=_RandomRows(), callbacks=[times])
        with contextlib.redirect_stdout(sys.stderr):
            trainer.train()
        return [after - before for before, after in zip(times.ends, times.ends[1:], strict=False)]

    return steps_of, model.num_parameters()


class _RandomRows(Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return 100_000

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.randint(_VOCABULARY, (_CONTEXT,), generator=torch.Generator().manual_seed(index))
        return {"input_ids": ids, "labels": ids}


def _nanochat(precision: str, tokens: int, *, compiled: bool) -> tuple[Contender, int]:
    """Its model and optimizer, with the sizes of ours."""
    model = gpt(depth=_DEPTH, vocabulary=_VOCABULARY, context=_CONTEXT, precision=precision)
    optimizer = model.setup_optimizer()
    forward = torch.compile(model, dynamic=False) if compiled else model
    draw = torch.Generator().manual_seed(1)

    def steps_of(steps: int) -> list[float]:
        seconds = []
        for _ in range(steps):
            began = time.perf_counter()
            ids = torch.randint(_VOCABULARY, (tokens // _CONTEXT, _CONTEXT + 1), generator=draw)
            loss = forward(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())
            loss.backward()
            optimizer.step()
            model.zero_grad(set_to_none=True)
            float(loss.detach())
            seconds.append(time.perf_counter() - began)
        return seconds

    return steps_of, model.num_matmul_params()
