"""A GGUF file's vocabulary and chat template as Hugging Face's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, processors

from aquilon.text.added_tokens import AddedToken
from aquilon.text.gguf_vocabulary import TokenType, templates_from_metadata, tokenizer_from_gguf
from aquilon.text.pretokenizers import byte_level_words, word_rule
from aquilon.text.subword import SubwordTokenizer, as_tokenizer_error
from aquilon.text.tokenizer import TokenizerError


def write_tokenizer(metadata: Mapping[str, Any], folder: Path, *, rows: int) -> None:
    """Write tokenizer.json, tokenizer_config.json and the chat templates of a model with ``rows`` rows of weights.

    Raises TokenizerError for a vocabulary that isn't byte-level BPE.
    """
    if (kind := metadata.get("tokenizer.ggml.model")) != "gpt2":
        raise TokenizerError(
            f"this file's vocabulary is of the kind '{kind}': only byte-level BPE ('gpt2') is written as tokenizer.json"
        )
    tokenizer = tokenizer_from_gguf(metadata, rows=rows)
    pipeline = _pipeline(metadata, tokenizer)
    pipeline.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "add_bos_token": tokenizer.special.add_bos,
        "add_eos_token": tokenizer.special.add_eos,
        **tokenizer.special.names,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")
    for name, template in templates_from_metadata(metadata).items():
        path = folder / "chat_template.jinja"
        if name != "default":
            path = folder / "additional_chat_templates" / f"{Path(name).name}.jinja"
        path.parent.mkdir(exist_ok=True)
        path.write_text(template, "utf-8")


def _pipeline(metadata: Mapping[str, Any], tokenizer: SubwordTokenizer) -> tokenizers.Tokenizer:
    rule = word_rule(metadata.get("tokenizer.ggml.pre"))
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata.get("tokenizer.ggml.token_type") or []
    vocab = {
        text: token_id
        for token_id, text in enumerate(tokens)
        if token_id < tokenizer.vocab_size and types[token_id : token_id + 1] != [TokenType.UNUSED]
    }
    merges = [tuple(merge.split(" ", 1)) for merge in metadata.get("tokenizer.ggml.merges", [])]
    with as_tokenizer_error("the vocabulary can't be merged"):
        model = models.BPE(vocab=vocab, merges=merges, ignore_merges=rule.whole_words)
    pipeline = tokenizers.Tokenizer(model)
    pipeline.pre_tokenizer = byte_level_words(rule)
    pipeline.decoder = decoders.ByteLevel()
    added: list[AddedToken] = sorted(tokenizer.added_tokens, key=lambda token: token.id)
    pipeline.add_tokens([tokenizers.AddedToken(token.text, normalized=False, special=token.control) for token in added])
    for token in added:
        if pipeline.token_to_id(token.text) != token.id:
            raise TokenizerError(f"the vocabulary has the token '{token.text}' twice")
    special = tokenizer.special
    begin = [special.names["bos_token"]] if special.add_bos and special.bos_id is not None else []
    end = [special.names["eos_token"]] if special.add_eos and special.eos_id is not None else []
    if begin or end:
        pipeline.post_processor = processors.TemplateProcessing(
            single=[*begin, "$A", *end],
            pair=[*begin, "$A", *end, *begin, "$B:1", *end],
            special_tokens=[(name, pipeline.token_to_id(name)) for name in {*begin, *end}],
        )
    return pipeline
