"""Conversations, their items and the runs that answer them: one store for every dialect."""
