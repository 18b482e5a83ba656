"""SentencePiece vocabularies with BPE, scores and byte fallback, such as the first Llama and Mistral models'."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

from aquilon.text.subword import merging_model
from aquilon.text.tokenizer import TokenizerError

_SPACE = "▁"
_WORD = re.compile(f"[^{_SPACE}]{_SPACE}")
"""Matches pieces that span two words."""


def pipelines(
    pieces: Mapping[str, int], scores: Sequence[float], *, unmergeable: Collection[int], add_space_prefix: bool
) -> tuple[tokenizers.Tokenizer, tokenizers.Tokenizer]:
    """The pipelines for the beginning of a text and for text after an added token.

    ``pieces`` maps to ids, which index ``scores``; the pieces in ``unmergeable`` (bytes)
    are never the product of a merge. Raises TokenizerError.
    """
    missing = [byte for byte in range(256) if f"<0x{byte:02X}>" not in pieces]
    if missing:
        raise TokenizerError(
            f"this vocabulary has no token for the byte 0x{missing[0]:02X}, so it can't write every text"
        )
    model = merging_model(pieces, _merges(pieces, scores, unmergeable), byte_fallback=True)
    spaces = normalizers.Replace(" ", _SPACE)
    # Where no piece spans two words, words can be merged one by one: the result is the same and much faster.
    words = (
        None
        if any(map(_WORD.search, pieces))
        else pre_tokenizers.Split(Regex(f"{_SPACE}*[^{_SPACE}]+|{_SPACE}+"), "isolated")
    )
    first, rest = tokenizers.Tokenizer(model), tokenizers.Tokenizer(model)
    for pipeline in (first, rest):
        pipeline.normalizer = spaces
        if words is not None:
            pipeline.pre_tokenizer = words
    if add_space_prefix:
        first.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), spaces])
    return first, rest


def _merges(pieces: Mapping[str, int], scores: Sequence[float], unmergeable: Collection[int]) -> list[tuple[str, str]]:
    """All pairs of pieces that join to a piece, in order of its score.

    SentencePiece merges the neighbours with the best score and, among equal scores, the
    leftmost. Runs of spaces have equal scores: with the longer left half first, the
    leftmost run is extended.
    """
    merges: list[tuple[float, int, int, str, str]] = []
    for piece, token_id in pieces.items():
        if token_id in unmergeable:
            continue
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in pieces and right in pieces:
                merges.append((-scores[token_id], -cut, token_id, left, right))
    merges.sort(key=lambda merge: merge[:3])
    return [(left, right) for _, _, _, left, right in merges]
