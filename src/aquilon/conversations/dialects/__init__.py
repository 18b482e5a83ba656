"""The vendors' contracts as thin adapters: their requests to canonical ones, canonical events to their answers."""
