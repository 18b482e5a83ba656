"""What people change about budgets, limits and prices, and the audit log of it."""
