"""Trains models: pretraining, fine-tuning and preference optimization, in a process of its own (`training.job`).

The rest of the program speaks to that process through `training.protocol`, the only file here that it imports.
"""
