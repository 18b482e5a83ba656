"""Routes of budgets, limits, prices, statements and usage."""
