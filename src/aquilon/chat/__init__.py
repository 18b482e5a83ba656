"""What the chat adds to conversations: shares, imports, feedback, an organization's settings for it, and announcements."""
