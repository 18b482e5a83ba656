"""What a language model is: its architecture's numbers and the transformer that they describe."""
