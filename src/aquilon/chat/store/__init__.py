"""Queries over what people keep, one file a subject: who may see it."""
