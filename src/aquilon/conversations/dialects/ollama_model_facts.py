"""Facts about a model in Ollama's words: digest, details, numbers of the architecture, capabilities.

`identity` and `checkpoint_facts` read files: call them in a thread.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from aquilon.catalogue.card import LocalModel, ModelCard
from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.store import ModelStore, StoredModel, StoreError
from aquilon.wording import parameters_text

_GGUF_TEMPLATE = "tokenizer.chat_template"


class ModelDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Empty texts are unknown, as all are of an upstream's model."""

    parent_model: str = ""
    format: str = ""
    """``gguf`` or ``safetensors``."""
    family: str = ""
    families: list[str] = []
    parameter_size: str = ""
    """Such as ``135M`` or ``7.2B``."""
    quantization_level: str = ""
    """The format of most weights on the disk, such as ``Q4_K`` or ``BF16``."""


class Identity(msgspec.Struct, frozen=True):
    digest: str
    details: ModelDetails


@dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    family: str
    numbers: Mapping[str, Any]
    """Of its architecture, by GGUF's names without the family."""
    template: str
    """The chat template in Jinja; empty if the model has none, or Mistral's own encoder in its place."""
    temperature: float | None
    """The one that the model's authors recommend, if any."""
    weights: str
    """The format of most bytes of the weights."""


def checkpoint_facts(card: ModelCard) -> CheckpointFacts | None:
    """None for a model that isn't in the store, or whose files are damaged or gone."""
    if not isinstance(card, LocalModel):
        return None
    try:
        return _read(card.path, card.created)
    except (ValueError, OSError):
        return None


def identity(card: ModelCard, store: ModelStore | None) -> Identity:
    """The digest is a SHA-256: of the model's one file, of its files' sums, or of the name of an upstream's model."""
    stored = _stored(card, store)
    size = parameters_text(card.parameters)
    if stored is None:
        return Identity(_sha256(f"{card.provider}/{card.name}"), ModelDetails(parameter_size=size))
    sums = [file.sha256 for file in stored.files]
    listed = "".join(f"{file.sha256}  {file.path}\n" for file in sorted(stored.files, key=lambda file: file.path))
    facts = checkpoint_facts(card)
    return Identity(
        sums[0] if len(sums) == 1 else _sha256(listed),
        ModelDetails(
            format="gguf" if stored.format == "gguf" else "safetensors",
            family=stored.family,
            families=[stored.family],
            parameter_size=size,
            quantization_level="" if facts is None else facts.weights,
        ),
    )


def model_info(card: ModelCard, facts: CheckpointFacts | None, *, context: int) -> dict[str, Any]:
    """``context``: the most tokens of prompt and answer together."""
    family = "unknown" if facts is None else facts.family
    info: dict[str, Any] = {"general.architecture": family, "general.basename": card.name}
    if card.parameters:
        info["general.parameter_count"] = card.parameters
    numbers = {"context_length": context} | ({} if facts is None else dict(facts.numbers))
    return info | {f"{family}.{name}": value for name, value in numbers.items()}


def capabilities(card: ModelCard) -> list[str]:
    """By these, clients decide whether to offer tools, images and thoughts."""
    abilities = {
        "completion": card.chat or (card.completions and not card.embeddings),
        "tools": card.function_calling,
        "insert": card.fim,
        "vision": card.vision,
        "embedding": card.embeddings,
        "thinking": card.reasoning,
    }
    return [name for name, able in abilities.items() if able]


def _stored(card: ModelCard, store: ModelStore | None) -> StoredModel | None:
    if store is None or not isinstance(card, LocalModel):
        return None
    try:
        return store.get(card.name)
    except StoreError:  # removed in this moment
        return None


@lru_cache(maxsize=64)
def _read(path: Path, created: int) -> CheckpointFacts:
    """Read once, since a vocabulary takes long; a model that is pulled anew has another ``created``.

    Raises ValueError or OSError for files that are damaged or gone.
    """
    checkpoint = open_checkpoint(path)
    sizes: Counter[str] = Counter()
    for entry in checkpoint.entries.values():
        sizes[entry.block_type] += entry.nbytes
    [(weights, _)] = sizes.most_common(1)
    return CheckpointFacts(
        family=checkpoint.architecture.family,
        numbers=_numbers(checkpoint),
        template=_template(checkpoint),
        temperature=checkpoint.default_temperature,
        weights=weights,
    )


def _numbers(checkpoint: Checkpoint) -> dict[str, Any]:
    architecture = checkpoint.architecture
    experts = {"expert_count": architecture.num_experts, "expert_used_count": architecture.experts_per_token}
    return {
        "vocab_size": architecture.vocab_size,
        "embedding_length": architecture.hidden_size,
        "feed_forward_length": architecture.intermediate_size,
        "block_count": architecture.num_layers,
        "attention.head_count": architecture.num_heads,
        "attention.head_count_kv": architecture.num_kv_heads,
        "attention.layer_norm_rms_epsilon": architecture.norm_eps,
        "rope.dimension_count": architecture.head_dim,
        "rope.freq_base": architecture.rotary.theta,
        **(experts if architecture.num_experts else {}),
    }


def _template(checkpoint: Checkpoint) -> str:
    if checkpoint.format == "gguf":
        template = checkpoint.metadata.get(_GGUF_TEMPLATE, "")
        return template if isinstance(template, str) else ""
    from aquilon.text.huggingface import templates_from_folder  # loads tokenizers: only where a model is local

    return templates_from_folder(checkpoint.path).get("default", "")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
