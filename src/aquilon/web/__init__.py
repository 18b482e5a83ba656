"""Puts all routes and the built front end together into one application, and serves it."""
