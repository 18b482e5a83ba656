"""Queries over libraries, their documents, and the documents' passages."""
