"""Embeddings: from a request to its vectors, by the model on this machine or an upstream."""

from aquilon.embeddings.pipeline import EmbeddingHouse, EmbeddingPipeline

__all__ = ["EmbeddingHouse", "EmbeddingPipeline"]
