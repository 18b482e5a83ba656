"""The routes, and the two protocols at their edge: OpenAI's and Mistral's, read and written as one."""
