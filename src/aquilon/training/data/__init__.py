"""Text on its way into a model: documents, token shards, and the rows of tokens that a training step reads."""
