"""Which of a model's upstreams is asked first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aquilon.upstreams.health import Health
from aquilon.upstreams.upstream import ProvidedModel, Upstream

if TYPE_CHECKING:
    from aquilon.upstreams.client import UpstreamClient


@dataclass
class Target:
    """A model at one upstream."""

    upstream: Upstream
    model: ProvidedModel
    client: UpstreamClient
    health: Health = field(default_factory=Health)
    current: float = 0.0
    """For `in_turn`."""


def in_turn(targets: Sequence[Target]) -> list[Target]:
    """Those that may be asked now, in the order to ask them.

    The first one of those with a weight is chosen by smooth weighted round robin (as nginx does): of any run of
    requests each gets its share, and they alternate. Those of weight 0 come last.
    """
    healthy = [target for target in targets if target.health.may_ask()]
    weighted = [target for target in healthy if target.model.weight]
    if len(weighted) > 1:
        for target in weighted:
            target.current += target.model.weight
        first = max(weighted, key=lambda target: target.current)
        first.current -= sum(target.model.weight for target in weighted)
        others = sorted((each for each in weighted if each is not first), key=lambda each: -each.model.weight)
        weighted = [first, *others]
    return weighted + [target for target in healthy if not target.model.weight]
