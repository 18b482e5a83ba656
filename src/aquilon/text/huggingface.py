"""Reads tokenizers and chat templates from Hugging Face folders.

``tokenizer.json`` is the ``tokenizers`` library's own file; ``tokenizer_config.json``,
``special_tokens_map.json``, ``generation_config.json`` and ``config.json`` say which
tokens begin and end texts; templates stand in ``chat_template.jinja``, in
``additional_chat_templates/``, or in the tokenizer's configuration.
"""

from __future__ import annotations

import codecs
import json
import math
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import pre_tokenizers

from aquilon.text.added_tokens import AddedToken
from aquilon.text.spelling import byte_level_bytes, sentencepiece_bytes
from aquilon.text.subword import SpecialTokens, Spelling, SubwordTokenizer, as_tokenizer_error
from aquilon.text.tokenizer import TokenizerError

_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
_MODELS = ("BPE", "Unigram")
_LAST_ID = 2**24
_MOST_GROWTH = 256


def tokenizer_from_folder(folder: Path, *, rows: int | None = None) -> SubwordTokenizer:
    """The tokenizer of a folder with a ``tokenizer.json``, for a model with ``rows`` rows of weights.

    Raises TokenizerError if it is damaged or of an unknown kind.
    """
    path = folder / "tokenizer.json"
    with as_tokenizer_error(f"{path} can't be read"):
        pipeline = tokenizers.Tokenizer.from_buffer(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    kind = type(pipeline.model).__name__
    if kind not in _MODELS:
        raise TokenizerError(f"{path} holds a {kind} model; those that work here are {', '.join(_MODELS)}")
    if pipeline.normalizer is not None and (growth := _growth(json.loads(_state(pipeline.normalizer)))) > _MOST_GROWTH:
        raise TokenizerError(
            f"{path}: its normalizer may make a text {growth} times as long, {_MOST_GROWTH} times are allowed"
        )
    config = _Config(folder / "tokenizer_config.json")
    added = _added(pipeline, config)
    first, rest = tokenizers.Tokenizer(pipeline.model), tokenizers.Tokenizer(pipeline.model)
    for part in (first, rest):
        if pipeline.normalizer is not None:
            part.normalizer = pipeline.normalizer
        if pipeline.pre_tokenizer is not None:
            part.pre_tokenizer = pipeline.pre_tokenizer
    if pipeline.pre_tokenizer is not None:
        rest.pre_tokenizer = _not_first(pipeline.pre_tokenizer)
    spelling, leading_space = _spelling(pipeline)
    last = max([*pipeline.get_vocab(with_added_tokens=True).values(), *added], default=0)
    if last > _LAST_ID:
        raise TokenizerError(f"{path} has a token {last}; ids up to {_LAST_ID} are allowed")
    return SubwordTokenizer(
        first=first,
        rest=rest,
        added=added.values(),
        spelling=spelling,
        vocab_size=last + 1,
        special=_special(folder, pipeline, config),
        leading_space=leading_space,
        rows=rows,
    )


def templates_from_folder(folder: Path) -> dict[str, str]:
    """The folder's chat templates by name (``default``, ``tool_use``, ...); an empty dict if it has none.

    Raises TokenizerError.
    """
    templates: dict[str, str] = {}
    for name in ("tokenizer_config.json", "chat_template.json"):
        templates |= _Config(folder / name).templates()
    for path in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        templates[path.stem] = _text(path)
    alone = folder / "chat_template.jinja"
    if alone.is_file():
        templates["default"] = _text(alone)
    return templates


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None


class _Config:
    """One of the JSON files beside the tokenizer, with checked types; empty if the file is missing.

    Raises TokenizerError, which names the file and the field.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fields: dict[str, Any] = {}
        if not path.is_file():
            return
        try:
            fields = json.loads(path.read_bytes().removeprefix(codecs.BOM_UTF8))
        except (ValueError, RecursionError) as error:
            raise TokenizerError(f"{path} is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise TokenizerError(f"{path} holds no JSON object")
        self._fields = fields

    def flag(self, name: str) -> bool | None:
        """None if the file doesn't have it."""
        value = self._fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._wrong(name, value, "true or false")

    def token(self, name: str) -> str | None:
        """A special token's text, written alone or with its attributes."""
        value = self._fields.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if text is None or isinstance(text, str):
            return text
        raise self._wrong(name, value, "a token's text, or an object with its 'content'")

    def ids(self, name: str) -> list[int]:
        """One token id or a list of them."""
        value = self._fields.get(name)
        ids = value if isinstance(value, list) else [] if value is None else [value]
        if not all(_is_id(token_id) for token_id in ids):
            raise self._wrong(name, value, "a token's id or a list of ids")
        return ids

    def added(self) -> dict[int, tuple[str, bool]]:
        """Text and control of each token in ``added_tokens_decoder``, by its id."""
        entries = self._fields.get("added_tokens_decoder") or {}
        if not isinstance(entries, dict):
            raise self._wrong("added_tokens_decoder", entries, "an object of tokens by their ids")
        added = {}
        for key, entry in entries.items():
            name = f"added_tokens_decoder.{key}"
            if not (key.isascii() and key.isdigit() and len(key) < 10):
                raise self._wrong(name, key, "named by a token's id")
            if not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
                raise self._wrong(name, entry, "an object with the token's text as 'content'")
            added[int(key)] = entry["content"], bool(entry.get("special"))
        return added

    def templates(self) -> dict[str, str]:
        """One template, a list of named ones, or an object of them."""
        stated = self._fields.get("chat_template")
        if stated is None:
            return {}
        named: Any = stated
        if isinstance(stated, str):
            named = {"default": stated}
        elif isinstance(stated, list) and all(
            isinstance(entry, dict) and type(entry.get("name")) is str for entry in stated
        ):
            named = {entry["name"]: entry.get("template") for entry in stated}
        if not isinstance(named, dict) or not all(isinstance(source, str) for source in named.values()):
            raise self._wrong("chat_template", stated, "a text, or texts with their names")
        return named

    def _wrong(self, name: str, value: Any, right: str) -> TokenizerError:
        return TokenizerError(f"{self._path}: {name[:80]} is {value!r:.60}: it must be {right}")


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LAST_ID


def _growth(normalizer: Any) -> int:
    """The most times as long as before that a normalizer can make a text."""
    kind = normalizer.get("type")
    if kind == "Sequence":
        return math.prod(map(_growth, normalizer["normalizers"]))
    if kind == "Prepend":
        return 1 + len(normalizer["prepend"])
    if kind == "Replace":
        length = len(normalizer["content"])
        return max(1, length) if normalizer["pattern"].get("String") else 1 + length  # an expression may match nothing
    return 1


def _added(pipeline: tokenizers.Tokenizer, config: _Config) -> dict[int, AddedToken]:
    added = {
        token_id: AddedToken(
            token_id,
            token.content,
            control=token.special,
            strip_left=token.lstrip,
            strip_right=token.rstrip,
            single_word=token.single_word,
        )
        for token_id, token in pipeline.get_added_tokens_decoder().items()
    }
    for token_id, (text, control) in config.added().items():
        if token_id not in added:
            added[token_id] = AddedToken(token_id, text, control=control)
    return added


def _state(component: Any) -> str:
    """A component of the pipeline as the JSON that ``tokenizer.json`` writes it in."""
    state: bytes = component.__getstate__()
    return state.decode()


def _not_first(words: pre_tokenizers.PreTokenizer) -> pre_tokenizers.PreTokenizer:
    """The same pre-tokenizer for text in the middle: it writes no space before the first word."""
    state = _state(words)
    later = pre_tokenizers.Sequence([])
    later.__setstate__(state.replace('"prepend_scheme":"first"', '"prepend_scheme":"never"').encode())
    return later


def _spelling(pipeline: tokenizers.Tokenizer) -> tuple[Spelling, bool]:
    """How pieces are spelled, and whether the tokenizer adds a text's leading space."""
    decoder = _state(pipeline.decoder) if pipeline.decoder is not None else ""
    if "ByteLevel" in decoder:
        return byte_level_bytes, False
    strips = '"Strip"' in decoder or ('"Metaspace"' in decoder and '"prepend_scheme":"never"' not in decoder)
    return sentencepiece_bytes, strips


def _special(folder: Path, pipeline: tokenizers.Tokenizer, config: _Config) -> SpecialTokens:
    older = _Config(folder / "special_tokens_map.json")
    names = {name: text for name in _NAMES if (text := config.token(name) or older.token(name))}
    ids = {name: token_id for name, text in names.items() if (token_id := pipeline.token_to_id(text)) is not None}
    ends = {ids["eos_token"]} if "eos_token" in ids else set()
    for name in ("generation_config.json", "config.json"):
        ends.update(_Config(folder / name).ids("eos_token_id"))
    with as_tokenizer_error(f"{folder / 'tokenizer.json'} can't encode a letter"):
        plain = pipeline.encode("a", add_special_tokens=False).ids
        whole = pipeline.encode("a", add_special_tokens=True).ids
    begin = whole.index(plain[0]) if plain and plain[0] in whole else 0
    adds_bos, adds_eos = begin > 0, len(whole) > begin + len(plain)
    if adds_bos and "bos_token" not in ids:
        ids["bos_token"] = whole[0]
    return SpecialTokens(
        bos_id=ids.get("bos_token"),
        eos_id=ids.get("eos_token"),
        unk_id=ids.get("unk_token"),
        add_bos=bool(_first_stated(config.flag("add_bos_token"), adds_bos)),
        add_eos=bool(_first_stated(config.flag("add_eos_token"), adds_eos)),
        eos_ids=frozenset(ends),
        names=names,
    )


def _first_stated(*values: bool | None) -> bool | None:
    return next((value for value in values if value is not None), None)
