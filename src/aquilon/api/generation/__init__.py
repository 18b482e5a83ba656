"""Routes that models answer. Each serves OpenAI's and Mistral's clients with one set of fields."""
