"""Embeddings: a port for whoever computes them, and the model that runs on this machine."""

from aquilon.platform.embeddings.pipeline import EmbeddingHouse, EmbeddingPipeline

__all__ = ["EmbeddingHouse", "EmbeddingPipeline"]
