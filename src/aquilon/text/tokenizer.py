"""The interface of tokenizers of all formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class TokenizerError(ValueError):
    """A vocabulary that can't be used; the message says what is wrong with it."""


class Tokenizer(Protocol):
    """Text to token ids and back.

    A *control token* (begin of sequence, end of turn, ...) steers the model and has no
    text. ``encode`` never turns text into one without ``parse_special``; otherwise only
    ``add_special`` and chat templates write them.
    """

    @property
    def vocab_size(self) -> int: ...

    @property
    def unused_ids(self) -> frozenset[int]:
        """Ids below ``vocab_size`` without a token: gaps, and padding of the weights."""
        ...

    @property
    def eos_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""
        ...

    @property
    def bos_id(self) -> int | None: ...

    def encode(self, text: str, *, add_special: bool = True, parse_special: bool = False) -> list[int]:
        """Token ids of a text; ``add_special`` adds the begin and end tokens that the model was trained with.

        With ``parse_special``, a control token's name in the text becomes that token. Use it
        only for text that the caller wrote, such as a conversation that it rendered itself.
        Raises ValueError for text that has no UTF-8 form (lone surrogates).
        """
        ...

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of token ids; bytes that aren't UTF-8 become U+FFFD. Raises ValueError for an id out of range."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes, possibly part of a character, that this token adds to a text; none for a control token."""
        ...

    def token_text(self, token_id: int) -> str:
        """A token as people read it in log probabilities: its text, or a control token's name."""
        ...

    def token_piece(self, token_id: int) -> str:
        """A token as its vocabulary spells it, such as ``Ġthe`` or ``▁the``."""
        ...

    def is_control(self, token_id: int) -> bool: ...

    @property
    def control_tokens(self) -> Mapping[str, int]:
        """Ids of control tokens by their names."""
        ...

    def starts_text(self, previous_ids: Sequence[int]) -> bool:
        """Whether a token after these begins a text, so that SentencePiece's leading space is not part of it."""
        ...


def decode_tokens(tokenizer: Tokenizer, ids: Sequence[int], *, skip_special: bool) -> str:
    """The common ``decode``: the tokens' bytes in a row, without the space that the tokenizer adds to a text."""
    starts = tokenizer.starts_text(())
    parts: list[bytes] = []
    for token_id in ids:
        data = tokenizer.token_bytes(token_id)
        if not skip_special and tokenizer.is_control(token_id):
            data = tokenizer.token_text(token_id).encode()
        elif starts and data:
            starts = False
            data = data.removeprefix(b" ")
        parts.append(data)
    return b"".join(parts).decode("utf-8", errors="replace")


def require_unicode(text: str) -> None:
    """Raise ValueError for text that no tokenizer can take: lone surrogates have no UTF-8 form."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        position = error.start
        raise ValueError(
            f"the text holds half a surrogate pair (U+{ord(text[position]):04X}) at character {position}, "
            "which is not valid Unicode"
        ) from None
