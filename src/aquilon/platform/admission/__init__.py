"""What a request must pass before it runs: rates, slots and budgets, in this process or shared by several."""
