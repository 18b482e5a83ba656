"""Files to weights: GGUF, safetensors, Mistral's own format, and the model store on disk."""
