"""One transformer for all families.

Its input is a flat ragged batch: the tokens of all sequences in a row, their
positions, and a callable that computes attention. The same definition runs with
dense attention and with paged attention.

Weights are uninitialised: load a checkpoint into them, or initialise them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from aquilon.models.architecture import Architecture
from aquilon.models.attention import Attention
from aquilon.models.rotary import RotaryEmbedding, rotate


class Linear(nn.Linear):
    """A linear layer with uninitialised weights: a checkpoint replaces them."""

    def reset_parameters(self) -> None:
        pass


class Embedding(nn.Embedding):
    """An embedding with uninitialised weights."""

    def reset_parameters(self) -> None:
        pass


class RMSNorm(nn.Module):
    """Root mean square norm (arXiv:1910.07467), computed in fp32."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class SelfAttention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, architecture: Architecture, layer: int) -> None:
        super().__init__()
        a = architecture
        self.layer = layer
        self.head_dim = a.head_dim
        self.heads = [a.num_heads, a.num_kv_heads, a.num_kv_heads]
        self.qkv = Linear(a.hidden_size, sum(self.heads) * a.head_dim, bias=a.attention_bias)
        self.output = Linear(a.num_heads * a.head_dim, a.hidden_size, bias=a.output_bias)
        self.query_norm = RMSNorm(a.head_dim, a.norm_eps) if a.qk_norm else None
        self.key_norm = RMSNorm(a.head_dim, a.norm_eps) if a.qk_norm else None

    def forward(
        self, x: Tensor, *, rotation: tuple[Tensor, Tensor], query_scale: Tensor | None, attend: Attention
    ) -> Tensor:
        heads = self.qkv(x).unflatten(-1, (-1, self.head_dim))  # (T, num_heads + 2 num_kv_heads, head_dim)
        query, key, value = heads.split(self.heads, dim=1)
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        query, key = rotate(query, *rotation), rotate(key, *rotation)
        if query_scale is not None:
            query = query * query_scale.to(query.dtype)
        attended = attend(self.layer, query=query, key=key, value=value)  # (T, num_heads, head_dim)
        output: Tensor = self.output(attended.flatten(1))  # (T, hidden)
        return output


class MLP(nn.Module):
    """SwiGLU (arXiv:2002.05202)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.gate_up = Linear(a.hidden_size, 2 * a.intermediate_size, bias=a.mlp_bias)
        self.down = Linear(a.intermediate_size, a.hidden_size, bias=a.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)  # (T, intermediate) each
        down: Tensor = self.down(silu(gate) * up)  # (T, hidden)
        return down


class MixtureOfExperts(nn.Module):
    """Computes each token with its ``experts_per_token`` best experts, weighted by their softmax (arXiv:2401.04088)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.experts_per_token = architecture.experts_per_token
        self.router = Linear(architecture.hidden_size, architecture.num_experts, bias=False)
        self.experts = nn.ModuleList(MLP(architecture) for _ in range(architecture.num_experts))

    def forward(self, x: Tensor) -> Tensor:
        probabilities = self.router(x).float().softmax(dim=-1)  # (T, num_experts)
        weights, chosen = probabilities.topk(self.experts_per_token, dim=-1)  # (T, experts_per_token)
        weights = (weights / weights.sum(dim=-1, keepdim=True)).to(x.dtype)
        mixed = torch.zeros_like(x)
        for index in chosen.unique().tolist():
            tokens, slots = (chosen == index).nonzero(as_tuple=True)
            mixed.index_add_(0, tokens, self.experts[index](x[tokens]) * weights[tokens, slots, None])
        return mixed


class Layer(nn.Module):
    """Attention, then the feed-forward layer; each adds its output to its input."""

    def __init__(self, architecture: Architecture, layer: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(architecture.hidden_size, architecture.norm_eps)
        self.attention = SelfAttention(architecture, layer)
        self.mlp_norm = RMSNorm(architecture.hidden_size, architecture.norm_eps)
        self.mlp = MixtureOfExperts(architecture) if architecture.num_experts else MLP(architecture)

    def forward(
        self, x: Tensor, *, rotation: tuple[Tensor, Tensor], query_scale: Tensor | None, attend: Attention
    ) -> Tensor:
        normalized = self.attention_norm(x)
        x = x + self.attention(normalized, rotation=rotation, query_scale=query_scale, attend=attend)  # (T, hidden)
        output: Tensor = x + self.mlp(self.mlp_norm(x))
        return output


class Transformer(nn.Module):
    """A decoder-only language model."""

    def __init__(
        self,
        architecture: Architecture,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """``device="meta"`` builds the structure without memory for its weights."""
        super().__init__()
        self.architecture = architecture
        with torch.device(device):
            self.embedding = Embedding(architecture.vocab_size, architecture.hidden_size)
            self.layers = nn.ModuleList(Layer(architecture, index) for index in range(architecture.num_layers))
            self.norm = RMSNorm(architecture.hidden_size, architecture.norm_eps)
            self.head = Linear(architecture.hidden_size, architecture.vocab_size, bias=False)
        if architecture.tied_embeddings:
            self.head.weight = self.embedding.weight
        self.to(dtype)
        on_meta = torch.device(device).type == "meta"
        self.rotary = RotaryEmbedding(architecture.rotary, architecture.head_dim, "cpu" if on_meta else device)

    def forward(self, token_ids: Tensor, positions: Tensor, attention: Attention) -> Tensor:
        """``token_ids (T,)`` and ``positions (T,)``, int64, to hidden states ``(T, hidden_size)`` after the norm."""
        x = self.embedding(token_ids)  # (T, hidden)
        rotation, query_scale = self.rotary(positions), self.rotary.query_scale(positions)
        for layer in self.layers:
            x = layer(x, rotation=rotation, query_scale=query_scale, attend=attention)
        hidden: Tensor = self.norm(x)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """``hidden (N, hidden_size)`` to unnormalised log probabilities ``(N, vocab_size)``."""
        logits: Tensor = self.head(hidden)
        return logits
