"""Write a model as a folder that transformers, vLLM, llama.cpp's converter and this program read.

Weights are written one after the other, so that a model may be larger than the memory.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import torch
from torch import Tensor

from aquilon.checkpoints.hugging_face import INDEX
from aquilon.checkpoints.hugging_face_config import config_from_architecture
from aquilon.checkpoints.hugging_face_names import hugging_face_name
from aquilon.models.architecture import Architecture

Weights = Callable[[str], Tensor]
"""A model's weight by its name in ``Architecture.parameter_shapes``, in any dtype and on any device."""

Progress = Callable[[float], None]
"""Called with the share of weights that are written, 0 to 1."""

FloatType = Literal["bfloat16", "float32"]
_SAFETENSORS = {"bfloat16": ("BF16", torch.bfloat16), "float32": ("F32", torch.float32)}

SHARD_BYTES = 4 * 2**30


def write_hugging_face(
    folder: Path,
    architecture: Architecture,
    weights: Weights,
    *,
    bos_id: int | None = None,
    eos_ids: Collection[int] = (),
    temperature: float | None = None,
    dtype: FloatType = "bfloat16",
    shard_bytes: int = SHARD_BYTES,
    progress: Progress = lambda share: None,
) -> None:
    """Write config.json, generation_config.json and model.safetensors, or its shards with their index.

    ``eos_ids`` are the tokens that end an answer. The tokenizer's files are written by ``text_writing``. Raises
    ValueError for an architecture that transformers doesn't have, before anything is written.
    """
    config = config_from_architecture(architecture)
    ids = _special_ids(bos_id, eos_ids)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", {**config, **ids, "torch_dtype": dtype})
    generation = ids | ({} if temperature is None else {"do_sample": temperature > 0, "temperature": temperature})
    _write_json(folder / "generation_config.json", generation)
    shards = _shards(architecture.parameter_shapes(), _SAFETENSORS[dtype][1].itemsize, shard_bytes)
    if len(shards) == 1:
        names = ["model.safetensors"]
    else:
        names = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
        _write_index(folder / INDEX, dict(zip(names, shards, strict=True)), _SAFETENSORS[dtype][1].itemsize)
    done, total = 0, architecture.parameters()
    progress(0.0)
    for name, shapes in zip(names, shards, strict=True):
        with (folder / name).open("wb") as file:
            for values in _write_safetensors(file, shapes, weights, dtype):
                done += values
                progress(done / total)


def _shards(shapes: Mapping[str, tuple[int, ...]], itemsize: int, shard_bytes: int) -> list[dict[str, tuple[int, ...]]]:
    shards: list[dict[str, tuple[int, ...]]] = [{}]
    size = 0
    for name, shape in shapes.items():
        nbytes = math.prod(shape) * itemsize
        if size and size + nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = shape
        size += nbytes
    return shards


def _write_safetensors(
    file: BinaryIO, shapes: Mapping[str, tuple[int, ...]], weights: Weights, dtype: FloatType
) -> Iterator[int]:
    """Write one file and yield the number of values of each tensor after it is written."""
    stored_type, torch_type = _SAFETENSORS[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * torch_type.itemsize
        header[hugging_face_name(name)] = {"dtype": stored_type, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for name, shape in shapes.items():
        weight = weights(name)
        if tuple(weight.shape) != shape:
            raise ValueError(f"{name} has the shape {list(weight.shape)} instead of {list(shape)}")
        plain = weight.detach().to("cpu", torch_type).contiguous()
        file.write(plain.view(torch.uint8).numpy().data)
        yield plain.numel()


def _write_index(path: Path, shards: Mapping[str, Mapping[str, tuple[int, ...]]], itemsize: int) -> None:
    files = {hugging_face_name(name): file for file, shapes in shards.items() for name in shapes}
    size = sum(math.prod(shape) * itemsize for shapes in shards.values() for shape in shapes.values())
    _write_json(path, {"metadata": {"total_size": size}, "weight_map": files})


def _special_ids(bos_id: int | None, eos_ids: Collection[int]) -> dict[str, Any]:
    """The ids that begin and end texts, as both configuration files name them."""
    ids: dict[str, Any] = {} if bos_id is None else {"bos_token_id": bos_id}
    if eos_ids:
        ends = sorted(eos_ids)
        ids["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    return ids


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
