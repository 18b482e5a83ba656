"""Who is asking: API keys, sessions in a cookie, and what protects both."""
