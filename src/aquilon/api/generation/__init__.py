"""Routes that models answer: OpenAI's and Mistral's contracts, read and written as one."""
