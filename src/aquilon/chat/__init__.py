"""What the chat adds to conversations: shares, imports, feedback, comparisons, settings and announcements."""
