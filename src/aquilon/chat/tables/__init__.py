"""The tables of the chat, a file for each subject. Times are whole seconds since 1970."""
