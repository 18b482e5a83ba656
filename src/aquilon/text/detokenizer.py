"""Turn token ids into text while they arrive: each character as soon as it is complete."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from aquilon.text.tokenizer import Tokenizer

_LONGEST_CHARACTER = 4
"""The most bytes that UTF-8 needs for one character."""


class Detokenizer:
    """Turns a sequence's tokens into text, in constant time for each token.

    Without a prompt the returned texts add up to ``tokenizer.decode`` of all the ids.
    With ``prompt_ids`` they add up to the text after the prompt: a character whose
    first bytes end the prompt is returned whole, and SentencePiece's leading space is
    removed where the prompt ends in a control token.
    """

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Sequence[int] = (), *, names_control: bool = False) -> None:
        """``names_control``: whether a control token is written by its name; otherwise it has no text."""
        self._tokenizer = tokenizer
        self._names_control = names_control
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._at_start = tokenizer.starts_text(prompt_ids)
        tail = b"".join(tokenizer.token_bytes(token_id) for token_id in prompt_ids[-_LONGEST_CHARACTER:])
        self._decoder.decode(tail[-(_LONGEST_CHARACTER - 1) :])

    def add(self, token_ids: Sequence[int]) -> str:
        """The text that these tokens complete; empty while a character is incomplete."""
        data = b"".join(map(self._bytes, token_ids))
        if self._at_start and data:
            self._at_start = False
            data = data.removeprefix(b" ")
        return self._decoder.decode(data)

    def _bytes(self, token_id: int) -> bytes:
        if self._names_control and self._tokenizer.is_control(token_id):
            return self._tokenizer.token_text(token_id).encode()
        return self._tokenizer.token_bytes(token_id)

    def finish(self) -> str:
        """U+FFFD for an incomplete last character, else an empty text."""
        return self._decoder.decode(b"", final=True)
