"""Queries over prices, budgets, limits and usage."""
