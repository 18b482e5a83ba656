"""Tokenizers and chat templates as Hugging Face folders hold them.

``tokenizer.json`` is the ``tokenizers`` library's own file; ``tokenizer_config.json``,
``special_tokens_map.json``, ``generation_config.json`` and ``config.json`` say which
tokens begin and end texts; templates stand in ``chat_template.jinja``, in
``additional_chat_templates/``, or in the tokenizer's configuration.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
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


def tokenizer_from_folder(folder: Path) -> SubwordTokenizer:
    """The tokenizer of a folder with a ``tokenizer.json``. Raises TokenizerError for a damaged or unknown one."""
    path = folder / "tokenizer.json"
    with as_tokenizer_error(f"{path} can't be read"):
        pipeline = tokenizers.Tokenizer.from_buffer(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    kind = type(pipeline.model).__name__
    if kind not in _MODELS:
        raise TokenizerError(f"{path} holds a {kind} model; those that work here are {', '.join(_MODELS)}")
    config = _read(folder / "tokenizer_config.json")
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
    return SubwordTokenizer(
        first=first,
        rest=rest,
        added=added.values(),
        spelling=spelling,
        vocab_size=max([pipeline.get_vocab_size(), *(token_id + 1 for token_id in added)]),
        special=_special(folder, pipeline, config),
        leading_space=leading_space,
    )


def templates_from_folder(folder: Path) -> dict[str, str]:
    """The folder's chat templates by name (``default``, ``tool_use``, ...); none is an empty dict."""
    templates: dict[str, str] = {}
    for source in (_read(folder / "tokenizer_config.json"), _read(folder / "chat_template.json")):
        stated = source.get("chat_template")
        if isinstance(stated, str):
            templates["default"] = stated
        elif isinstance(stated, list):
            templates |= {str(entry["name"]): str(entry["template"]) for entry in stated}
        elif isinstance(stated, dict):
            templates |= {str(name): str(template) for name, template in stated.items()}
    for path in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        templates[path.stem] = path.read_text(encoding="utf-8-sig")
    alone = folder / "chat_template.jinja"
    if alone.is_file():
        templates["default"] = alone.read_text(encoding="utf-8-sig")
    return templates


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise TokenizerError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise TokenizerError(f"{path} holds no JSON object")
    return content


def _added(pipeline: tokenizers.Tokenizer, config: Mapping[str, Any]) -> dict[int, AddedToken]:
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
    for key, entry in (config.get("added_tokens_decoder") or {}).items():
        token_id = int(key)
        if token_id not in added:
            added[token_id] = AddedToken(token_id, str(entry["content"]), control=bool(entry.get("special")))
    return added


def _state(component: Any) -> str:
    """A component of the pipeline as the JSON that ``tokenizer.json`` writes it in."""
    state: bytes = component.__getstate__()
    return state.decode()


def _not_first(words: pre_tokenizers.PreTokenizer) -> pre_tokenizers.PreTokenizer:
    """The same pre-tokenizer for text that begins nothing: without a space before its first word."""
    state = _state(words)
    later = pre_tokenizers.Sequence([])
    later.__setstate__(state.replace('"prepend_scheme":"first"', '"prepend_scheme":"never"').encode())
    return later


def _spelling(pipeline: tokenizers.Tokenizer) -> tuple[Spelling, bool]:
    """How pieces are written, and whether a text's leading space is the tokenizer's and not its own."""
    decoder = _state(pipeline.decoder) if pipeline.decoder is not None else ""
    if "ByteLevel" in decoder:
        return byte_level_bytes, False
    strips = '"Strip"' in decoder or ('"Metaspace"' in decoder and '"prepend_scheme":"never"' not in decoder)
    return sentencepiece_bytes, strips


def _special(folder: Path, pipeline: tokenizers.Tokenizer, config: Mapping[str, Any]) -> SpecialTokens:
    stated = {**_read(folder / "special_tokens_map.json"), **config}
    names = {name: text for name in _NAMES if (text := _content(stated.get(name)))}
    ids = {name: token_id for name, text in names.items() if (token_id := pipeline.token_to_id(text)) is not None}
    ends = {ids["eos_token"]} if "eos_token" in ids else set()
    for source in (_read(folder / "generation_config.json"), _read(folder / "config.json")):
        eos = source.get("eos_token_id")
        ends.update(eos if isinstance(eos, list) else [] if eos is None else [eos])
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
        add_bos=bool(_first_stated(config.get("add_bos_token"), adds_bos)),
        add_eos=bool(_first_stated(config.get("add_eos_token"), adds_eos)),
        eos_ids=frozenset(ends),
        names=names,
    )


def _first_stated(*values: bool | None) -> bool | None:
    return next((value for value in values if value is not None), None)


def _content(entry: Any) -> str | None:
    """A special token's text, written alone or with its attributes."""
    text = entry.get("content") if isinstance(entry, dict) else entry
    return text if isinstance(text, str) else None
