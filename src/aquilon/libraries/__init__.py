"""Libraries of documents: files are cut into passages, found by words and by meaning, and cited by what uses them.

One store stands behind OpenAI's vector stores and Mistral's libraries.
"""
