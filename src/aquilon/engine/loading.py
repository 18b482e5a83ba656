"""Load a checkpoint: decide how its weights are held, read them, make the KV cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import torch

from aquilon.checkpoints.opening import Checkpoint, open_checkpoint
from aquilon.checkpoints.text import known_tokens, load_text
from aquilon.checkpoints.weights import load_transformer
from aquilon.engine import memory
from aquilon.engine.blocks import BlockPool
from aquilon.engine.constraints import ConstraintBuilder, Vocabulary
from aquilon.engine.kernels import available
from aquilon.engine.kernels.library import set_threads
from aquilon.engine.known_tokens import KnownTokens
from aquilon.engine.kv_cache import KVCache
from aquilon.engine.linear import make_row_invariant
from aquilon.engine.model import LoadedModel
from aquilon.engine.options import Dtype, EngineOptions
from aquilon.engine.packed import is_quantized, load_packed, packed_bytes
from aquilon.engine.protocol import LoadModel
from aquilon.engine.runner import Runner
from aquilon.engine.scheduler import Scheduler
from aquilon.models.transformer import Transformer

_CORES = torch.get_num_threads()
"""Physical cores, as torch counts them when it starts."""

_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class LoadingPlan:
    """How a checkpoint will be held in memory, decided before its weights are read."""

    name: str
    checkpoint: Checkpoint
    options: EngineOptions
    _: KW_ONLY
    device: torch.device
    dtype: torch.dtype
    """Of weights and activations; packed models compute in fp32."""
    packed: bool
    bits: int | None
    """Plain weights are quantized to so many bits, 4 or 8; None leaves them."""
    threads: int
    """Threads that compute on the CPU."""
    kv_dtype: torch.dtype
    weights: int
    """Estimated bytes of all weights."""
    limit: int
    """Bytes that all models may take together."""

    @property
    def kv_bytes_per_token(self) -> int:
        return self.checkpoint.architecture.kv_bytes_per_token(self.kv_dtype.itemsize)

    @property
    def least_memory(self) -> int:
        """Bytes for the weights and twice a usable KV cache, which takes half of what the weights leave.

        A cache is usable with one full context, or with half the size of the weights where that is less.
        """
        context = self.checkpoint.architecture.max_context * self.kv_bytes_per_token
        return self.weights + 2 * min(context, max(self.weights // 2, 2**28))

    def load(self, free: int, progress: Callable[[float], None]) -> LoadedModel:
        """Read the weights and make a KV cache within ``free`` bytes; raises NotEnoughMemory or CheckpointError."""
        architecture, options = self.checkpoint.architecture, self.options
        tokens = options.kv_tokens or memory.kv_tokens(
            bytes_per_token=self.kv_bytes_per_token,
            max_context=architecture.max_context,
            weights=self.weights,
            limit=self.limit,
            free=free,
            block_size=options.block_size,
        )
        num_blocks = max(1, tokens // options.block_size)
        known = KnownTokens(*known_tokens(self.checkpoint))
        transformer = self._load_transformer(progress)
        cache = KVCache(
            architecture, num_blocks=num_blocks, block_size=options.block_size, dtype=self.kv_dtype, device=self.device
        )
        return LoadedModel(
            self.name,
            # Around native kernels, torch has too little to do to gain from a team of its own, which would
            # spin on the cores that the kernels' team needs.
            runner=Runner(
                transformer,
                cache,
                device=self.device,
                torch_threads=1 if self.packed else self.threads,
                tokens=known,
            ),
            scheduler=Scheduler(
                BlockPool(num_blocks, options.block_size),
                step_tokens=options.step_tokens,
                max_sequences=options.max_sequences,
                prefix_cache=options.prefix_cache,
            ),
            options=options,
            vocab_size=known.size,
            max_context=min(architecture.max_context, num_blocks * options.block_size),
            eos_ids=frozenset(token_id for token_id in self.checkpoint.eos_ids if token_id < known.size),
            memory=self.weights + cache.nbytes,
            constraints=ConstraintBuilder(self._load_vocabulary),
        )

    def _load_vocabulary(self) -> Vocabulary:
        tokenizer = load_text(self.checkpoint).tokenizer
        return Vocabulary(tokenizer, self.checkpoint.eos_ids, tokenizer.vocab_size)

    def _load_transformer(self, progress: Callable[[float], None]) -> Transformer:
        if self.packed:
            return load_packed(self.checkpoint, bits=self.bits, progress=progress)
        transformer = load_transformer(self.checkpoint, dtype=self.dtype, device=self.device, progress=progress)
        make_row_invariant(transformer)
        return transformer


def plan_loading(request: LoadModel, options: EngineOptions, limit: int | None = None) -> LoadingPlan:
    """Decide how to load a checkpoint. ``limit``: bytes for all models; None asks the machine.

    Raises CheckpointError, UnsupportedArchitecture, or ValueError for what this machine cannot do.
    """
    checkpoint = open_checkpoint(Path(request.path))
    device = _choose_device(options)
    threads = options.threads or _CORES
    bits = {"int8": 8, "int4": 4}.get(options.quantize)
    native = device.type == "cpu" and available()
    if native:
        set_threads(threads)
    if bits is not None and not native:
        raise ValueError(f"quantizing to {options.quantize} needs the native CPU kernels, which cannot run here")
    packed = native and (bits is not None or (options.quantize == "auto" and is_quantized(checkpoint)))
    dtype = torch.float32 if packed else _choose_dtype(options.dtype, device)
    parameters = checkpoint.architecture.parameters()
    if bits is not None:
        weights = parameters * (bits + 1) // 8
    else:
        weights = packed_bytes(checkpoint) if packed else parameters * dtype.itemsize
    return LoadingPlan(
        request.name,
        checkpoint,
        options,
        device=device,
        dtype=dtype,
        packed=packed,
        bits=bits,
        threads=threads,
        kv_dtype=torch.float16 if packed else dtype,
        weights=weights,
        limit=limit or _memory_limit(options, device),
    )


def _choose_device(options: EngineOptions) -> torch.device:
    if options.device != "auto":
        return torch.device(options.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _memory_limit(options: EngineOptions, device: torch.device) -> int:
    if options.memory is not None:
        return options.memory
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * 0.9)
    return memory.machine_limit()


def _choose_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    if dtype != "auto":
        return _DTYPES[dtype]
    if device.type == "cpu" and not torch.cpu._is_avx512_bf16_supported():
        return torch.float32
    return torch.bfloat16
