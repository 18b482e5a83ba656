"""Organizations, their people and keys: who is asking, and what they may do."""
