"""A stand-in for the training process: ``python stand_in_trainer.py [OPTIONS] RUN``.

Keeps to `training.protocol` and learns nothing. It takes a step when the file ``RUN/gate`` has a
number at least as high, or at once where there is no gate.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

from aquilon.training.protocol import (
    CHECKPOINTS,
    FAILED,
    LOCK,
    MODEL,
    EventLog,
    Failed,
    Finished,
    Paused,
    Saved,
    Started,
    Step,
    Validated,
    read_job,
)

PROGRAM = (sys.executable, __file__)
TOKENS_PER_STEP = 100


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--dies-at", type=int, help="Kill this process after a step, once.")
    parser.add_argument("--fails", help="End with an error of this code.")
    parser.add_argument("--useless", action="store_true", help="End before the first step.")
    parser.add_argument("run", type=Path)
    options = parser.parse_args()
    run, asked = options.run, []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    read_job(run)
    with (run / LOCK).open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where another process trains
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        if options.useless:
            print("the disk is made of cheese", file=sys.stderr)
            return FAILED
        log = EventLog(run)
        state = run / CHECKPOINTS / "state.json"
        step = json.loads(state.read_text()) if state.exists() else 0
        log.write(
            Started(
                step=step,
                steps=options.steps,
                parameters=1000,
                trained_parameters=10,
                batch_tokens=TOKENS_PER_STEP,
                ranks=1,
                device="stand-in",
                time=time.time(),
            )
        )
        if options.fails:
            log.write(Failed(code=options.fails, message=f"It ended with {options.fails}", step=step, time=time.time()))
            return FAILED
        state.parent.mkdir(exist_ok=True)
        while step < options.steps:
            if asked:
                save(log, state, step)
                log.write(Paused(step=step, time=time.time()))
                return 0
            if not is_let_through(run, step + 1):
                time.sleep(0.01)
                continue
            step += 1
            log.write(taken(step, options.steps))
            if step == options.dies_at and not (run / "died").exists():
                (run / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if step % 2 == 0:
                log.write(Validated(step=step, loss=3.0 / step, time=time.time()))
                save(log, state, step)
        (run / MODEL).mkdir(exist_ok=True)
        (run / MODEL / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        log.write(
            Finished(
                step=step,
                loss=2.0 / step,
                trained_tokens=TOKENS_PER_STEP * step,
                seconds=1.0,
                time=time.time(),
            )
        )
    return 0


def is_let_through(run: Path, step: int) -> bool:
    gate = run / "gate"
    return not gate.exists() or int(gate.read_text() or 0) >= step


def save(log: EventLog, state: Path, step: int) -> None:
    state.write_text(json.dumps(step))
    log.write(Saved(step=step, path=f"{CHECKPOINTS}/step-{step}", loss=2.0 / max(1, step), time=time.time()))


def taken(step: int, steps: int) -> Step:
    return Step(
        step=step,
        steps=steps,
        loss=2.0 / step,
        learning_rate=1e-4,
        gradient_norm=1.0,
        tokens=TOKENS_PER_STEP * step,
        seconds=0.01,
        tokens_per_second=10_000.0,
        time=time.time(),
        data=step,
    )


if __name__ == "__main__":
    sys.exit(main())
