"""Queries over conversations, items and runs."""
