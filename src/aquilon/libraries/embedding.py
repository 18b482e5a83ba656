"""The vectors of passages and questions, computed and charged as any other embedding is."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence

from aquilon.catalogue.catalogue import Catalogue
from aquilon.embeddings.local import EmbeddingModel
from aquilon.embeddings.pipeline import EmbeddingPipeline
from aquilon.embeddings.request import EmbeddingRequest, Purpose
from aquilon.libraries.vectors import Floats, unit
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.request import PromptCut

MOST_QUESTIONS = 512
"""Whose vectors are remembered."""
_REMEMBERED_SECONDS = 300.0


class Embedder:
    def __init__(self, catalogue: Catalogue, pipeline: EmbeddingPipeline) -> None:
        self._catalogue = catalogue
        self._pipeline = pipeline

    async def model(self) -> str | None:
        """The model for a new library: the one on this machine, so that texts stay here, or else an upstream's."""
        await self._catalogue.refresh()
        able = [card for card in self._catalogue.cards() if card.embeddings and not self._catalogue.is_retired(card)]
        able.sort(key=lambda card: not isinstance(card, EmbeddingModel))
        return able[0].name if able else None

    async def has(self, model: str) -> bool:
        """Whether a library's model is still here: another model's vectors can't be compared with its own."""
        await self._catalogue.refresh()
        card = self._catalogue.get(model)
        return card is not None and card.embeddings and not self._catalogue.is_retired(card)

    async def vectors(
        self, model: str, texts: Sequence[str], purpose: Purpose, principal: Principal
    ) -> tuple[list[bytes], int]:
        """A vector of 32-bit floats for each text, and the tokens that are charged.

        A text that is too long for the model is cut. Raises ApiError as `EmbeddingPipeline.answer` does.
        """
        cut = PromptCut(None, keeps_end=False)
        request = EmbeddingRequest(model=model, texts=tuple(texts), purpose=purpose, cut=cut)
        answered = await self._pipeline.answer(request, principal, request_id=new_id("embd"))
        return answered.result.vectors, answered.tokens


class QuestionVectors:
    """The vectors of questions, of which each caller's last ones are remembered for a few minutes, without their texts.

    An answer that is tried again, or searches several libraries in turn, asks the same question.
    """

    def __init__(self, embedder: Embedder, *, most: int = MOST_QUESTIONS) -> None:
        self._embedder = embedder
        self._most = most
        self._known: OrderedDict[tuple[str, str | None, str, bytes], tuple[float, Floats]] = OrderedDict()

    async def vector(self, model: str, question: str, principal: Principal) -> Floats:
        """Of length 1. Raises ApiError as `Embedder.vectors` does; a remembered vector costs nothing."""
        key = principal.user_id, principal.api_key_id, model, hashlib.sha256(question.encode()).digest()
        computed_at, vector = self._known.get(key, (0.0, None))
        if vector is None or computed_at + _REMEMBERED_SECONDS < time.monotonic():
            [computed], _ = await self._embedder.vectors(model, [question], "query", principal)
            vector = unit(computed)
            self._known[key] = time.monotonic(), vector
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return vector
