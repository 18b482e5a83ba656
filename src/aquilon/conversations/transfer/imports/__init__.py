"""Conversations from files: our own exports, ChatGPT's and Open WebUI's, each a tree of messages."""
