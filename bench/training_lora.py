"""Tokens a second of a LoRA on the default model, beside peft with TRL: same conversations, same rows, same precision.

Both pack whole conversations into rows of 1,024 tokens, take four rows a step, compute in bf16, and train every
projection with rank 16. They take turns. ``AQUILON_CONVERSATIONS`` names a file with ``{"messages": […]}`` lines;
without it the conversations are made of common words.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tests.support.cache import CACHE

from aquilon.training.devices import choose_device
from aquilon.training.fine_tuning import fine_tuning
from aquilon.training.protocol import EventLog, Lora, Sft, Training, read_events, steps_taken
from bench.report import keep, table

_ROW, _ROWS_A_STEP, _RANK = 1024, 4, 16
_WARM = 1
"""Steps that aren't counted."""
_WORDS = """
time year people way day man thing woman life child world school state family student group country problem
hand part place case week company system program question work government number night point home water room
"""


def main(*, quick: bool = False) -> None:
    gguf = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not gguf.exists():
        print(f"{gguf} is missing: `make test` puts it there")
        return
    steps, rounds = (2, 1) if quick else (5, 3)
    with tempfile.TemporaryDirectory() as folder:
        data = _data(Path(folder))
        speeds: dict[str, list[float]] = {"aquilon": [], "peft + TRL": [], "peft + TRL, row by row": []}
        for number in range(rounds):
            speeds["aquilon"].append(_ours(Path(folder) / f"run-{number}", gguf, data, steps + _WARM))
            for name, rows_at_once in (("peft + TRL", _ROWS_A_STEP), ("peft + TRL, row by row", 1)):
                speeds[name].append(_theirs(Path(folder), gguf, data, steps + _WARM, rows_at_once))
            print({name: round(values[-1]) for name, values in speeds.items()}, flush=True)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    better = max(value for name, value in medians.items() if name != "aquilon")
    print(table(["", "tokens/s"], [[name, f"{value:.0f}"] for name, value in medians.items()]))
    print(f"{medians['aquilon'] / better:.2f} × the better of peft + TRL")
    print(f"kept in {keep('training_lora', {'tokens per second': speeds, 'ratio': medians['aquilon'] / better})}")


def _data(folder: Path) -> Path:
    if named := os.environ.get("AQUILON_CONVERSATIONS"):
        return Path(named)
    draw, words = random.Random(1), _WORDS.split()
    path = folder / "conversations.jsonl"
    with path.open("w") as file:
        for _ in range(400):
            lengths = [max(5, min(250, round(draw.lognormvariate(3.8, 0.8)))) for _ in range(4)]
            texts = [" ".join(draw.choices(words, k=length)) for length in lengths]
            roles = ("user", "assistant") * 2
            messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def _ours(run: Path, gguf: Path, data: Path, steps: int) -> float:
    training = Training(steps=steps, batch_tokens=_ROW * _ROWS_A_STEP, precision="bfloat16", learning_rate=1e-4)
    job = Sft(model=str(gguf), data=[str(data)], lora=Lora(rank=_RANK), context=_ROW, training=training)
    run.mkdir()
    tuned = fine_tuning(run, job, device=choose_device(training), log=EventLog(run), stop=lambda: False)
    tuned.trainer.train()
    taken = steps_taken(read_events(run))[_WARM:]
    tokens = sum(step.tokens_per_second * step.seconds for step in taken)
    return tokens / sum(step.seconds for step in taken)


def _theirs(folder: Path, gguf: Path, data: Path, steps: int, rows_at_once: int) -> float:
    import datasets
    import peft
    import transformers
    import trl

    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.pad_token = tokenizer.eos_token
    stored = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    model = transformers.AutoModelForCausalLM.from_config(stored.config, dtype=torch.bfloat16)  # what can be trained
    model.load_state_dict(stored.state_dict())
    lines = [json.loads(line) for line in data.read_text().splitlines()]
    times: list[tuple[float, int]] = []

    class Counting(trl.SFTTrainer):  # type: ignore[misc, name-defined]
        def training_step(self, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
            tokens = int(inputs["input_ids"].numel())
            began = time.monotonic()
            result = super().training_step(model, inputs, *more, **named)
            times.append((began, tokens))
            return result

    trainer = Counting(
        model=model,
        args=trl.SFTConfig(
            output_dir=str(folder / "trl"),
            max_steps=steps,
            max_length=_ROW,
            packing=True,
            per_device_train_batch_size=rows_at_once,
            gradient_accumulation_steps=_ROWS_A_STEP // rows_at_once,
            gradient_checkpointing=False,
            learning_rate=1e-4,
            bf16=True,
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_strategy="no",
        ),
        train_dataset=datasets.Dataset.from_list([{"messages": line["messages"]} for line in lines]),
        processing_class=tokenizer,
        peft_config=peft.LoraConfig(r=_RANK, lora_alpha=2 * _RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.train()
    ended = time.monotonic()
    counted = times[_WARM * (_ROWS_A_STEP // rows_at_once) :]
    return sum(tokens for _, tokens in counted) / (ended - counted[0][0])


if __name__ == "__main__":
    main(quick=True)
