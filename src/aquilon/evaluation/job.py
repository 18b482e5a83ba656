"""The process that measures models: ``python -m aquilon.evaluation.job DIR``.

See `evaluation.protocol` for the files of the folder and the exit codes.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path

from aquilon.checkpoints.tensors import CheckpointError
from aquilon.evaluation.answering import NoAnswer
from aquilon.evaluation.measuring import Measuring
from aquilon.evaluation.protocol import (
    FAILED,
    FINISHED,
    UNUSABLE,
    EventFile,
    Failed,
    UnusableOrder,
    read_order,
)
from aquilon.models.architecture import UnsupportedArchitecture
from aquilon.starting_process import when_starter_ends
from aquilon.text.tokenizer import TokenizerError
from aquilon.training.data.documents import UnreadableSource
from aquilon.training.protocol import UnusableJob

_UNUSABLE = (
    UnusableOrder,
    UnreadableSource,
    CheckpointError,
    UnsupportedArchitecture,
    TokenizerError,
    UnusableJob,
)


def main(folder: Path) -> int:
    """Measure what the folder's order says; the exit code.

    The process ends with the one that started it, which alone reads the results.
    """
    when_starter_ends(lambda: os.kill(os.getpid(), signal.SIGKILL))
    events = EventFile(folder)
    try:
        _measure(folder, events)
    except _UNUSABLE as error:
        return _fail(events, UNUSABLE, "unusable", str(error))
    except NoAnswer as error:
        return _fail(events, FAILED, "no_answer", str(error))
    except Exception as error:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return _fail(events, FAILED, "out_of_memory", "the memory is full: a smaller window or model needs less")
        traceback.print_exc()
        return _fail(events, FAILED, "internal_error", f"{type(error).__name__}: {error}")
    return FINISHED


def _measure(folder: Path, events: EventFile) -> None:
    """Of several questions that failed at the same time, the first error counts."""
    try:
        Measuring(folder, read_order(folder), events).run()
    except* Exception as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def _fail(events: EventFile, exit_code: int, code: str, message: str) -> int:
    events.write(Failed(code=code, message=message))
    return exit_code


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m aquilon.evaluation.job DIR", file=sys.stderr)
        sys.exit(UNUSABLE)
    sys.exit(main(Path(sys.argv[1])))
