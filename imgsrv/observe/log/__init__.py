"""Logs: written, rotated, read back."""
