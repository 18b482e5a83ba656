"""From a request to its events: template, tokenize, the engine, detokenize, stop strings."""
