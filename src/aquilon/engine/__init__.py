"""Inference: an engine process that computes tokens, and the client that the API process speaks to it with.

Only ``protocol`` and ``client`` are for the API process; they never import torch.
"""
