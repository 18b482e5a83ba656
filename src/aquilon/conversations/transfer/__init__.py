"""Conversations as files: exports, imports, and copies of one path."""
