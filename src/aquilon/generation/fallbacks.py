"""Fall-back models, local or upstream: asked in order until one begins to answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.errors import ApiError
from aquilon.generation.prepared import Bounded, Prepared
from aquilon.log import get_logger
from aquilon.money.settlement import Charge
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation
from aquilon.request import Event, GenerationRequest, Started, TokenPrompt

log = get_logger("aquilon.fallbacks")


class Backend(Protocol):
    """Answers requests for one kind of model: the local engine, or upstreams."""

    async def prepare(
        self, request: GenerationRequest, card: Any, principal: Principal, *, patient: bool = True
    ) -> Prepared:
        """``card`` is of the backend's kind; ``patient``: wait for an engine that restarts.

        Raises ApiError.
        """


@dataclass(frozen=True)
class Unprepared(Bounded):
    """A `Prepared` for a model that can't answer now: only its fall-backs may."""

    reason: ApiError

    async def stream(self, position: int, charge: Charge) -> AsyncGenerator[Event]:
        raise self.reason
        yield  # type: ignore[unreachable]  # makes the method a generator


class Fallbacks:
    """Asks the fall-backs of a model. The fall-backs of a fall-back are never asked, so that no chain loops."""

    def __init__(
        self,
        chains: Callable[[str], Sequence[str]],
        catalogue: Catalogue,
        backends: Mapping[type[ModelCard], Backend],
    ) -> None:
        """``chains``: the fall-backs of a model, in order."""
        self._chains = chains
        self._catalogue = catalogue
        self._backends = backends

    def of(self, model: str, request: GenerationRequest, principal: Principal) -> Sequence[str]:
        """The names of the model's fall-backs; empty for token ids, which belong to one model's vocabulary.

        A request from another Aquilon has none either: two servers that fall back to each
        other would pass it to and fro, so only the first server asks fall-backs.
        """
        names = self._chains(model)
        if not names or principal.hops or _in_token_ids(request):
            return ()
        return names

    async def prepare(
        self, backend: Backend, request: GenerationRequest, *, card: ModelCard, principal: Principal
    ) -> Prepared:
        """Prepare a model with fall-backs, without waiting for it. Raises ApiError for errors of the client."""
        try:
            return await backend.prepare(request, card, principal, patient=False)
        except ApiError as error:
            if not may_fall_back(error):
                raise
            return Unprepared(card, request, error)

    async def stream(
        self, first: Prepared, names: Sequence[str], *, principal: Principal, position: int, charge: Charge
    ) -> AsyncGenerator[Event]:
        """The events of the first model that begins to answer. Its Started names the model, unless it is ``first``.

        Raises ApiError: the error of ``first``, if no fall-back can answer either.
        """
        first_error: ApiError | None = None
        for place, name in enumerate(("", *names)):
            last = place == len(names)
            prepared = await self._stand_in(first, name, principal, patient=last) if name else first
            if prepared is None:
                continue
            async with aclosing(prepared.stream(position, charge)) as events:
                try:
                    first_event = await anext(events)
                except ApiError as error:
                    if first_error is None and not may_fall_back(error):
                        raise
                    if first_error is not None:
                        _log_refusal(first.model, name, error)
                    first_error = first_error or error
                    continue
                if name and isinstance(first_event, Started):
                    log.info("A fall-back answers", model=first.model, fallback=name)
                    first_event = msgspec.structs.replace(first_event, stand_in=name)
                yield first_event
                async for event in events:
                    yield event
                return
        assert first_error is not None
        raise first_error

    async def _stand_in(self, first: Prepared, name: str, principal: Principal, *, patient: bool) -> Prepared | None:
        """None if the fall-back can't answer this. Its error is logged: clients get the requested model's error."""
        card = self._catalogue.get(name)
        backend = self._backends.get(type(card)) if card is not None else None
        if card is None or backend is None or self._catalogue.is_retired(card):
            return None
        if card.organization_id not in (None, principal.organization_id):
            return None
        try:
            require_generation(principal, name)
            return await backend.prepare(first.request, card, principal, patient=patient)
        except ApiError as error:
            _log_refusal(first.model, name, error)
            return None


def may_fall_back(error: ApiError) -> bool:
    """Whether the server is at fault; an error of the client's is sent to the client."""
    return error.status >= 500


def _log_refusal(model: str, name: str, error: ApiError) -> None:
    log.warning("A fall-back can't answer", model=model, fallback=name, error=error.message)


def _in_token_ids(request: GenerationRequest) -> bool:
    sampling = request.sampling
    return isinstance(request.prompt, TokenPrompt) or any(
        (sampling.logit_bias, sampling.stop_token_ids, sampling.allowed_token_ids, sampling.logprob_token_ids)
    )
