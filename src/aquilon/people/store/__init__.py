"""Queries over organizations, people, keys and sessions."""
