"""The numbers that say what a decoder-only transformer is made of.

Nothing here imports torch: the API process reads an architecture to know a
model's size and context without loading it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

READABLE_NAMES = (
    "llama",
    "mistral",
    "ministral",
    "ministral3",
    "mistral3 (its text part)",
    "mixtral",
    "qwen2",
    "qwen3",
)
"""What a checkpoint may call itself."""


class UnsupportedArchitecture(ValueError):
    """A model that this program doesn't compute; the message says which do and what to do instead."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the architecture {name} is not supported. Supported are {', '.join(READABLE_NAMES)}. "
            "Any other model can be served by another server: configure that server as an upstream."
        )


@dataclass(frozen=True)
class LinearScaling:
    """Positions divided by ``factor`` (position interpolation, arXiv:2306.15595)."""

    factor: float


@dataclass(frozen=True)
class DynamicScaling:
    """NTK-aware scaling of the base, for a context ``factor`` times ``original_context``.

    The base is fixed for the whole extended context, as vLLM does, so that a key
    never depends on how its prompt was cut into chunks or on what came after it.
    transformers grows the base with the sequence instead; both agree at the full
    context of ``factor * original_context`` tokens.
    """

    factor: float
    original_context: int


@dataclass(frozen=True, kw_only=True)
class Llama3Scaling:
    """Llama 3.1's: low frequencies divided by ``factor``, high ones kept, a smooth band between."""

    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_context: int


@dataclass(frozen=True, kw_only=True)
class YarnScaling:
    """YaRN (arXiv:2309.00071): interpolation by parts, and a factor on cosine and sine."""

    factor: float
    original_context: int
    attention_factor: float
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True
    """Round the band's limits outwards to whole dimensions."""


@dataclass(frozen=True)
class FrequencyDivisors:
    """One divisor a frequency, as GGUF stores any scaling that was computed beforehand."""

    divisors: tuple[float, ...]


Scaling = LinearScaling | DynamicScaling | Llama3Scaling | YarnScaling | FrequencyDivisors


@dataclass(frozen=True)
class Rotary:
    """Rotary position embedding over the whole head (arXiv:2104.09864), halves rotated against each other."""

    theta: float = 10000.0
    scaling: Scaling | None = None
    _: KW_ONLY
    query_scale_beta: float = 0.0
    """Queries at position p are multiplied by ``1 + beta * log(1 + floor(p / query_scale_context))`` (Llama 4)."""
    query_scale_context: int = 1


