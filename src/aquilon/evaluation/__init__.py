"""Measures models: bits per byte, multiple choice, generated answers, and code that is run in a sandbox."""
