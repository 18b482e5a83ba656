"""Answers embedding requests with vectors and ranks documents, by the model on this machine or by an upstream."""

from aquilon.embeddings.pipeline import EmbeddingBackend, EmbeddingPipeline

__all__ = ["EmbeddingBackend", "EmbeddingPipeline"]
