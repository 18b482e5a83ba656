"""Inference: the engine process, which computes tokens, and its client in the API process.

The API process uses only ``client``, ``options`` and ``protocol``; they never import torch.
"""
