"""The chat's routes."""
