"""Libraries of documents, as OpenAI's vector stores and as Mistral's libraries."""
