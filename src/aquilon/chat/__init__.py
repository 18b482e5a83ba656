"""What people do in the chat beside conversations."""
