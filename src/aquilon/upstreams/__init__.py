"""Servers elsewhere that provide models: known in memory, chosen by weight and health, spoken to over one client."""
