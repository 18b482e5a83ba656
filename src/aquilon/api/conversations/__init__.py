"""``/v1/conversations`` in OpenAI's and in Mistral's contract, which share their paths.

A body with ``inputs`` is Mistral's. Both read and write the same conversations: `aquilon.conversations`.
"""
