"""Subword tokenizers on the ``tokenizers`` library: byte-level BPE, SentencePiece's BPE, Unigram.

The library merges. This file decides which strings are whole tokens (control tokens and
user-defined ones), because plain text must never become a control token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import tokenizers
from tokenizers import models

from aquilon.text.added_tokens import AddedToken, AddedTokens
from aquilon.text.cutting import Cutter
from aquilon.text.tokenizer import TokenizerError, decode_tokens, require_unicode

Spelling = Callable[[str], bytes]
"""Turns a piece of the vocabulary into the bytes that it stands for."""


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """The ids of the tokens that begin and end this model's texts."""

    bos_id: int | None = None
    eos_id: int | None = None
    unk_id: int | None = None
    """The token for characters that a vocabulary without byte tokens doesn't have."""
    add_bos: bool = False
    add_eos: bool = False
    eos_ids: frozenset[int] = field(default_factory=frozenset)
    names: dict[str, str] = field(default_factory=dict)
    """``bos_token``, ``eos_token``, ... as chat templates ask for them."""


@contextmanager
def as_tokenizer_error(problem: str) -> Iterator[None]:
    """Turn the library's errors and panics into a TokenizerError whose message begins with ``problem``.

    A panic of Rust code reaches Python as a BaseException; the value under construction
    is dropped.
    """
    try:
        yield
    except TokenizerError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise TokenizerError(f"{problem}: {error}") from None


def merging_model(
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    *,
    whole_words: bool = False,
    byte_fallback: bool = False,
) -> models.BPE:
    """A BPE model out of a vocabulary and its merges, first ones first. Raises TokenizerError."""
    for left, right in merges:
        if not (left in vocab and right in vocab and left + right in vocab):
            raise TokenizerError(f"the merge of '{left}' and '{right}' does not fit the vocabulary")
    with as_tokenizer_error("the vocabulary can't be merged"):
        return models.BPE(
            vocab=dict(vocab),
            merges=list(merges),
            ignore_merges=whole_words,
            byte_fallback=byte_fallback,
            fuse_unk=byte_fallback,
        )
    raise AssertionError  # for the type checker, which assumes that the context may swallow errors


