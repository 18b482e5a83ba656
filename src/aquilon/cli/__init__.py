"""The commands: each parses its arguments, calls the program and renders the result."""
