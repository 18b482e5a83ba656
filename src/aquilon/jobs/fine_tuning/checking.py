"""A process that checks the files of a fine-tuning job: ``python -m aquilon.jobs.fine_tuning.checking RUN``.

It prints what it found as JSON. Ends with 2 and a sentence on standard error for a model that
can't be fine-tuned.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from aquilon.process_limits import limit_process
from aquilon.training.protocol import UNUSABLE, Pretrain, UnusableJob, read_job
from aquilon.training.validation import check

CPU_SECONDS = 3600
MEMORY_BYTES = 4 * 2**30


def main(run: Path) -> int:
    limit_process(cpu_seconds=CPU_SECONDS, memory_bytes=MEMORY_BYTES)
    job = read_job(run)
    assert not isinstance(job, Pretrain)
    try:
        result = check(job)
    except UnusableJob as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    sys.stdout.buffer.write(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
