"""Routes of the chat beyond its conversations."""
