"""What the chat adds to conversations: shares, feedback, comparisons, saved prompts, settings and announcements."""
