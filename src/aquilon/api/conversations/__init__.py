"""Routes of stored conversations."""
