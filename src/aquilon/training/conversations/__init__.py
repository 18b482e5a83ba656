"""Conversations and preference pairs on their way into a model: read, checked, and encoded as the server would."""
