"""A model's tokenizer and chat template, tried out before the model is taken into the store.

Both come from outside and may hold regular expressions that search without end,
replacements that grow a text without bound, or a template of a megabyte. They are tried
out in a separate process, ``python -m aquilon.checkpoints.trial FOLDER``, with limits on
processor time and memory, so that the server loads only what worked there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from aquilon.checkpoints.tensors import CheckpointError
from aquilon.process_limits import limit_process

CPU_SECONDS = 30
"""For the whole trial; the largest known vocabularies take two or three."""
TEMPLATE_SECONDS = 2.0
TEXT_SECONDS = 0.25
"""For one sample of a few thousand characters, which take milliseconds."""
MEMORY = 2**30
"""Bytes; the largest known vocabularies take a third of it."""
_WALL_SECONDS = 300
"""Much longer than ``CPU_SECONDS``, because the machine may be busy."""
_MOST_TOKENS_A_CHARACTER = 32

_RUNS = ("a", "A", "aA", "1", " ", "\n", "\t", "_", "-", "!", ".", ",", "'", "(", "<", "é", "你", "😀")
_WORDS = ("a b", "word ", "a1", "1,", "a.", "x=1;", "don't ", "\n ", "a,b", "<a>", "http://a.b/")
_SAMPLE_CHARACTERS = 4000


class TextFacts(msgspec.Struct, frozen=True, tag="facts"):
    """What a model's tokenizer and template support."""

    chat: bool
    fim: bool
    reasoning: bool


class _Refused(msgspec.Struct, frozen=True, tag="refused"):
    reason: str


def try_out(folder: Path) -> TextFacts:
    """Raises CheckpointError for a tokenizer or template that can't be served, with the reason."""
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "OPENBLAS_NUM_THREADS": "1", "RUST_BACKTRACE": "0"}
    command = [sys.executable, "-P", "-m", "aquilon.checkpoints.trial", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=_WALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CheckpointError(
            folder, f"its tokenizer and template couldn't be tried out within {_WALL_SECONDS} s"
        ) from None
    try:
        result: TextFacts | _Refused = msgspec.json.decode(done.stdout, type=TextFacts | _Refused)
    except msgspec.MsgspecError:
        raise CheckpointError(folder, _reason_of_exit(done)) from None
    if isinstance(result, _Refused):
        raise CheckpointError(folder, result.reason.replace(f"{folder}{os.sep}", ""))
    return result


def _reason_of_exit(done: subprocess.CompletedProcess[bytes]) -> str:
    if -done.returncode in (signal.SIGXCPU, signal.SIGKILL):
        return f"its tokenizer or template takes more than {CPU_SECONDS} s of processor time"
    last = (done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"])[-1]
    return f"its tokenizer or template can't be tried out in {MEMORY // 2**20} MiB of memory: {last[:300]}"


def main(folder: Path) -> None:
    limit_process(cpu_seconds=CPU_SECONDS, memory_bytes=MEMORY)
    result: TextFacts | _Refused
    try:
        result = _facts(folder)
    except MemoryError:
        result = _Refused(f"its tokenizer or template takes more than {MEMORY // 2**20} MiB of memory")
    except ValueError as error:  # its message is for the user
        result = _Refused(str(error))
    except Exception as error:
        result = _Refused(f"its tokenizer or template can't be used: {type(error).__name__}: {str(error)[:300]}")
    sys.stdout.buffer.write(msgspec.json.encode(result))


def _facts(folder: Path) -> TextFacts:
    from aquilon.checkpoints.opening import open_checkpoint
    from aquilon.checkpoints.text import load_text

    text = load_text(open_checkpoint(folder))
    if text.template is not None:
        begin = time.process_time()
        text.template.try_out()
        if (took := time.process_time() - begin) > TEMPLATE_SECONDS:
            raise ValueError(f"its chat template takes {took:.1f} s to compile; {TEMPLATE_SECONDS:.0f} are allowed")
    for sample in _samples():
        begin = time.process_time()
        ids = text.tokenizer.encode(sample)
        if (took := time.process_time() - begin) > TEXT_SECONDS:
            raise ValueError(
                f"its tokenizer takes {took:.1f} s for {len(sample)} characters such as {sample[:12]!r}; "
                f"{TEXT_SECONDS} are allowed"
            )
        if len(ids) > _MOST_TOKENS_A_CHARACTER * (len(sample) + 1):
            raise ValueError(f"its tokenizer makes {len(ids)} tokens of {len(sample)} characters")
    return TextFacts(text.template is not None, text.fill is not None, text.reasoning is not None)


def _samples() -> list[str]:
    """Texts that are hard for regular expressions: long runs, some with another end; and all printable characters."""
    runs = [(run * _SAMPLE_CHARACTERS)[:_SAMPLE_CHARACTERS] for run in (*_RUNS, *_WORDS)]
    letters = "".join(char for char in map(chr, range(0x20, 0xFFFE)) if char.isprintable())
    ended = [run + end for run in runs for end in ("!", "\n", " x", "1")]
    return [*runs, *ended, *(letters[begin : begin + 1000] for begin in range(0, len(letters), 1000))]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
