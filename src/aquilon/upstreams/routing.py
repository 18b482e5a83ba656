"""Decides which of a model's upstreams is asked first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aquilon.upstreams.health import Health
from aquilon.upstreams.upstream import ProvidedModel, Upstream

if TYPE_CHECKING:
    from aquilon.upstreams.client import UpstreamClient


@dataclass(kw_only=True)
class Target:
    """A model at one upstream."""

    upstream: Upstream
    model: ProvidedModel
    client: UpstreamClient
    health: Health = field(default_factory=Health)
    current: float = 0.0
    """The state of `in_turn`'s round robin."""


def in_turn(targets: Sequence[Target]) -> list[Target]:
    """The targets that may be asked now, in the order to ask them. Moves the round robin on.

    Smooth weighted round robin (as nginx does it) chooses the first of the targets with a weight: in any run of
    requests each gets its share, and they alternate. Targets with weight 0 come last.
    """
    healthy = [target for target in targets if target.health.may_ask()]
    weighted = [target for target in healthy if target.model.weight]
    if len(weighted) > 1:
        for target in weighted:
            target.current += target.model.weight
        first = max(weighted, key=lambda target: target.current)
        first.current -= sum(target.model.weight for target in weighted)
        others = sorted((target for target in weighted if target is not first), key=lambda target: -target.model.weight)
        weighted = [first, *others]
    return weighted + [target for target in healthy if not target.model.weight]
