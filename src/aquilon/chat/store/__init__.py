"""The chat's queries."""
