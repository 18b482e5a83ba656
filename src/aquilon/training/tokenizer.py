"""Trains a byte-level BPE tokenizer, written as Hugging Face's ``tokenizer.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from aquilon.text.pretokenizers import byte_level_words, word_rule

WORDS = "tekken"
"""The rule that cuts text into words, by the name that GGUF files give it."""

END_OF_DOCUMENT, TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def train_tokenizer(texts: Iterator[str], vocab_size: int, out: Path) -> None:
    special = [END_OF_DOCUMENT, TURN, END_OF_TURN]
    pipeline = tokenizers.Tokenizer(models.BPE())
    pipeline.pre_tokenizer = byte_level_words(word_rule(WORDS))
    pipeline.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pipeline.train_from_iterator(texts, trainer)
    out.mkdir(parents=True, exist_ok=True)
    pipeline.save(str(out / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END_OF_TURN, "pad_token": END_OF_DOCUMENT}
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    (out / "chat_template.jinja").write_text(TEMPLATE)
