"""Queries over the chat's tables."""