class SubwordTokenizer:
    """A :class:`~aquilon.text.tokenizer.Tokenizer` around one or two pipelines of the ``tokenizers`` library.

    ``first`` encodes the text's beginning, ``rest`` what follows an added token: they
    differ where SentencePiece puts a space before the first word only. They share one
    model and hold no added tokens themselves.
    """

    def __init__(
        self,
        *,
        first: tokenizers.Tokenizer,
        rest: tokenizers.Tokenizer,
        added: Iterable[AddedToken],
        spelling: Spelling,
        vocab_size: int,
        special: SpecialTokens,
        leading_space: bool = False,
        unused_ids: Iterable[int] = (),
        rows: int | None = None,
    ) -> None:
        """``rows`` is the number of rows of the model's weights: no text, a message's neither, becomes a token beyond.

        Raises TokenizerError if other tokens are beyond them too, or the tokens that texts begin or end with.
        """
        self._first = first
        self._rest = rest
        known = vocab_size if rows is None else min(vocab_size, rows)
        all_added = {token.id: replace(token, control=token.control or token.id >= known) for token in added}
        pieces = set(rest.get_vocab(with_added_tokens=False).values()) - all_added.keys()
        _require_rows(known, pieces, special)
        self._added = {token_id: token for token_id, token in all_added.items() if token_id < known}
        self._control_ids = frozenset(token.id for token in self._added.values() if token.control)
        # One character can't be marked as text, so a control token of one character is never read out of text.
        self._markup = AddedTokens(token for token in all_added.values() if not token.control or len(token.text) > 1)
        self._all = AddedTokens(all_added.values())
        self._plain = AddedTokens(token for token in self._added.values() if not token.control)
        never_text = [token for token in all_added.values() if token.control]
        self._controls = AddedTokens(never_text)
        self._never_text = {token.id for token in never_text} - {special.unk_id}
        self._cutter = Cutter(rest)
        self._spelling = spelling
        self._leading_space = leading_space
        self.vocab_size = known
        holes = set(range(known)) - pieces - all_added.keys()
        self.unused_ids = frozenset(holes.union(token_id for token_id in unused_ids if token_id < known))
        self.special = _within(known, special)

    @property
    def eos_ids(self) -> frozenset[int]:
        return self.special.eos_ids

    @property
    def bos_id(self) -> int | None:
        return self.special.bos_id

    @property
    def added_tokens(self) -> Iterable[AddedToken]:
        return self._added.values()

    @property
    def matched_tokens(self) -> Iterable[AddedToken]:
        """The added tokens, and those beyond the model's weights, which count as control tokens."""
        return self._all

    def encode(self, text: str, *, add_special: bool = True, parse_special: bool = False) -> list[int]:
        require_unicode(text)
        ids = self._encode_pieces((self._all if parse_special else self._plain).split(text), ignored="")
        if not add_special:
            return ids
        begin = [self.special.bos_id] if self.special.add_bos and self.special.bos_id is not None else []
        end = [self.special.eos_id] if self.special.add_eos and self.special.eos_id is not None else []
        return begin + ids + end

    def encode_markup(self, text: str, *, ignored: str = "") -> list[int]:
        """Ids of a chat template's text, in which names of control tokens become control tokens.

        The character ``ignored`` is removed after the text was split at its control tokens,
        so a token with it inside is plain text.
        """
        require_unicode(text)
        return self._encode_pieces(self._markup.split(text), ignored)

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        return decode_tokens(self, ids, skip_special=skip_special)

    def token_bytes(self, token_id: int) -> bytes:
        added = self._added.get(token_id)
        if added is not None:
            return b"" if added.control else added.text.encode()
        piece = self._rest.id_to_token(token_id) if 0 <= token_id < 2**32 else None
        if piece is None:
            if 0 <= token_id < self.vocab_size:
                return b""
            raise ValueError(f"token id {token_id} is not in this vocabulary of {self.vocab_size} tokens")
        return self._spelling(piece)

    def token_text(self, token_id: int) -> str:
        added = self._added.get(token_id)
        return added.text if added is not None else self.token_bytes(token_id).decode("utf-8", errors="replace")

    def token_piece(self, token_id: int) -> str:
        added = self._added.get(token_id)
        return added.text if added is not None else self._rest.id_to_token(token_id) or ""

    @property
    def control_tokens(self) -> Mapping[str, int]:
        return {token.text: token.id for token in self._added.values() if token.control}

    def is_control(self, token_id: int) -> bool:
        return token_id in self._control_ids

    def starts_text(self, previous_ids: Sequence[int]) -> bool:
        return self._leading_space and (not previous_ids or previous_ids[-1] in self._control_ids)

    def _encode_pieces(self, pieces: Iterable[str | AddedToken], ignored: str) -> list[int]:
        ids: list[int] = []
        pipeline = self._first
        for piece in pieces:
            if isinstance(piece, AddedToken):
                if piece.id >= self.vocab_size:
                    raise ValueError(
                        f"'{piece.text}' is token {piece.id}, and the model has weights for the tokens from 0 to "
                        f"{self.vocab_size - 1} only"
                    )
                ids.append(piece.id)
            else:
                text = piece.replace(ignored, "") if ignored else piece
                ids.extend(self._encode_plain(text, pipeline))
            pipeline = self._rest
        return ids

    def _encode_plain(self, text: str, pipeline: tokenizers.Tokenizer) -> list[int]:
        ids: list[int] = []
        for part in self._cutter.cut(text):
            part_ids = _ids(pipeline, part)
            if not self._never_text.isdisjoint(part_ids):
                part_ids = self._encode_apart(part, pipeline)
            ids.extend(part_ids)
            pipeline = self._rest
        return ids

    def _encode_apart(self, text: str, pipeline: tokenizers.Tokenizer) -> list[int]:
        """Ids, letter by letter, of text that spells a control token and that the vocabulary would encode as one."""
        ids: list[int] = []
        for piece in self._controls.split(text):
            for part in piece.text if isinstance(piece, AddedToken) else (piece,):
                ids.extend(_ids(pipeline, part))
                pipeline = self._rest
        if not self._never_text.isdisjoint(ids):
            raise ValueError("the model's vocabulary can encode this text only as a control token")
        return ids


def _ids(pipeline: tokenizers.Tokenizer, text: str) -> list[int]:
    """Raises TokenizerError if the vocabulary's own rules fail on the text, such as an expression without end."""
    with as_tokenizer_error("the model's tokenizer fails on this text"):
        ids: list[int] = pipeline.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return ids
    raise AssertionError  # for the type checker, see merging_model


def _require_rows(known: int, pieces: Iterable[int], special: SpecialTokens) -> None:
    """Raises TokenizerError unless the tokens of texts have rows of weights: ``pieces``, begin and end."""
    needed = [*pieces]
    needed += [special.bos_id] if special.add_bos and special.bos_id is not None else []
    needed += [special.eos_id] if special.add_eos and special.eos_id is not None else []
    if needed and max(needed) >= known:
        raise TokenizerError(
            f"the vocabulary makes texts of tokens up to {max(needed)}, "
            f"and the model has weights for the tokens from 0 to {known - 1} only"
        )


def _within(known: int, special: SpecialTokens) -> SpecialTokens:
    """The special tokens without those that have no row of weights."""
    ids = (special.bos_id, special.eos_id, special.unk_id)
    bos_id, eos_id, unk_id = (None if token_id is None or token_id >= known else token_id for token_id in ids)
    eos_ids = frozenset(token_id for token_id in special.eos_ids if token_id < known)
    return replace(special, bos_id=bos_id, eos_id=eos_id, unk_id=unk_id, eos_ids=eos_ids)
