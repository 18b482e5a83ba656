"""Spread a model over ranks, from outside: the model's definition knows nothing of it.

On one process the fp32 weights are cast to the compute dtype for each batch. Under
torchrun, FSDP2 shards them over the ranks, gathers a layer's in the compute dtype when
it computes, and averages gradients in fp32 (arXiv:2304.11277).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.func import functional_call

from aquilon.training.batch import Batch
from aquilon.training.devices import Device
from aquilon.training.objective import LossModel
from aquilon.training.protocol import Training

Forward = Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]
"""Computes a batch's loss in the compute dtype; gradients arrive in the fp32 weights."""


def parallelize(model: LossModel, device: Device, training: Training) -> Forward:
    """Recompute, compile and shard as the run wants; ``model`` has its weights in fp32 on its device."""
    layers = model.transformer.layers
    for index, layer in enumerate(layers):
        if training.recompute:
            layer = checkpoint_wrapper(layer)
        if training.compile if training.compile is not None else device.device.type == "cuda":
            layer.compile(dynamic=False)
        layers[index] = layer
    if device.ranks > 1:
        return _sharded(model, device)
    if device.dtype == torch.float32:
        return model
    return _cast(model, device.dtype)


def whole(value: Tensor) -> Tensor:
    """A tensor that may be sharded over ranks, whole; all ranks call it."""
    gathered: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return gathered.detach()


def _sharded(model: LossModel, device: Device) -> Forward:
    mesh = init_device_mesh(device.device.type, (device.ranks,))
    policy = MixedPrecisionPolicy(param_dtype=device.dtype, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in model.transformer.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model


def _cast(model: nn.Module, dtype: torch.dtype) -> Forward:
    parameters = dict(model.named_parameters())

    def forward(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        narrow = {name: parameter.to(dtype) for name, parameter in parameters.items()}
        loss: tuple[Tensor, dict[str, Tensor]] = functional_call(model, narrow, (batch,))
        return loss

    return forward
