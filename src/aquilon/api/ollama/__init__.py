"""Ollama's API under ``/api``, for editors, note takers and home automation.

Its requests become canonical ones and its answers are lines of JSON. Errors have Ollama's shape: `api.error_bodies`.
"""
