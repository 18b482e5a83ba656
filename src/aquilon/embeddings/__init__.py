"""Answers embedding requests with vectors and ranks documents, by the model on this machine or by an upstream.

It exports nothing: the process with the model, `worker`, would import the database with the pipeline.
"""
