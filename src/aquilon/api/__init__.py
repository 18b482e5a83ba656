"""The routes: what clients send becomes canonical requests, and canonical events become their answers.

Here is what every route needs; the routes themselves stand in a folder for each wing.
"""
