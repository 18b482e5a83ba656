"""Aquilon: run open language models on your own machines, with a chat page, an API platform, accounts and costs."""

__version__ = "0.1.0"
