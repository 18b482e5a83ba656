"""The chat's tables."""
