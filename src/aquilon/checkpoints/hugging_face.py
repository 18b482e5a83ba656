"""Folders in the format of transformers: config.json and safetensors, in one file or many."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.config_fields import flag, integer, number
from aquilon.checkpoints.hugging_face_config import architecture_from_config
from aquilon.checkpoints.hugging_face_names import our_name
from aquilon.checkpoints.json_file import read_object
from aquilon.checkpoints.safetensors_file import StoredTensor, read_all, tensor_entry
from aquilon.checkpoints.tensors import CheckpointError, TensorEntry, check_tensors
from aquilon.models.architecture import Architecture, UnsupportedArchitecture

INDEX = "model.safetensors.index.json"

# Names of the language model inside an image-and-text model.
_PREFIXES = (("model.language_model.", "model."), ("language_model.", ""))
# The rest of such a model, values that are derived, and those only for quantized activations.
_IGNORED = re.compile(
    r"(model\.)?(vision_tower|multi_modal_projector)\..*"
    r"|.*\.(rotary_emb\.inv_freq|activation_scale|input_scale|k_scale|v_scale)"
)
_SCALE = "weight_scale_inv"


def open_hugging_face(folder: Path) -> Checkpoint:
    """Open a folder with config.json; raises CheckpointError or UnsupportedArchitecture."""
    config_file = folder / "config.json"
    config = read_object(config_file)
    generation_file = folder / "generation_config.json"
    generation = read_object(generation_file) if generation_file.exists() else {}
    try:
        architecture = architecture_from_config(config)
        eos_ids = _eos_ids(generation, config, architecture.vocab_size)
        temperature = number(generation, "temperature", -1.0) if flag(generation, "do_sample") else -1.0
        scale_block = _scale_block(config)
    except UnsupportedArchitecture:
        raise
    except ValueError as error:
        raise CheckpointError(config_file, str(error)) from error
    stored = _stored_tensors(folder)
    entries = dict(_entries(stored, architecture, scale_block))
    if architecture.tied_embeddings and "head.weight" in entries:
        # As in transformers: weights that the config ties but that differ in the file aren't tied.
        if _same_values(entries["head.weight"], entries.get("embedding.weight")):
            del entries["head.weight"]
        else:
            architecture = replace(architecture, tied_embeddings=False)
    check_tensors(architecture, entries, folder)
    return Checkpoint(
        path=folder,
        format="huggingface",
        architecture=architecture,
        metadata=config,
        files=sorted({tensor.file.path for tensor in stored.values()}),
        entries=entries,
        eos_ids=eos_ids,
        default_temperature=temperature if temperature >= 0 else None,
    )


def _stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    index_file = folder / INDEX
    if not index_file.exists():
        files = sorted(folder.glob("model*.safetensors"))
        if not files:
            raise CheckpointError(folder, "holds no model*.safetensors; other weight formats are not read")
        return read_all(files)
    names = read_object(index_file).get("weight_map")
    if not isinstance(names, Mapping) or not all(isinstance(name, str) for name in names.values()):
        raise CheckpointError(index_file, "has no weight_map of tensor names to files")
    files = []
    for name in sorted(set(names.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(index_file, f"names {name!r:.80}, which is not a safetensors file of this folder")
        if not (folder / name).is_file():
            raise CheckpointError(folder / name, "is missing: the index lists it")
        files.append(folder / name)
    tensors = read_all(files)
    missing = sorted(names.keys() - tensors.keys())
    if missing:
        raise CheckpointError(folder / names[missing[0]], f"lacks {missing[0]!r:.80}, which the index lists")
    return tensors


def _scale_block(config: Mapping[str, Any]) -> tuple[int, int] | None:
    """Rows and columns of a matrix that share a scale, where weights are 8-bit floats; None is the whole matrix.

    Raises ValueError for any other quantization.
    """
    text = config.get("text_config")
    quantization = config.get("quantization_config") or (isinstance(text, Mapping) and text.get("quantization_config"))
    if not quantization:
        return None
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    if method != "fp8":
        raise ValueError(f"the weights are quantized by {method!r:.40}: fp8 can be read, or a GGUF of the model")
    sides = quantization.get("weight_block_size")
    if sides is None:
        return None
    if not isinstance(sides, list) or len(sides) != 2:
        raise ValueError(f"weight_block_size is {sides!r:.60}: it must be two whole numbers")
    rows, columns = (integer({"weight_block_size": side}, "weight_block_size", 128, at_most=2**16) for side in sides)
    return rows, columns


def _entries(
    stored: Mapping[str, StoredTensor], architecture: Architecture, scale_block: tuple[int, int] | None
) -> Iterator[tuple[str, TensorEntry]]:
    for stored_name, tensor in stored.items():
        for prefix, replacement in _PREFIXES:
            if stored_name.startswith(prefix):
                stored_name = replacement + stored_name.removeprefix(prefix)
                break
        if _IGNORED.fullmatch(stored_name) or stored_name.endswith("." + _SCALE):
            continue
        name = our_name(stored_name)
        if name is None:
            raise CheckpointError(
                tensor.file.path, f"the tensor {stored_name!r:.80} is not part of a {architecture.family} model"
            )
        scale = stored.get(tensor.name.removesuffix("weight") + _SCALE)
        yield name, tensor_entry(tensor, name, scale=scale, scale_block=scale_block)


def _same_values(head: TensorEntry, embedding: TensorEntry | None) -> bool:
    import numpy as np

    if embedding is None or (head.shape, head.block_type) != (embedding.shape, embedding.block_type):
        return False
    return np.array_equal(head.raw(), embedding.raw())


def _eos_ids(generation: Mapping[str, Any], config: Mapping[str, Any], vocab_size: int) -> frozenset[int]:
    """The ids in generation_config.json, else those in config.json."""
    text = config.get("text_config")
    for values in (generation, config, text if isinstance(text, Mapping) else {}):
        value = values.get("eos_token_id")
        if value is not None:
            ids = value if isinstance(value, list) else [value]
            checked = {integer({"eos_token_id": id}, "eos_token_id", 0, at_least=0) for id in ids}
            return frozenset(id for id in checked if id < vocab_size)
    return frozenset()
