"""Judging texts before they are answered, by whatever the operator set up."""
