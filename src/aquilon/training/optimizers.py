"""Muon for the matrices inside layers, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from aquilon.training.protocol import Training

_BETAS = (0.9, 0.95)


def build_optimizers(
    named: Iterable[tuple[str, nn.Parameter]], training: Training, learning_rate: float
) -> list[torch.optim.Optimizer]:
    """Optimizers for the parameters that want a gradient.

    Muon (https://kellerjordan.github.io/posts/muon) scales its updates as AdamW's are (arXiv:2502.16982), so that one
    learning rate serves both.
    """
    wanted = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    use_muon = training.optimizer != "adamw"
    matrices = [p for name, p in wanted if use_muon and p.ndim == 2 and "layers." in name and "lora_" not in name]
    rest = [p for _, p in wanted if all(p is not matrix for matrix in matrices)]
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        optimizers.append(
            torch.optim.Muon(
                matrices, lr=learning_rate, weight_decay=training.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        )
    if rest:
        decayed, others = [p for p in rest if p.ndim == 2], [p for p in rest if p.ndim != 2]
        groups = [
            {"params": parameters, "weight_decay": decay}
            for parameters, decay in ((decayed, training.weight_decay), (others, 0.0))
            if parameters
        ]
        optimizers.append(torch.optim.AdamW(groups, lr=learning_rate, betas=_BETAS, eps=1e-10, fused=True))
    return optimizers


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], learning_rate: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
