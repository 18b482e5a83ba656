"""The tables of what people keep, one file a subject. Times are whole seconds since 1970."""
