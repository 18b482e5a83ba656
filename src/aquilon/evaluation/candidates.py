"""The models that are measured, loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.checkpoints.weights import load_transformer, unfused
from aquilon.evaluation.protocol import Precision
from aquilon.models.transformer import Transformer
from aquilon.text.model import TextModel
from aquilon.training.protocol import JOB, MODEL, TOKENIZER, base_of, read_job, released
from aquilon.training.run_weights import last_weights

Share = Callable[[float], None]
"""Is told the share of the weights that are loaded."""


@dataclass(frozen=True)
class LoadedCandidate:
    transformer: Transformer
    text: TextModel
    sha256: str
    step: int | None = None
    """Of the run's checkpoint."""

    @property
    def device(self) -> str:
        weight = self.transformer.embedding.weight
        where = (
            torch.cuda.get_device_name(weight.device)
            if weight.device.type == "cuda"
            else f"cpu, {torch.get_num_threads()} threads"
        )
        return f"{where}, {str(weight.dtype).removeprefix('torch.')}"


def load_candidate(path: Path, precision: Precision, on_share: Share) -> LoadedCandidate:
    """The weights and the tokenizer of a checkpoint, or of a run: its released model, else its last checkpoint.

    Raises UnusableOrder, CheckpointError, TokenizerError and UnusableJob.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    narrow = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    dtype = torch.bfloat16 if narrow else torch.float32
    if is_unreleased(path):
        return _from_run(path, dtype, device)
    checkpoint = open_checkpoint(released(path))
    transformer = load_transformer(checkpoint, dtype=dtype, device=device, progress=on_share)
    return LoadedCandidate(transformer, load_text(checkpoint), weights_sha256(checkpoint))


def is_unreleased(path: Path) -> bool:
    """Whether it is the folder of a run that has no released model yet."""
    return (path / JOB).is_file() and not (path / MODEL).is_dir()


def weights_sha256(checkpoint: Checkpoint) -> str:
    """Of the file with the weights; of the files' sums where there are several."""
    sums = []
    for path in checkpoint.files:
        with path.open("rb") as file:
            sums.append(hashlib.file_digest(file, "sha256").hexdigest())
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _from_run(run: Path, dtype: torch.dtype, device: torch.device) -> LoadedCandidate:
    job = read_job(run)
    trained = last_weights(run, job)
    base = base_of(job)
    text = TextModel.from_folder(run / TOKENIZER) if base is None else load_text(open_checkpoint(Path(base)))
    transformer = Transformer(trained.architecture, dtype=torch.float32)
    digest = hashlib.sha256()
    with torch.no_grad():
        for name, weight in unfused(dict(transformer.named_parameters()), trained.architecture).items():
            weight.copy_(trained.weights[name])
            digest.update(weight.contiguous().view(torch.uint8).numpy().data)
    return LoadedCandidate(
        transformer.to(device, dtype).eval().requires_grad_(False), text, digest.hexdigest(), trained.step
    )
