"""Fine-tuning jobs: files are validated, a model learns from them in a separate process, and the result answers by its
name."""
