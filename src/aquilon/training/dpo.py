"""Direct preference optimization (arXiv:2305.18290): the loss of pairs, and what the reference model says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import logsigmoid

from aquilon.models.transformer import Transformer
from aquilon.training.batch import Batch, micro_batches
from aquilon.training.data.rows import PairRows
from aquilon.training.data.shards import Shard, ShardError
from aquilon.training.devices import Device
from aquilon.training.loss import log_probabilities
from aquilon.training.parallelize import Forward


class PreferenceLoss:
    """The sigmoid loss: the preferred ending should gain on the rejected one, measured from the reference model.

    A batch without references gets their log probabilities in place of a loss, ``(documents,)``.
    """

    def __init__(self, beta: float) -> None:
        self._beta = beta

    def __call__(self, transformer: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        tokens = log_probabilities(hidden, transformer.head.weight, batch.targets)  # (T,)
        owners = torch.repeat_interleave(torch.tensor(batch.lengths, device=tokens.device))  # (T,)
        endings = tokens.new_zeros(len(batch.lengths)).index_add(0, owners, tokens)  # (documents,)
        if batch.references is None:
            return endings, {}
        rewards = self._beta * (endings - batch.references.to(endings.dtype))
        chosen, rejected = rewards[0::2], rewards[1::2]  # (pairs,)
        margins = chosen - rejected
        loss = -logsigmoid(margins).sum()
        return loss, {
            "loss": loss.detach(),
            "accuracy": (margins.detach() > 0).to(margins.dtype).sum(),
            "margin": margins.detach().sum(),
            "chosen_reward": chosen.detach().sum(),
            "rejected_reward": rejected.detach().sum(),
        }


@torch.no_grad()
def reference_log_probabilities(path: Path, shard: Shard, forward: Forward, device: Device) -> NDArray[np.float64]:
    """What the model, as it is now, gives to each ending of a shard's pairs: computed once, and kept in a file."""
    count = shard.description.documents
    if not path.is_file():
        values = _computed(PairRows(shard), forward, device)
        if device.is_first:
            partial = path.with_name(path.name + ".partial")
            values.astype("<f8").tofile(partial)
            partial.rename(path)
        return values
    stored = np.fromfile(path, dtype="<f8")
    if len(stored) != count:
        raise ShardError(f"{path} is damaged: it has {len(stored)} values for {count} endings")
    return stored


def _computed(rows: PairRows, forward: Forward, device: Device) -> NDArray[np.float64]:
    own = range(device.rank, len(rows), device.ranks)
    numbers = [*own, *[0] * (-(-len(rows) // device.ranks) - len(own))]  # each rank computes as many
    chosen = (rows.row(number) for number in numbers)
    groups = micro_batches(chosen, device.device) if device.ranks == 1 else ([row] for row in chosen)
    endings = torch.cat([forward(Batch.of(group, device.device))[0].double().cpu() for group in groups])
    values = torch.zeros(len(rows), 2, dtype=torch.float64)
    values[list(own)] = endings.view(-1, 2)[: len(own)]
    if device.ranks > 1:
        shared = values.to(device.device)
        torch.distributed.all_reduce(shared)
        values = shared.cpu()
    return values.flatten().numpy()
