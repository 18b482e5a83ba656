"""Prices, budgets, limits and usage: what a request must pass before it runs, and what it costs afterwards."""
