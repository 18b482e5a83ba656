"""Queries over files and batch jobs."""
