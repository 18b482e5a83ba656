"""The chat beyond its conversations: what an organization sets for it, and what its people are told."""
