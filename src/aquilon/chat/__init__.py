"""What the chat adds to stored conversations: shares, exports and imports, feedback on answers."""
