"""The numbers that describe a decoder-only transformer.

This file imports no torch: the API process reads a model's size and context from its
architecture without loading the model.
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
"""The architectures that a checkpoint may name, as messages list them."""


class UnsupportedArchitecture(ValueError):
    """A model that this program can't compute; the message lists those it can, and says what to do instead."""

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

    The base is fixed for the whole extended context, as in vLLM, so a key never
    depends on how its prompt was cut into chunks or on later tokens. transformers
    raises the base with the length of the sequence instead; both agree at the full
    context of ``factor * original_context`` tokens.
    """

    factor: float
    original_context: int


@dataclass(frozen=True, kw_only=True)
class Llama3Scaling:
    """Llama 3.1's scaling: low frequencies are divided by ``factor``, high ones kept, with a smooth band between."""

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
    """Whether the band's limits are rounded outwards to whole dimensions."""


@dataclass(frozen=True)
class FrequencyDivisors:
    """A divisor for each frequency: GGUF stores scalings that were computed beforehand so."""

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


# A damaged or hostile file may contain any number; real models stay far below these.
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
    """A decoder-only transformer; raises ValueError, with the name and value, for an impossible number."""

    family: str
    """Such as ``llama`` or ``qwen3``, for people to read. What is computed follows from the numbers alone."""
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    """Width of the feed-forward layer, or of one expert in a mixture of experts."""
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    norm_eps: float
    max_context: int
    """Tokens of prompt and answer together."""
    rotary: Rotary
    sliding_windows: tuple[int | None, ...]
    """For each layer: how many tokens a query attends to, itself included; None is all."""
    tied_embeddings: bool = False
    attention_bias: bool = False
    """Whether the query, key and value projections have a bias."""
    output_bias: bool = False
    """Whether attention's output projection has a bias."""
    mlp_bias: bool = False
    qk_norm: bool = False
    """Whether an RMS norm is applied to each query and key head before rotary."""
    num_experts: int = 0
    """0 for one dense feed-forward layer."""
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
            raise ValueError(
                f"sliding_windows has {len(self.sliding_windows)} entries: it must have one for each of "
                f"{self.num_layers} layers"
            )
        if any(window is not None and window < 1 for window in self.sliding_windows):
            raise ValueError(f"sliding_windows is {self.sliding_windows}: a window must be at least 1 token")
        if not 0 <= self.norm_eps < 1:
            raise ValueError(f"norm_eps is {self.norm_eps}: it must lie between 0 and 1")
        if not 0 <= self.num_experts <= 1024:
            raise ValueError(f"num_experts is {self.num_experts}: it must lie between 0 and 1024")
        if self.num_experts and not 1 <= self.experts_per_token <= self.num_experts:
            raise ValueError(
                f"experts_per_token is {self.experts_per_token}: "
                f"it must lie between 1 and num_experts ({self.num_experts})"
            )

    def parameter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of each weight by its unfused name, in the order of computation; matrices are (outputs, inputs)."""
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
        """The number of weights; a tied head counts once."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def active_parameters(self) -> int:
        """The number of weights that one token is computed with: only the experts that it is routed to count."""
        idle = self.num_experts - self.experts_per_token
        biases = (2 * self.intermediate_size + self.hidden_size) if self.mlp_bias else 0
        expert = 3 * self.hidden_size * self.intermediate_size + biases
        return self.parameters() - self.num_layers * idle * expert

    def flops_per_token(self, context: int) -> int:
        """Floating-point operations of one forward pass of one token that attends to ``context`` tokens.

        Two for each weight of the matrices that the token is multiplied with (including
        the head, without the embedding), and four for each query value and attended token.
        """
        queries, keys = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        matrices = self.hidden_size * (2 * queries + 2 * keys)
        matrices += 3 * self.hidden_size * self.intermediate_size * max(1, self.experts_per_token)
        matrices += self.hidden_size * self.num_experts
        attended = sum(min(context, window or context) for window in self.sliding_windows)
        return 2 * (self.num_layers * matrices + self.hidden_size * self.vocab_size) + 4 * queries * attended

    def kv_bytes_per_token(self, bytes_per_value: int) -> int:
        """Bytes that one token's keys and values take in the cache, over all layers."""
        return 2 * self.num_layers * self.num_kv_heads * self.head_dim * bytes_per_value
