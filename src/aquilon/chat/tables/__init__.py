"""The chat's tables, a file for each subject. Times are whole seconds since 1970."""
