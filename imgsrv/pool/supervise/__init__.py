"""Supervision of the workers while they serve."""