# A damaged or hostile file may claim any number: nothing real comes near these.
_LIMITS = {
    "vocab_size": 2**24,
    "hidden_size": 2**18,
    "intermediate_size": 2**20,
    "num_layers": 1024,
    "num_heads": 1024,
    "num_kv_heads": 1024,
    "head_dim": 2**14,
    "max_context": 2**30,
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A decoder-only transformer; raises ValueError, naming the number, for one that can't be."""

    family: str
    """Such as ``llama`` or ``qwen3``, for people to read. What is computed follows from the numbers alone."""
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    """Width of the feed-forward layer, of one expert where there are several."""
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    norm_eps: float
    max_context: int
    """Tokens, prompt and answer together."""
    rotary: Rotary
    sliding_windows: tuple[int | None, ...]
    """Per layer: how many tokens a query sees, itself included; None sees all."""
    tied_embeddings: bool = False
    attention_bias: bool = False
    """On query, key and value."""
    output_bias: bool = False
    """On attention's output projection."""
    mlp_bias: bool = False
    qk_norm: bool = False
    """RMS norm over each query and key head, before rotary."""
    num_experts: int = 0
    """0 is one dense feed-forward layer."""
    experts_per_token: int = 0

    def __post_init__(self) -> None:
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if not 1 <= value <= limit:
                raise ValueError(f"{name} is {value}: it must lie between 1 and {limit}")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_heads ({self.num_heads}) must be a multiple of num_kv_heads ({self.num_kv_heads})")
        if self.head_dim % 2:
            raise ValueError(f"head_dim is {self.head_dim}: rotary embeddings need an even number")
        if len(self.sliding_windows) != self.num_layers:
            raise ValueError(f"{len(self.sliding_windows)} sliding windows for {self.num_layers} layers")
        if any(window is not None and window < 1 for window in self.sliding_windows):
            raise ValueError("a sliding window must be at least 1 token")
        if not 0 <= self.norm_eps < 1:
            raise ValueError(f"norm_eps is {self.norm_eps}: it must lie between 0 and 1")
        if not 0 <= self.num_experts <= 1024:
            raise ValueError(f"num_experts is {self.num_experts}: it must lie between 0 and 1024")
        if self.num_experts and not 1 <= self.experts_per_token <= self.num_experts:
            raise ValueError(f"experts_per_token is {self.experts_per_token} of {self.num_experts} experts")

    def parameter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every weight by its name, unfused, in the order of computation; matrices are (outputs, inputs)."""
        hidden, inner = self.hidden_size, self.intermediate_size
        queries, keys = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (self.vocab_size, hidden)}

        def linear(name: str, outputs: int, inputs: int, *, bias: bool) -> None:
            shapes[f"{name}.weight"] = (outputs, inputs)
            if bias:
                shapes[f"{name}.bias"] = (outputs,)

        for index in range(self.num_layers):
            layer = f"layers.{index}"
            shapes[f"{layer}.attention_norm.weight"] = (hidden,)
            linear(f"{layer}.attention.query", queries, hidden, bias=self.attention_bias)
            linear(f"{layer}.attention.key", keys, hidden, bias=self.attention_bias)
            linear(f"{layer}.attention.value", keys, hidden, bias=self.attention_bias)
            if self.qk_norm:
                shapes[f"{layer}.attention.query_norm.weight"] = (self.head_dim,)
                shapes[f"{layer}.attention.key_norm.weight"] = (self.head_dim,)
            linear(f"{layer}.attention.output", hidden, queries, bias=self.output_bias)
            shapes[f"{layer}.mlp_norm.weight"] = (hidden,)
            mlps = [f"{layer}.mlp"]
            if self.num_experts:
                linear(f"{layer}.mlp.router", self.num_experts, hidden, bias=False)
                mlps = [f"{layer}.mlp.experts.{expert}" for expert in range(self.num_experts)]
            for mlp in mlps:
                linear(f"{mlp}.gate", inner, hidden, bias=self.mlp_bias)
                linear(f"{mlp}.up", inner, hidden, bias=self.mlp_bias)
                linear(f"{mlp}.down", hidden, inner, bias=self.mlp_bias)
        shapes["norm.weight"] = (hidden,)
        if not self.tied_embeddings:
            shapes["head.weight"] = (self.vocab_size, hidden)
        return shapes

    def parameters(self) -> int:
        """Weights stored; a tied head counts once."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def active_parameters(self) -> int:
        """Weights that one token passes through: of the experts, only those that it is routed to."""
        idle = self.num_experts - self.experts_per_token
        biases = (2 * self.intermediate_size + self.hidden_size) if self.mlp_bias else 0
        expert = 3 * self.hidden_size * self.intermediate_size + biases
        return self.parameters() - self.num_layers * idle * expert

    def flops_per_token(self, context: int) -> int:
        """Floating-point operations of one forward pass of one token that sees ``context`` tokens.

        Two for each weight of a matrix that the token is multiplied with (the head too,
        the embedding's look-up not), and four for each query value and token seen.
        """
        queries, keys = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        matrices = self.hidden_size * (2 * queries + 2 * keys)
        matrices += 3 * self.hidden_size * self.intermediate_size * max(1, self.experts_per_token)
        matrices += self.hidden_size * self.num_experts
        seen = sum(min(context, window or context) for window in self.sliding_windows)
        return 2 * (self.num_layers * matrices + self.hidden_size * self.vocab_size) + 4 * queries * seen

    def kv_bytes_per_token(self, bytes_per_value: int) -> int:
        """Bytes of keys and values that one token leaves in the cache, over all layers."""
        return 2 * self.num_layers * self.num_kv_heads * self.head_dim * bytes_per_value
