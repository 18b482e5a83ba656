"""A process that writes a released model's card again, with what was measured since, and the sums of its files.

``python -m aquilon.training.renewed_card RUN``: a card says what the model's weights are like, which takes torch.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aquilon.training.protocol import MODEL, read_job
from aquilon.training.release import complete


def main(run: Path) -> None:
    complete(run, run / MODEL, read_job(run))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
