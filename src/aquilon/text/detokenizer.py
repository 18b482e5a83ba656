"""Token ids to text while they arrive: only whole characters, each as soon as it is whole."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from aquilon.text.tokenizer import Tokenizer

_LONGEST_CHARACTER = 4
"""Bytes that UTF-8 needs at most for one character."""


class Detokenizer:
    """Turns a sequence's tokens into text, in constant time a token.

    Without a prompt all that is returned adds up to ``tokenizer.decode`` of all the
    ids. After ``prompt_ids`` it is the text that follows the prompt's: a character
    whose first bytes are the prompt's last is shown whole, and SentencePiece's leading
    space goes where the prompt ends in a control token.
    """

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._at_start = tokenizer.starts_text(prompt_ids)
        tail = b"".join(tokenizer.token_bytes(token_id) for token_id in prompt_ids[-_LONGEST_CHARACTER:])
        self._decoder.decode(tail[-(_LONGEST_CHARACTER - 1) :])

    def add(self, token_ids: Sequence[int]) -> str:
        """The text that these tokens complete; empty while a character is only begun."""
        data = b"".join(map(self._tokenizer.token_bytes, token_ids))
        if self._at_start and data:
            self._at_start = False
            data = data.removeprefix(b" ")
        return self._decoder.decode(data)

    def finish(self) -> str:
        """U+FFFD for a character that was begun and never completed, else nothing."""
        return self._decoder.decode(b"", final=True)
