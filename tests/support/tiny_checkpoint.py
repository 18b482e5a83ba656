"""A Llama of a few thousand random weights with a byte-level tokenizer, written as Hugging Face lays files out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


FILL_TOKENS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


def tiny_checkpoint(
    seed: int = 0,
    *,
    chat: bool = True,
    architecture: str = "LlamaForCausalLM",
    fills: bool = False,
    context: int = 512,
) -> dict[str, bytes]:
    """File name → content; ``fills`` adds the tokens of a model that fills gaps, ``context`` is in tokens."""
    control = ["<|user|>", "<|assistant|>", "<|system|>", "<|end|>", *(FILL_TOKENS if fills else ())]
    byte_tokens = _byte_alphabet()
    vocabulary = {token: number for number, token in enumerate([*byte_tokens, *control])}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": vocabulary[token], "content": token, "single_word": False, "lstrip": False, "rstrip": False}
            | {"normalized": False, "special": True}
            for token in control
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None}
        | {"end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary, "merges": []},
    }
    size, hidden, layers, heads, intermediate = len(vocabulary), 32, 2, 4, 64
    model_type = architecture.removesuffix("ForCausalLM").lower()
    config = {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": size,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "eos_token_id": vocabulary["<|end|>"],
        "torch_dtype": "float32",
    }
    random = np.random.default_rng(seed)

    def weight(*shape: int) -> np.ndarray:
        return random.normal(0, 0.2, shape).astype(np.float32)

    tensors = {"model.embed_tokens.weight": weight(size, hidden), "model.norm.weight": np.ones(hidden, np.float32)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        tensors |= {
            prefix + "self_attn.q_proj.weight": weight(hidden, hidden),
            prefix + "self_attn.k_proj.weight": weight(hidden // 2, hidden),
            prefix + "self_attn.v_proj.weight": weight(hidden // 2, hidden),
            prefix + "self_attn.o_proj.weight": weight(hidden, hidden),
            prefix + "mlp.gate_proj.weight": weight(intermediate, hidden),
            prefix + "mlp.up_proj.weight": weight(intermediate, hidden),
            prefix + "mlp.down_proj.weight": weight(hidden, intermediate),
            prefix + "input_layernorm.weight": np.ones(hidden, np.float32),
            prefix + "post_attention_layernorm.weight": np.ones(hidden, np.float32),
        }
    tokenizer_config: dict[str, object] = {"eos_token": "<|end|>", "tokenizer_class": "PreTrainedTokenizerFast"}
    if chat:
        tokenizer_config["chat_template"] = CHAT_TEMPLATE
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer.json": json.dumps(tokenizer).encode(),
        "tokenizer_config.json": json.dumps(tokenizer_config).encode(),
        "model.safetensors": save(tensors, metadata={"format": "pt"}),
    }


def write_checkpoint(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    stand_ins = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in stand_ins]
    stand_ins |= {byte: chr(256 + index) for index, byte in enumerate(others)}
    return [stand_ins[byte] for byte in range(256)]
