"""The routes of the chat."""
