"""The weights that a run has trained so far, out of its last whole checkpoint."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict_loader import load

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.weights import unfused
from aquilon.models.architecture import Architecture
from aquilon.models.transformer import Transformer
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training import sizes
from aquilon.training.checkpoints import read_progress, whole_checkpoints
from aquilon.training.protocol import CHECKPOINTS, TOKENIZER, Job, Pretrain, UnusableJob, base_of


@dataclass(frozen=True)
class RunWeights:
    architecture: Architecture
    weights: dict[str, Tensor]
    """fp32, by the names of ``Architecture.parameter_shapes``."""
    step: int


def architecture_of(run: Path, job: Job) -> Architecture:
    """The architecture of the model that a run trains."""
    if (base := base_of(job)) is not None:
        return open_checkpoint(Path(base)).architecture
    assert isinstance(job, Pretrain)
    return sizes.architecture(job.model, tokenizer_from_folder(run / TOKENIZER).vocab_size)


def last_weights(run: Path, job: Job) -> RunWeights:
    """Raises UnusableJob for a run without a whole checkpoint, and for one that trains an adapter."""
    if job.lora is not None:
        raise UnusableJob(
            f"{run} trains an adapter, which is there when the run is finished: `aquilon train resume {run}`"
        )
    checkpoints = whole_checkpoints(run)
    if not checkpoints:
        raise UnusableJob(f"{run} has neither a released model nor a whole checkpoint under {CHECKPOINTS} yet")
    architecture = architecture_of(run, job)
    shapes = {name: value.shape for name, value in Transformer(architecture, device="meta").named_parameters()}
    state = {f"transformer.{name}": torch.empty(shape) for name, shape in shapes.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        load({"model": state}, checkpoint_id=checkpoints[-1], no_dist=True)
    parameters = {name: state[f"transformer.{name}"] for name in shapes}
    return RunWeights(architecture, unfused(parameters, architecture), read_progress(checkpoints[-1]).step)
