"""Routes of what people keep around their conversations."""
