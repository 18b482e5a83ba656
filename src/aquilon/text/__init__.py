"""Text: messages and tools, tokenizers, chat templates. Imports nothing else of the program."""
