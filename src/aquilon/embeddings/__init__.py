"""Answers embedding requests with vectors, from the model on this machine or from an upstream."""

from aquilon.embeddings.pipeline import EmbeddingBackend, EmbeddingPipeline

__all__ = ["EmbeddingBackend", "EmbeddingPipeline"]
