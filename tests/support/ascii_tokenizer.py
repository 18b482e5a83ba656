"""A vocabulary of 160 tokens for random models: ASCII, some words of JSON, three control tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aquilon.engine.constraints import Vocabulary
from aquilon.text.tokenizer import decode_tokens

SIZE = 160
BOS, EOS, MARK = 1, 2, 0
_WORDS = [
    b'"',
    b'{"',
    b'": ',
    b'", "',
    b'"}',
    b"true",
    b"false",
    b"null",
    b", ",
    b": ",
    b"[]",
    b"{}",
    b"\xc3\xa9",
    b"12",
]


class AsciiTokenizer:
    """Encodes greedily, the longest token first."""

    vocab_size = SIZE
    bos_id: int | None = BOS
    eos_ids = frozenset((EOS,))
    unused_ids = frozenset[int]()

    def __init__(self) -> None:
        self._names = {MARK: "<mark>", BOS: "<s>", EOS: "</s>"}
        texts = [*_WORDS, *(bytes((byte,)) for byte in range(10, 127) if byte != ord('"'))]
        texts += [bytes((byte,)) for byte in range(127, 256)]
        self._bytes = dict(enumerate(texts[: SIZE - 3], start=3))
        self._ids = {text: token_id for token_id, text in self._bytes.items()}

    @property
    def control_tokens(self) -> Mapping[str, int]:
        return {name: token_id for token_id, name in self._names.items()}

    def encode(self, text: str, *, add_special: bool = True, parse_special: bool = False) -> list[int]:
        data, ids = text.encode(), [BOS] if add_special else []
        while data:
            length = next(length for length in (5, 4, 3, 2, 1) if data[:length] in self._ids)
            ids.append(self._ids[data[:length]])
            data = data[length:]
        return ids

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        return decode_tokens(self, ids, skip_special=skip_special)

    def token_bytes(self, token_id: int) -> bytes:
        return self._bytes.get(token_id, b"")

    def token_text(self, token_id: int) -> str:
        return self._names.get(token_id) or self.token_bytes(token_id).decode(errors="replace")

    def is_control(self, token_id: int) -> bool:
        return token_id in self._names

    def starts_text(self, previous_ids: Sequence[int]) -> bool:
        return False


def ascii_vocabulary() -> Vocabulary:
    return Vocabulary(AsciiTokenizer(), frozenset((EOS,)), SIZE)
