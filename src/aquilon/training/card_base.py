"""What a model card says of the model that training began with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aquilon.checkpoints.arrival import Origin, origin_of
from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.training.data.preparing import SourceFile, prepared_sources
from aquilon.training.protocol import DATA, Job, base_of, model_name

_PUBLIC_SOURCE = re.compile(r"[a-z]+:[\w.\-/@ ]+")
"""A hub or an index; a path on this machine is nobody else's business."""
_WEIGHTS = (".safetensors", ".gguf", ".bin")


@dataclass(frozen=True)
class CardBase:
    name: str
    checkpoint: Checkpoint
    origin: Origin
    files: Sequence[SourceFile]
    """Those that the run recorded when it began: it refuses to go on with others."""

    def rows(self) -> list[tuple[str, str]]:
        """A table of names and values: where the base is from, what it may be used for, and which weights it has."""
        rows = [("name", f"`{self.name}`")]
        if _PUBLIC_SOURCE.fullmatch(self.origin.source):
            revision = f", revision `{self.origin.revision}`" if self.origin.revision else ""
            rows.append(("source", f"{self.origin.source}{revision}"))
        url = f", {self.origin.license_url}" if self.origin.license_url else ""
        rows.append(("licence", (self.origin.license or "not stated") + url))
        weights = [file for file in self.files if file.path.endswith(_WEIGHTS)]
        rows += [(f"SHA-256 of `{Path(file.path).name}`", f"`{file.sha256}`") for file in weights]
        return rows


def card_base(run: Path, job: Job) -> CardBase | None:
    """None for a model that began with random weights."""
    path = base_of(job)
    if path is None:
        return None
    checkpoint = open_checkpoint(Path(path))
    prepared = prepared_sources(run / DATA)
    return CardBase(
        name=model_name(Path(path)),
        checkpoint=checkpoint,
        origin=origin_of(checkpoint),
        files=prepared.sources[-1] if prepared else [],  # a job with a base records its files last
    )
