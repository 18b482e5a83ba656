"""The routes: they turn clients' bodies into canonical requests, and canonical events into answers.

The modules here serve every route; the routes themselves are in a folder for each wing.
"""
