"""A model's tokenizer and chat template, tried out before the model is taken into the store.

Both are somebody else's programs: expressions that may search without end, replacements
that grow a text without bound, a template of a megabyte. They are tried in a process of
its own, ``python -m aquilon.checkpoints.trial FOLDER``, within limits of processor time
and memory, so that what the server loads later has been seen to work.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from aquilon.checkpoints.tensors import CheckpointError

CPU_SECONDS = 30
"""For everything; the largest known vocabularies take two or three."""
TEMPLATE_SECONDS = 2.0
TEXT_SECONDS = 0.25
"""For one sample of a few thousand characters, which take milliseconds."""
MEMORY = 2**30
"""Bytes; the largest known vocabularies take a third of it."""
_WALL_SECONDS = 300
"""Where the machine is busy with other things."""
_MOST_TOKENS_A_CHARACTER = 32

_RUNS = ("a", "A", "aA", "1", " ", "\n", "\t", "_", "-", "!", ".", ",", "'", "(", "<", "é", "你", "😀")
_WORDS = ("a b", "word ", "a1", "1,", "a.", "x=1;", "don't ", "\n ", "a,b", "<a>", "http://a.b/")
_SAMPLE_CHARACTERS = 4000


class TextFacts(msgspec.Struct, frozen=True, tag="facts"):
    """What a model's text side can do."""

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
        raise CheckpointError(folder, f"its tokenizer and template aren't tried out in {_WALL_SECONDS} s") from None
    try:
        said: TextFacts | _Refused = msgspec.json.decode(done.stdout, type=TextFacts | _Refused)
    except msgspec.MsgspecError:
        raise CheckpointError(folder, _how_it_ended(done)) from None
    if isinstance(said, _Refused):
        raise CheckpointError(folder, said.reason.replace(f"{folder}{os.sep}", ""))
    return said


def _how_it_ended(done: subprocess.CompletedProcess[bytes]) -> str:
    if -done.returncode in (signal.SIGXCPU, signal.SIGKILL):
        return f"its tokenizer or template takes more than {CPU_SECONDS} s of processor time"
    last = (done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"])[-1]
    return f"its tokenizer or template can't be tried out in {MEMORY // 2**20} MiB of memory: {last[:300]}"


def main(folder: Path) -> None:
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_DATA, MEMORY)
    answer: TextFacts | _Refused
    try:
        answer = _facts(folder)
    except MemoryError:
        answer = _Refused(f"its tokenizer or template takes more than {MEMORY // 2**20} MiB of memory")
    except ValueError as error:  # in words, see text/ and checkpoints/
        answer = _Refused(str(error))
    except Exception as error:
        answer = _Refused(f"its tokenizer or template can't be used: {type(error).__name__}: {str(error)[:300]}")
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _limit(what: int, most: int) -> None:
    """Never above what this process may have already."""
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


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
    """Texts that make expressions search: long runs, with and without an end that doesn't fit; then every letter."""
    runs = [(run * _SAMPLE_CHARACTERS)[:_SAMPLE_CHARACTERS] for run in (*_RUNS, *_WORDS)]
    letters = "".join(char for char in map(chr, range(0x20, 0xFFFE)) if char.isprintable())
    ended = [run + end for run in runs for end in ("!", "\n", " x", "1")]
    return [*runs, *ended, *(letters[begin : begin + 1000] for begin in range(0, len(letters), 1000))]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
