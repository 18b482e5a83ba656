"""Answers canonical requests with events: encodes prompts, asks local models and upstreams, decodes tokens."""
